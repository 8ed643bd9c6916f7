import torch

from iqa_zoo.contracts import Features, FeatureSpec
from iqa_zoo.memories.tokens import Tokens


def test_are_the_tokens_themselves():
    memory = Tokens(dim=8, features=FeatureSpec({}, 8, 12, 224))
    tokens_BLC = torch.randn(2, 13, 8)
    assert torch.equal(memory(Features({}, tokens_BLC, None)), tokens_BLC)
    assert not list(memory.parameters())


def test_are_projected_where_widths_differ():
    memory = Tokens(dim=8, features=FeatureSpec({}, 12, 8, 224))
    tokens_BLC = torch.randn(2, 13, 12)
    expected_BLD = tokens_BLC @ memory.proj.weight.T + memory.proj.bias
    assert torch.allclose(memory(Features({}, tokens_BLC, None)), expected_BLD, atol=1e-6)
