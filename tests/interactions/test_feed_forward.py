import math

import numpy as np
import pytest
import torch

from iqa_zoo.interactions.feed_forward import FeedForward


@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_equals_the_formula(activation):
    torch.manual_seed(0)
    block = FeedForward(dim=6, hidden=10, activation=activation).requires_grad_(False).double()
    queries = torch.randn(1, 3, 6, dtype=torch.float64)
    x = queries[0].numpy()
    normed = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    hidden = normed @ block.fc1.weight.numpy().T + block.fc1.bias.numpy()
    if activation == "relu":
        hidden = np.maximum(hidden, 0)
    else:
        hidden = hidden * np.vectorize(lambda value: (1 + math.erf(value / math.sqrt(2))) / 2)(hidden)
    expected = x + hidden @ block.fc2.weight.numpy().T + block.fc2.bias.numpy()
    assert np.allclose(block(queries, None)[0].numpy(), expected, atol=1e-10)


def test_parameters():
    assert sum(p.numel() for p in FeedForward(dim=384).parameters()) == 2 * 384 * 1536 + 1536 + 384 + 2 * 384
