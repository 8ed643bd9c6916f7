import math

import numpy as np
import pytest
import torch

from iqa_zoo.heads.ffn import FFNHead
from iqa_zoo.heads.moe import MoEHead


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("residual", ["paper", "released"])
def test_equals_the_formula(residual, activation):
    torch.manual_seed(0)
    head = FFNHead(dim=6, hidden=10, residual=residual, activation=activation, gamma=0.3).eval().double()
    queries_BND = torch.randn(2, 3, 6, dtype=torch.float64)
    x = queries_BND.numpy()
    x = (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-5)
    state = {name: value.numpy() for name, value in head.state_dict().items()}
    hidden = x @ state["ffn.0.weight"].T + state["ffn.0.bias"]
    if activation == "relu":
        hidden = np.maximum(hidden, 0)
    else:
        hidden = hidden * np.vectorize(lambda value: (1 + math.erf(value / math.sqrt(2))) / 2)(hidden)
    block = hidden @ state["ffn.3.weight"].T + state["ffn.3.bias"]
    mixed = block + np.float32(0.3) * x if residual == "paper" else x + np.float32(0.3) * block
    score_BN = (mixed @ state["fc.weight"].T + state["fc.bias"])[..., 0]
    output = head(queries_BND)
    assert np.allclose(output.score_BN.detach().numpy(), score_BN, atol=1e-10)
    assert np.allclose(output.score_B.detach().numpy(), score_BN.mean(1), atol=1e-10)
    assert output.routing == []


def test_is_the_mixture_with_one_expert():
    ffn, moe = FFNHead(dim=12, hidden=20).eval(), MoEHead(dim=12, hidden=20, num_experts=1, top_k=1).eval()
    names = {name: name.replace("ffn.", "experts.0.") for name in ffn.state_dict()}
    moe.load_state_dict({names[k]: v for k, v in ffn.state_dict().items()}, strict=False)
    queries_BND = torch.randn(2, 5, 12)
    assert torch.allclose(ffn(queries_BND).score_B, moe(queries_BND).score_B, atol=1e-6)
