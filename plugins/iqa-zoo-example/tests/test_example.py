"""The tests a plugin should have: its parts by a hand formula, and everything through iqa_zoo as a user meets it."""

from __future__ import annotations

import pytest
import torch
from iqa_zoo_example.memory_gate import MemoryGate
from iqa_zoo_example.weighted_mean import WeightedMeanHead

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.errors import ConfigError, PartError

ORIGIN = "iqa-zoo-example 0.1.0"
TINY = {"backbone.name": "test_resnet", "dim": 32, "interactions.*.hidden": [16, 8]}


@pytest.mark.parametrize(
    ("slot", "name"), [("interactions", "memory_gate"), ("head", "weighted_mean"), ("models", "example_iqa")]
)
def test_is_listed_with_its_origin(slot, name):
    listed = {part.name: part for part in iqa_zoo.list_components(slot)}
    assert listed[name].origin == ORIGIN
    assert listed[name].summary.startswith("An example plugin")


def test_the_model_is_in_the_catalogue_and_gives_a_fresh_config():
    assert "example_iqa" in iqa_zoo.list_models()
    cfg = iqa_zoo.model_config("example_iqa")
    cfg["interactions"][0]["hidden"] = [1]
    assert cfg["interactions"][2]["hidden"] == [128, 64]
    assert iqa_zoo.model_config("example_iqa")["interactions"][0]["hidden"] == [128, 64]


def test_builds_scores_and_every_parameter_has_a_gradient():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("example_iqa", overrides=TINY)
    size = model.backbone.spec.image_size
    image_BCHW = torch.randn(2, 3, size, size)
    output = model.details(image_BCHW)
    assert output.score_B.shape == (2,)
    assert output.score_BN.shape == (2, 6)
    model.loss(image_BCHW, torch.tensor([1.0, 2.0]))["total"].backward()
    decoder = [(n, p) for n, p in model.named_parameters() if not n.startswith("backbone.")]
    assert decoder
    for name, parameter in decoder:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_the_state_dict_loads_into_another_copy():
    model, other = (iqa_zoo.build_model("example_iqa", overrides=TINY).eval() for _ in range(2))
    other.load_state_dict(model.state_dict())
    image_BCHW = torch.randn(2, 3, 160, 160)
    torch.testing.assert_close(other(image_BCHW), model(image_BCHW))


def test_it_is_counted_to_the_last_parameter():
    budget = iqa_zoo.measure_budget(iqa_zoo.build_model("example_iqa", overrides=TINY))
    gate, head = budget.by_block["interactions.1"], budget.by_slot["head"]
    dim, hidden, queries = 32, 8, 6
    assert gate.params == 2 * dim + (dim + 1) * dim + (dim + 1) * hidden + (hidden + 1) * dim
    assert gate.macs == queries * dim * dim + 2 * dim * hidden
    assert head.params == 2 * dim + 1
    assert head.macs == 2 * queries * dim


def test_its_budget_is_matched():
    cfg = iqa_zoo.build_model("example_iqa", overrides=TINY).config
    target = round(1.1 * iqa_zoo.measure_budget(cfg).decoder.params)
    _, budget = iqa_zoo.match_budget(cfg, target)
    assert abs(budget.decoder.params - target) <= 0.01 * target
    assert budget.moved


def test_is_described_by_the_command(capsys):
    assert main(["describe", "memory_gate"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"interactions: memory_gate ({ORIGIN})\n\nGate the channels of the queries")
    assert "reduction" in out
    assert main(["describe", "example_iqa"]) == 0
    assert ORIGIN in capsys.readouterr().out


def test_the_gate_sees_only_the_mean_of_the_memory():
    torch.manual_seed(0)
    gate = MemoryGate(dim=8, reduction=2).double()
    queries_BND, memory_BLD = torch.randn(2, 6, 8).double(), torch.randn(2, 36, 8).double()
    shuffled_BLD = memory_BLD[:, torch.randperm(36)]
    torch.testing.assert_close(gate(queries_BND, memory_BLD), gate(queries_BND, shuffled_BLD))
    assert not torch.allclose(gate(queries_BND, memory_BLD), gate(queries_BND, memory_BLD + 1))


def test_a_closed_gate_changes_nothing_and_an_open_one_adds_the_projection():
    torch.manual_seed(0)
    gate = MemoryGate(dim=8, reduction=2)
    queries_BND, memory_BLD = torch.randn(2, 6, 8), torch.randn(2, 36, 8)
    torch.nn.init.zeros_(gate.excite.weight)
    torch.nn.init.constant_(gate.excite.bias, -100.0)
    torch.testing.assert_close(gate(queries_BND, memory_BLD), queries_BND)
    torch.nn.init.constant_(gate.excite.bias, 100.0)
    expected_BND = queries_BND + gate.proj(gate.norm(queries_BND))
    torch.testing.assert_close(gate(queries_BND, memory_BLD), expected_BND)


def test_a_reduction_that_does_not_divide_names_the_nearest_that_does():
    with pytest.raises(PartError, match=r"reduction=5 does not divide dim=8; the nearest that does is 4"):
        MemoryGate(dim=8, reduction=5)
    with pytest.raises(ConfigError, match=r"interactions\.1: reduction=5 does not divide dim=32; the nearest .* is 4"):
        iqa_zoo.build_model("example_iqa", overrides={**TINY, "interactions.1.reduction": 5})


def test_the_gate_without_a_memory_is_refused():
    with pytest.raises(ConfigError, match=r"interactions\.1: 'memory_gate' attends to the memory, and memory is None"):
        iqa_zoo.build_model("example_iqa", overrides={**TINY, "memory": None})


def test_the_head_is_the_mean_at_first_and_one_query_s_score_when_it_counts_alone():
    torch.manual_seed(0)
    head = WeightedMeanHead(dim=4)
    queries_BND = torch.randn(2, 6, 4)
    output = head(queries_BND)
    torch.testing.assert_close(output.score_B, output.score_BN.mean(1))

    queries_BND[:, :, 0] = 0
    queries_BND[:, 3, 0] = 1
    head.weight.weight.data = torch.tensor([[1000.0, 0.0, 0.0, 0.0]])
    output = head(queries_BND)
    torch.testing.assert_close(output.score_B, output.score_BN[:, 3])


def test_the_head_by_hand():
    head = WeightedMeanHead(dim=2)
    head.score.weight.data, head.score.bias.data = torch.tensor([[2.0, 0.0]]), torch.tensor([1.0])
    head.weight.weight.data = torch.tensor([[0.0, 1.0]])
    queries_BND = torch.tensor([[[1.0, 0.0], [3.0, torch.tensor(3.0).log()]]])  # scores 3, 7; weights 1/4, 3/4
    torch.testing.assert_close(head(queries_BND).score_B, torch.tensor([6.0]))
