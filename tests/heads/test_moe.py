import os
import subprocess
import sys

import pytest
import torch

from iqa_zoo.errors import PartError
from iqa_zoo.heads.moe import MoEHead

D = 12


def head_of(experts=4, top_k=2, **arguments):
    torch.manual_seed(0)
    head = MoEHead(dim=D, hidden=20, num_experts=experts, top_k=top_k, **arguments).requires_grad_(True)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return head


def dense(head, queries_BND):
    """Every expert on every query, weighed by the softmax with all but the top k at minus infinity."""
    normed_BND = head.norm(queries_BND)
    logits_BNE = normed_BND @ head.router.weight.T + head.router.bias
    kth_BN1 = logits_BNE.sort(-1, descending=True).values[..., head.top_k - 1, None]
    weights_BNE = logits_BNE.masked_fill(logits_BNE < kth_BN1, -torch.inf).softmax(-1)
    answers_BNDE = torch.stack([expert(normed_BND) for expert in head.experts], -1)
    mixed_BND = (answers_BNDE * weights_BNE[:, :, None]).sum(-1)
    scaled, plain = (normed_BND, mixed_BND) if head.residual == "paper" else (mixed_BND, normed_BND)
    total_BND = plain + head.gamma * scaled
    score_BN = (total_BND @ head.fc.weight.T + head.fc.bias)[..., 0]
    return score_BN.mean(1), weights_BNE


def no_tokens_for_the_last_two(head):
    with torch.no_grad():
        head.router.weight.zero_()
        head.router.bias.copy_(torch.tensor([3.0, 2.0, 1.0, 0.0]))
    return head


@pytest.mark.parametrize("batch", [1, 2, 3, 7])
@pytest.mark.parametrize(("experts", "top_k"), [(4, 2), (2, 2), (3, 1), (8, 3)])
@pytest.mark.parametrize("residual", ["paper", "released"])
def test_equals_the_dense_mixture(experts, top_k, residual, batch):
    head = head_of(experts, top_k, residual=residual, gamma=0.3).eval()
    queries_BND = torch.randn(batch, 6, D)
    output = head(queries_BND)
    score_B, weights_BNE = dense(head, queries_BND)
    assert torch.allclose(output.score_B, score_B, atol=1e-5)
    assert torch.allclose(output.routing[0].weights_TE, weights_BNE.flatten(0, 1), atol=1e-6)


def test_gradients_equal_those_of_the_dense_mixture():
    head = head_of().eval()
    queries_BND = torch.randn(3, 6, D)
    sparse = torch.autograd.grad(head(queries_BND).score_B.square().sum(), list(head.parameters()))
    reference = torch.autograd.grad(dense(head, queries_BND)[0].square().sum(), list(head.parameters()))
    for (name, _), ours, theirs in zip(head.named_parameters(), sparse, reference, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4), name


def test_an_expert_sees_its_own_tokens_and_no_others():
    head = head_of().eval()
    seen = {}
    for e, expert in enumerate(head.experts):
        expert.register_forward_pre_hook(lambda _, inputs, e=e: seen.setdefault(e, inputs[0]))
    queries_BND = torch.randn(3, 6, D)
    choice_TK = head(queries_BND).routing[0].choice_TK
    tokens_TD = head.norm(queries_BND).flatten(0, 1)
    assert sum(len(tokens) for tokens in seen.values()) == 3 * 6 * 2
    for e, tokens in seen.items():
        assert torch.equal(tokens, tokens_TD[(choice_TK == e).any(-1)])


def test_expert_without_tokens_has_a_zero_gradient():
    head = no_tokens_for_the_last_two(head_of())
    output = head(torch.randn(3, 6, D))
    assert set(output.routing[0].choice_TK.flatten().tolist()) == {0, 1}
    output.score_B.sum().backward()
    for e, expert in enumerate(head.experts):
        for parameter in expert.parameters():
            assert parameter.grad is not None
            assert (parameter.grad.abs().max() > 0) == (e < 2)


