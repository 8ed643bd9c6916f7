"""Every operator against a hand formula and torch's own counter (which counts floating-point operations: two a MAC)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.budgets import add_formula, count_macs
from iqa_zoo.budgets.formulas import FORMULAS, OTHER_OPS, ZERO_COST
from iqa_zoo.errors import BudgetError
from iqa_zoo.heads.moe import MoEHead
from iqa_zoo.interactions.pyg_conv import PyGConv
from iqa_zoo.testing.witness import count_by_torch


class Call(nn.Module):
    """A function of tensors, and of modules, as a module."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, *inputs: Tensor):
        return self.function(*self.parts, *inputs)


def by_torch(module: nn.Module, *inputs: Tensor) -> float:
    return count_by_torch(module, *inputs).get_total_flops() / 2


IMAGE = torch.rand(2, 8, 12, 10)
TOKENS = torch.rand(2, 5, 8)

CASES = {
    "linear": (nn.Linear(8, 3), [TOKENS], 2 * 5 * 8 * 3),
    "linear of no rows": (nn.Linear(8, 3), [torch.rand(0, 8)], 0),
    "conv": (nn.Conv2d(8, 6, 3, stride=2, padding=1), [IMAGE], 2 * 6 * 6 * 5 * 8 * 9),
    "conv groups": (nn.Conv2d(8, 6, 3, padding=1, groups=2), [IMAGE], 2 * 6 * 12 * 10 * 4 * 9),
    "conv depthwise": (nn.Conv2d(8, 8, 5, padding=2, groups=8), [IMAGE], 2 * 8 * 12 * 10 * 25),
    "conv dilated": (nn.Conv2d(8, 6, 3, dilation=2), [IMAGE], 2 * 6 * 8 * 6 * 8 * 9),
    "conv same": (nn.Conv2d(8, 6, 3, padding="same"), [IMAGE], 2 * 6 * 12 * 10 * 8 * 9),
    "conv of one image": (nn.Conv2d(8, 6, 1), [IMAGE[0]], 6 * 12 * 10 * 8),
    "conv transposed": (nn.ConvTranspose2d(8, 6, 3, stride=2, groups=2), [IMAGE], 2 * 8 * 12 * 10 * 3 * 9),
    "conv 1d": (nn.Conv1d(8, 4, 3), [torch.rand(2, 8, 9)], 2 * 4 * 7 * 8 * 3),
    "matmul": (Call(torch.matmul), [TOKENS, torch.rand(8, 7)], 2 * 5 * 8 * 7),
    "matmul broadcast left": (Call(torch.matmul), [torch.rand(5, 5), TOKENS], 2 * 5 * 5 * 8),
    "matmul four": (Call(torch.matmul), [torch.rand(2, 3, 4, 5), torch.rand(2, 3, 5, 6)], 2 * 3 * 4 * 5 * 6),
    "mm": (Call(torch.mm), [torch.rand(3, 4), torch.rand(4, 5)], 3 * 4 * 5),
    "bmm": (Call(torch.bmm), [torch.rand(2, 3, 4), torch.rand(2, 4, 5)], 2 * 3 * 4 * 5),
    "addmm": (Call(torch.addmm), [torch.rand(5), torch.rand(3, 4), torch.rand(4, 5)], 3 * 4 * 5),
    "baddbmm": (
        Call(torch.baddbmm),
        [torch.rand(2, 3, 5), torch.rand(2, 3, 4), torch.rand(2, 4, 5)],
        2 * 3 * 4 * 5,
    ),
    "einsum": (Call(lambda a, b: torch.einsum("bnd,bmd->bnm", a, b)), [TOKENS, torch.rand(2, 7, 8)], 2 * 5 * 8 * 7),
    "einsum heads": (
        Call(lambda a, b: torch.einsum("...hnd,...hmd->...hnm", a, b)),
        [torch.rand(2, 3, 5, 4), torch.rand(2, 3, 6, 4)],
        2 * 3 * 5 * 6 * 4,
    ),
    "einsum of products only": (Call(lambda a: torch.einsum("bnd,bnd->bnd", a, a)), [TOKENS], 0),
    "attention": (
        Call(F.scaled_dot_product_attention),
        [torch.rand(2, 4, 6, 8), torch.rand(2, 4, 9, 8), torch.rand(2, 4, 9, 8)],
        2 * 4 * 6 * 9 * (8 + 8),
    ),
    "attention of grouped queries": (
        Call(lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True)),
        [torch.rand(2, 4, 6, 8), torch.rand(2, 2, 9, 8)],
        2 * 4 * 6 * 9 * 16,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_operator_costs_what_the_hand_formula_and_torch_say(case):
    module, inputs, by_hand = CASES[case]
    assert count_macs(module, *inputs) == by_hand
    assert by_torch(module, *inputs) == by_hand


def test_products_of_vectors():  # torch's counter has no formula for them
    matrix, vector = torch.rand(5, 8), torch.rand(8)
    assert count_macs(Call(torch.matmul), matrix, vector) == 40
    assert count_macs(Call(torch.mv), matrix, vector) == 40
    assert count_macs(Call(torch.dot), vector, vector) == 8
    assert count_macs(Call(torch.addmv), torch.rand(5), matrix, vector) == 40


def test_attention_with_values_of_another_width():
    query, key, value = torch.rand(1, 2, 6, 8), torch.rand(1, 2, 9, 8), torch.rand(1, 2, 9, 5)
    assert count_macs(Call(F.scaled_dot_product_attention), query, key, value) == 2 * 6 * 9 * (8 + 5)


def test_einsum_of_three_operands_is_contracted_in_pairs():
    chain = Call(lambda a, b, c: torch.einsum("ab,bc,cd->ad", a, b, c))
    inputs = [torch.rand(3, 4), torch.rand(4, 5), torch.rand(5, 6)]
    assert count_macs(chain, *inputs) == by_torch(chain, *inputs) == 3 * 4 * 5 + 3 * 5 * 6


MHA_196 = 4 * 196 * 384**2 + 2 * 196 * 196 * 384


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_self_attention_costs_the_same_however_it_is_run(need_weights, frozen, training, grad):
    attention = nn.MultiheadAttention(384, 6, batch_first=True).requires_grad_(not frozen)
    call = Call(lambda attn, x: attn(x, x, x, need_weights=need_weights), attention).train(training)
    with torch.set_grad_enabled(grad):
        assert count_macs(call, torch.zeros(1, 196, 384)) == MHA_196 == 145_108_992


def test_cross_attention():
    attention = nn.MultiheadAttention(16, 4, batch_first=True)
    call = Call(lambda attn, q, m: attn(q, m, m, need_weights=False), attention)
    by_hand = (2 * 6 + 2 * 49) * 16**2 + 2 * 6 * 49 * 16
    assert count_macs(call, torch.rand(1, 6, 16), torch.rand(1, 49, 16)) == by_hand


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer(norm_first):
    layer = nn.TransformerEncoderLayer(16, 4, 40, batch_first=True, norm_first=norm_first)
    by_hand = 2 * (9 * (4 * 16**2 + 2 * 16 * 40) + 2 * 9 * 9 * 16)
    assert count_macs(layer, torch.rand(2, 9, 16)) == by_torch(layer, torch.rand(2, 9, 16)) == by_hand


def test_fused_attention_operators_cost_what_their_parts_do():
    layer = nn.TransformerEncoderLayer(16, 4, 40, batch_first=True, norm_first=True)
    attn, norm1, norm2, one, two = layer.self_attn, layer.norm1, layer.norm2, layer.linear1, layer.linear2
    projections = (attn.in_proj_weight, attn.in_proj_bias, attn.out_proj.weight, attn.out_proj.bias)
    norms = (norm1.weight, norm1.bias, norm2.weight, norm2.bias)
    feed_forward = (one.weight, one.bias, two.weight, two.bias)
    tokens = torch.rand(2, 9, 16)
    fused_layer = Call(
        lambda _, x: torch._transformer_encoder_layer_fwd(
            x, 16, 4, *projections, False, True, 1e-5, *norms, *feed_forward
        ),
        layer,
    )
    fused_attention = Call(lambda _, x: torch._native_multi_head_attention(x, x, x, 16, 4, *projections), attn)
    plain_attention = Call(lambda attn, x: attn(x, x, x), attn)
    assert count_macs(fused_layer, tokens) == count_macs(layer, tokens)
    assert count_macs(fused_attention, tokens) == count_macs(plain_attention, tokens)


# A layer of the complete graph over N = 6 queries, widths 8 -> 4: the products that each layer's definition asks for.
GRAPH_LAYERS = {
    "gcn": 6 * 8 * 4 + 6 * 6 * 4,  # A (X W)
    "sage": 6 * 6 * 8 + 2 * 6 * 8 * 4,  # W1 (A X) + W2 X
    "graph": 6 * 6 * 8 + 2 * 6 * 8 * 4,
    "gin": 6 * 6 * 8 + 6 * 8 * 4 + 6 * 4 * 4,  # MLP(X + A X)
    "gat": 6 * 8 * 4 + 6 * 6 * 4,  # the scores are element-wise
}


@pytest.mark.parametrize("conv", GRAPH_LAYERS)
def test_dense_graph_layers(conv):
    block = PyGConv(dim=8, conv=conv, hidden=(4,))
    back = {"gcn": 6 * 4 * 8 + 6 * 6 * 8, "gat": 6 * 4 * 8 + 6 * 6 * 8, "gin": 6 * 6 * 4 + 6 * 4 * 8 + 6 * 8 * 8}
    by_hand = GRAPH_LAYERS[conv] + back.get(conv, 6 * 6 * 4 + 2 * 6 * 4 * 8)
    queries, memory = torch.rand(1, 6, 8), torch.rand(1, 9, 8)
    assert count_macs(block, queries, memory) == by_torch(block, queries, memory) == by_hand


@pytest.mark.parametrize(("experts", "top_k", "batch"), [(4, 2, 1), (4, 2, 3), (8, 1, 2), (2, 2, 2)])
def test_experts_cost_their_own_tokens_only(experts, top_k, batch):
    head = MoEHead(dim=8, hidden=20, num_experts=experts, top_k=top_k)
    tokens = batch * 6
    by_hand = tokens * (8 * experts + top_k * 2 * 8 * 20 + 8)  # router, experts, score
    queries = torch.rand(batch, 6, 8)
    assert count_macs(head, queries) == by_torch(head, queries) == by_hand


def test_work_that_does_not_reach_the_output_counts():
    def wasteful(linear: nn.Linear, x: Tensor) -> Tensor:
        linear(x)
        x @ linear.weight
        return x

    module = Call(wasteful, nn.Linear(8, 8))
    assert count_macs(module, TOKENS) == by_torch(module, TOKENS) == 2 * (2 * 5 * 8 * 8)


@pytest.mark.parametrize("name", ["linear", "conv groups", "matmul broadcast left", "einsum", "attention"])
def test_a_batch_costs_its_images(name):
    module, inputs, by_hand = CASES[name]
    thrice = [torch.cat([x] * 3) if len(x) == 2 else x for x in inputs]
    assert count_macs(module, *thrice) == 3 * by_hand


def test_an_unknown_operator_fails_by_name_and_place():
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.fft(x).real

    with pytest.raises(BudgetError, match=r"aten::fft_fft \(1x\), in 1\n.*add_formula\('aten::fft_fft'"):
        count_macs(nn.Sequential(nn.Linear(8, 8), Spectrum()), TOKENS)


def test_an_unknown_operator_fails_where_its_result_is_not_used():
    with pytest.raises(BudgetError, match="aten::fft_fft"):
        count_macs(Call(lambda x: (torch.fft.fft(x), x)[1]), TOKENS)


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x @ x.mT

    @staticmethod
    def backward(ctx, grad):
        return grad


def test_a_python_operator_fails_by_name():
    with pytest.raises(BudgetError, match=r"prim::PythonOp\.Product[^\n]*\nAdd .* written in Python"):
        count_macs(Call(Product.apply), TOKENS)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_module_is_refused():
    with pytest.raises(BudgetError, match="before it is compiled"):
        count_macs(nn.Sequential(torch.jit.script(nn.Linear(8, 8))), TOKENS)


def test_a_formula_can_be_added(monkeypatch):
    formulas = dict(FORMULAS)
    monkeypatch.setattr("iqa_zoo.budgets.formulas.FORMULAS", formulas)
    monkeypatch.setattr("iqa_zoo.budgets.count.FORMULAS", formulas)
    transform = Call(lambda x: torch.fft.ifft(x).real)
    with pytest.raises(BudgetError):
        count_macs(transform, TOKENS)
    add_formula("aten::fft_ifft", lambda inputs, outputs: 77)
    assert count_macs(transform, TOKENS) == 77


def test_every_operator_has_one_place():
    places = [set(FORMULAS), set(OTHER_OPS), ZERO_COST]
    assert sum(map(len, places)) == len(set.union(*places))
