import torch
from torch import nn

from iqa_zoo.heads.linear import LinearHead


def test_mean_of_one_linear_score_per_query():
    head = LinearHead(dim=8)
    queries_BND = torch.randn(2, 5, 8)
    output = head(queries_BND)
    expected_BN = (queries_BND * head.fc.weight[0]).sum(-1) + head.fc.bias
    assert torch.allclose(output.score_BN, expected_BN, atol=1e-6)
    assert torch.allclose(output.score_B, expected_BN.sum(1) / 5, atol=1e-6)
    assert output.routing == []


def test_norm_and_bias():
    head = LinearHead(dim=8, bias=False, norm=True)
    assert [name for name, _ in head.named_parameters()] == ["norm.weight", "norm.bias", "fc.weight"]
    queries_BND = torch.randn(2, 5, 8)
    normed_BND = nn.functional.layer_norm(queries_BND, (8,))
    assert torch.allclose(head(queries_BND).score_BN, normed_BND @ head.fc.weight[0], atol=1e-6)
