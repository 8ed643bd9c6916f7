import numpy as np
import pytest
import torch

from iqa_zoo.interactions.cross_attention import CrossAttention
from iqa_zoo.layers.attention import Projected


def by_heads(block, queries, memory):
    """One image, one head and one query at a time, in double precision; returns the answer and the mean weights."""
    weight = block.attn.in_proj_weight.double().numpy()
    bias = block.attn.in_proj_bias.double().numpy()
    dim, heads = queries.shape[1], block.attn.num_heads
    size = dim // heads
    mean, spread = queries.mean(1, keepdims=True), queries.std(1, keepdims=True)
    normed = (queries - mean) / np.sqrt(spread**2 + 1e-5) * block.norm.weight.numpy() + block.norm.bias.numpy()
    q = normed @ weight[:dim].T + bias[:dim]
    k = memory @ weight[dim : 2 * dim].T + bias[dim : 2 * dim]
    v = memory @ weight[2 * dim :].T + bias[2 * dim :]
    together, mean_weights = np.zeros_like(queries), 0
    for h in range(heads):
        part = slice(h * size, (h + 1) * size)
        logits = q[:, part] @ k[:, part].T / np.sqrt(size)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        together[:, part] = weights @ v[:, part]
        mean_weights = mean_weights + weights / heads
    out = block.attn.out_proj
    return queries + together @ out.weight.double().numpy().T + out.bias.numpy(), mean_weights


@pytest.fixture
def block():
    torch.manual_seed(0)
    block = CrossAttention(dim=24, num_heads=6).requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    return block


@pytest.mark.parametrize("few_queries", [False, True])
@pytest.mark.parametrize(("count", "length"), [(6, 36), (1, 1), (9, 4)])
def test_equals_the_formula(block, count, length, few_queries):
    block.few_queries = few_queries
    queries_BND, memory_BLD = torch.randn(2, count, 24), torch.randn(2, length, 24)
    answer_BND, weights_BNL = block(queries_BND, memory_BLD), block.attention(queries_BND, memory_BLD)
    assert weights_BNL.shape == (2, count, length)
    for b in range(2):
        answer, weights = by_heads(block, queries_BND[b].double().numpy(), memory_BLD[b].double().numpy())
        assert np.allclose(answer_BND[b].numpy(), answer, atol=2e-5)
        assert np.allclose(weights_BNL[b].numpy(), weights, atol=1e-6)


@pytest.mark.parametrize(("count", "length"), [(6, 36), (1, 1), (9, 4)])
def test_gradients_for_few_queries_are_torchs(count, length):
    torch.manual_seed(0)
    block = CrossAttention(dim=24, num_heads=6).double()
    queries_BND = torch.randn(2, count, 24, dtype=torch.float64, requires_grad=True)
    memory_BLD = torch.randn(2, length, 24, dtype=torch.float64, requires_grad=True)
    weigh_BND = torch.randn(2, count, 24, dtype=torch.float64)
    found = []
    for block.few_queries in (False, True):
        answer_BND = block(queries_BND, memory_BLD)
        found.append(torch.autograd.grad(answer_BND, [queries_BND, memory_BLD, *block.parameters()], weigh_BND))
    for usual, few in zip(*found, strict=True):
        assert torch.allclose(usual, few, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_tokens_before_their_projection_give_the_same_answer_gradients_and_attention(bias):
    torch.manual_seed(0)
    block, proj = CrossAttention(dim=24, num_heads=6).double(), torch.nn.Linear(10, 24, bias=bias).double()
    queries_BND = torch.randn(2, 6, 24, dtype=torch.float64, requires_grad=True)
    tokens_BLC, weigh_BND = torch.randn(2, 9, 10).double(), torch.randn(2, 6, 24).double()
    learned = [queries_BND, *block.parameters(), *proj.parameters()]
    memories = [proj(tokens_BLC), Projected(tokens_BLC, proj)]
    answers = [block(queries_BND, memory) for memory in memories]
    torch.testing.assert_close(*answers, rtol=1e-10, atol=1e-12)
    gradients = [torch.autograd.grad(answer_BND, learned, weigh_BND, allow_unused=True) for answer_BND in answers]
    for usual, few in zip(*gradients, strict=True):
        torch.testing.assert_close(few, usual, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(*(block.attention(queries_BND, memory) for memory in memories))


def test_order_of_the_memory_does_not_matter(block):
    queries_BND, memory_BLD = torch.randn(2, 6, 24), torch.randn(2, 36, 24)
    order = torch.randperm(36)
    assert torch.allclose(block(queries_BND, memory_BLD), block(queries_BND, memory_BLD[:, order]), atol=1e-5)


def test_dropout_is_on_the_weights_and_only_in_training():
    block = CrossAttention(dim=24, num_heads=6, dropout=0.5)
    queries_BND, memory_BLD = torch.randn(2, 6, 24), torch.randn(2, 36, 24)
    assert not torch.equal(block(queries_BND, memory_BLD), block(queries_BND, memory_BLD))
    block.eval()
    assert torch.equal(block(queries_BND, memory_BLD), block(queries_BND, memory_BLD))
    assert block.attn.dropout == 0.5