def test_parameters_met_by_one_query():
    assert MoEHead(dim=384).inactive_params == 2 * (2 * 384 * 1536 + 1536 + 384)
    assert MoEHead(dim=384, num_experts=2).inactive_params == 0
    experts = [sum(p.numel() for p in MoEHead(dim=384, num_experts=e).experts.parameters()) for e in (2, 4, 8)]
    assert [round(count / 1e6, 3) for count in experts] == [2.363, 4.726, 9.453]


@pytest.mark.parametrize(("experts", "top_k"), [(4, 5), (1, 2)])
def test_top_k_out_of_range(experts, top_k):
    with pytest.raises(PartError, match=f"top_k={top_k} is not between 1 and num_experts={experts}"):
        MoEHead(dim=D, num_experts=experts, top_k=top_k)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch's tracer, of its own doing
def test_compiled_equals_eager_at_changing_batch_sizes():
    torch.compiler.reset()
    head = head_of(experts=2, top_k=1, dropout=0.0)
    compiled = torch.compile(head, backend="aot_eager")
    for batch in (3, 1, 5):
        queries_BND = torch.randn(batch, 6, D)
        results = []
        for model in (head, compiled):
            head.zero_grad(set_to_none=True)
            output = model(queries_BND)
            output.score_B.square().sum().backward()
            results.append((output.score_B.detach(), [p.grad for p in head.parameters()]))
        assert torch.allclose(results[0][0], results[1][0], atol=1e-6)
        for ours, theirs in zip(results[0][1], results[1][1], strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("routing", ["spread", "two experts only"])
def test_one_graph_with_the_gradients_of_the_sparse_dispatch(routing):
    head = head_of(dropout=0.0) if routing == "spread" else no_tokens_for_the_last_two(head_of(dropout=0.0))
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    queries_BND = torch.randn(3, 6, D)
    results = []
    for model in (head, torch.compile(head, backend=keep)):
        head.zero_grad(set_to_none=True)
        output = model(queries_BND)
        output.score_B.square().sum().backward()
        results.append((output, [p.grad for p in head.parameters()]))
    assert len(graphs) == 1
    (sparse, sparse_gradients), (all_experts, gradients) = results
    assert torch.allclose(sparse.score_BN, all_experts.score_BN, atol=1e-5)
    assert torch.equal(sparse.routing[0].choice_TK, all_experts.routing[0].choice_TK)
    assert torch.allclose(sparse.routing[0].weights_TE, all_experts.routing[0].weights_TE, atol=1e-6)
    for (name, _), ours, theirs in zip(head.named_parameters(), gradients, sparse_gradients, strict=True):
        assert ours is not None, name
        assert torch.allclose(ours, theirs, atol=1e-4), name


WORKER = """
import sys

import torch
from torch import nn
from torch.distributed import all_gather, destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel

from iqa_zoo.heads.moe import MoEHead

rank, store = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
torch.manual_seed(0)
head = MoEHead(dim=12, hidden=20, num_experts=4, top_k=1)
start = [nn.utils.parameters_to_vector(expert.parameters()).detach().clone() for expert in head.experts]
model = DistributedDataParallel(head, find_unused_parameters=False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
starved = 0
for step in range(6):
    torch.manual_seed(10 * step + rank)
    batch = 1 + (step + rank) % 3
    output = model(torch.randn(batch, 2, 12))
    starved += len(set(range(4)) - set(output.routing[0].choice_TK.flatten().tolist())) > 0
    optimizer.zero_grad()
    output.score_B.square().sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    optimizer.step()
assert starved, "every expert got a token at every step: the test shows nothing"
mine = nn.utils.parameters_to_vector(head.parameters()).detach()
both = [torch.empty_like(mine) for _ in range(2)]
all_gather(both, mine)
assert torch.equal(both[0], both[1])
for expert, before in zip(head.experts, start):
    assert (nn.utils.parameters_to_vector(expert.parameters()) != before).any(), "an expert never moved"
destroy_process_group()
print("equal")
"""


@pytest.mark.slow
def test_two_processes_train_every_expert(tmp_path):
    """DistributedDataParallel waits for a gradient of every parameter; an expert without tokens must bring one."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    store = tmp_path / "store"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(store)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for rank in ranks:
            out, err = rank.communicate(timeout=300)
            assert rank.returncode == 0, err
            assert "equal" in out
    finally:
        for rank in ranks:
            rank.kill()
