import torch
from torch.nn import functional as F

from iqa_zoo.interactions.layer_norm import LayerNorm


def test_is_layer_norm():
    queries_BND = torch.randn(2, 6, 8)
    torch.testing.assert_close(LayerNorm(dim=8)(queries_BND, None), F.layer_norm(queries_BND, (8,)))
