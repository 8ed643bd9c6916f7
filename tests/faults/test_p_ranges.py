"""Values that cannot work are a ConfigError with their path before anything is built, and a PartError in Python."""

import math
import resource
from typing import Annotated

import pytest
import torch
from torch import nn

import iqa_zoo
from iqa_zoo import allocation
from iqa_zoo.cli import main
from iqa_zoo.config import check_config, part_parameters
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.contracts import HeadOutput
from iqa_zoo.errors import ConfigError, PartError
from iqa_zoo.registry import SLOTS
from iqa_zoo.testing.ranges import values_out_of_range
from iqa_zoo.values import Range, Size, checked

PLAIN = {  # whole numbers and floats without a range of their own: what they may be is the backbone's to say
    *("stage", "stages", "stage_blocks"),
}


def problems_of(cfg, overrides=None):
    with pytest.raises(ConfigError) as caught:
        iqa_zoo.build_model(cfg, overrides=overrides)
    return caught.value.problems


@pytest.mark.parametrize("value", [-0.1, 1.1, 2, 1e300, math.nan, math.inf, 10**400])
@pytest.mark.parametrize("path", ["head.dropout", "interactions.1.dropout"])
def test_dropout_is_a_probability(tiny, path, value):
    (problem,) = check_config(apply_overrides(tiny, {path: value}))
    assert problem.startswith(f"{path}: expected float from 0 to 1, got ")


@pytest.mark.parametrize("value", [0, -1, 2**31, 2**64, 10**400])
@pytest.mark.parametrize(
    "path",
    [
        "dim",
        "queries.num_queries",
        "memory.grid",
        "interactions.0.hidden",
        "interactions.1.num_heads",
        "head.hidden",
        "head.num_experts",
        "head.top_k",
        "backbone.image_size",
    ],
)
def test_sizes_of_nothing_and_beyond_all_machines(tiny, path, value):
    value = [8, value] if path.endswith("0.hidden") else value
    (problem,) = check_config(apply_overrides(tiny, {path: value}))
    assert problem.startswith(f"{path}: expected ")
    assert "int from 1 to " in problem
    assert len(problem) < 400


def test_nothing_is_built_where_a_value_is_out_of_range(tiny, monkeypatch):
    made = []
    build = SLOTS["backbone"].build
    monkeypatch.setattr(SLOTS["backbone"], "build", lambda *a, **k: made.append(a) or build(*a, **k))
    assert problems_of(tiny, {"backbone.image_size": 2**64})
    assert not made


@pytest.mark.parametrize("slot", SLOTS)
def test_every_number_of_every_part_has_a_range(slot):
    lacking = [
        f"{name}.{key}: {parameter.annotation}"
        for name in SLOTS[slot].names()
        for key, parameter in part_parameters(slot, name).items()
        if key not in PLAIN and has_plain_number(parameter.annotation)
    ]
    assert not lacking


def has_plain_number(hint):
    if hint in (int, float):
        return True
    if hasattr(hint, "__metadata__"):
        return False
    return any(has_plain_number(inner) for inner in getattr(hint, "__args__", ()))


@pytest.mark.parametrize(
    ("queries", "problem"),
    [
        ({"type": "multi_scale", "stages": []}, "queries: stages is empty; give the stages to read"),
        ({"type": "bilinear", "stages": []}, "queries: stages=() is 0 stages; give two"),
        ({"type": "gated_pool", "grid": []}, "queries: grid=() is 0 numbers"),
    ],
)
def test_empty_lists(tiny, queries, problem):
    assert problems_of({**tiny, "queries": queries})[0].startswith(problem)


def test_an_empty_list_of_stages_in_a_memory(tiny):
    assert problems_of({**tiny, "memory": {"type": "gated_scales", "stages": []}}) == [
        "memory: stages is empty; give the stages to read, the deepest first"
    ]


@pytest.mark.parametrize(
    "arguments",
    [{"embed_dim": 0}, {"embed_dim": -3}, {"depth": "two"}, {"num_heads": 7}, {"drop_rate": 3}],
)
def test_what_timm_refuses_is_a_problem_of_the_backbone(tiny, arguments):
    tiny["backbone"] = {"type": "timm_features", "name": "test_vit", "stages": [3, 4], "model_args": arguments}
    (problem,) = problems_of(tiny)
    assert problem.startswith(f"backbone: timm's 'test_vit' does not take model_args={arguments} (")


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone",
    [
        {"name": "test_vit", "image_size": 65},
        {"name": "test_vit", "model_args": {"img_size": 5}},
        {"name": "test_resnet", "model_args": {"in_chans": 1}},
        {"name": "maxvit_nano_rw_256", "image_size": 100},
    ],
)
def test_a_backbone_that_cannot_take_its_own_image_is_not_built(tiny, backbone):
    (problem,) = problems_of({**tiny, "backbone": {"type": "timm_features", "stages": [3, 4], **backbone}})
    assert problem.startswith(f"backbone: timm's {backbone['name']} image_size=")
    assert "cannot take an RGB image of " in problem


@pytest.mark.slow
def test_trying_an_image_changes_nothing(tiny):
    backbone = {**tiny["backbone"], "image_size": 96, "model_args": {"drop_rate": 0.1}}
    torch.manual_seed(0)
    first = iqa_zoo.build_model({**tiny, "backbone": backbone})
    torch.manual_seed(0)
    second = iqa_zoo.build_model({**tiny, "backbone": backbone})  # not tried again
    state = second.state_dict()
    assert all(torch.equal(state[key], value) for key, value in first.state_dict().items())
    assert first.backbone.training
    assert first.backbone.model.bn1.num_batches_tracked == 0


# What does not fit into memory


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(allocation, "UNSUSPICIOUS", 20 * 10**6)
    monkeypatch.setattr(allocation, "machine_memory", lambda: 100 * 10**6)


@pytest.mark.slow
def test_the_largest_part_is_named_and_nothing_large_is_allocated(tiny, small_machine):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (problem,) = problems_of(tiny, {"head.hidden": 65536, "head.num_experts": 256, "interactions.0.hidden": [60000]})
    assert problem == (
        "head: needs 4.36 GB of memory, the whole model 4.38 GB, and this machine has 100.00 MB: make its sizes smaller"
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes


def test_a_width_of_which_no_machine_can_count_the_bytes(tiny, small_machine):
    arguments = {"embed_dim": 2**40, "num_heads": 2**20}
    tiny["backbone"] = {"type": "timm_features", "name": "test_vit", "stages": [3, 4], "model_args": arguments}
    (problem,) = problems_of(tiny)
    assert problem.startswith("backbone: needs more than 9,223.37 PB of memory, and this machine has 100.00 MB")


@pytest.mark.slow
def test_a_part_inside_a_part_is_named_by_its_path(tiny, small_machine):
    huge = {
        "type": "timm_features",
        "name": "test_vit",
        "image_size": 64,
        "model_args": {"embed_dim": 30_000, "num_heads": 3},
    }
    tiny["backbone"] = {"type": "multi_backbone", "branches": [{**tiny["backbone"], "image_size": 64}, huge]}
    (problem,) = problems_of(tiny)
    assert problem.startswith("backbone.branches.1: needs ")


@pytest.mark.slow
def test_a_large_model_that_fits_has_the_weights_of_its_seed(tiny, small_machine, monkeypatch):
    large = apply_overrides(tiny, {"head.hidden": 30_000})
    torch.manual_seed(3)
    first = iqa_zoo.build_model(large).state_dict()
    monkeypatch.setattr(allocation, "UNSUSPICIOUS", 10**9)
    torch.manual_seed(3)
    second = iqa_zoo.build_model(large).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in second)
    assert all(not value.is_meta for value in first.values())


@pytest.mark.slow
def test_a_model_on_the_meta_device_may_be_of_any_size(tiny, small_machine):
    with torch.device("meta"):
        model = iqa_zoo.build_model(tiny, overrides={"head.hidden": 65536, "head.num_experts": 64})
    assert sum(parameter.numel() for parameter in model.parameters()) > 2.5 * 10**8
    assert iqa_zoo.measure_budget(tiny).params > 0


# Relations between parts


def test_scales_are_those_of_the_memory(tiny):
    tiny["interactions"] = [{"type": "cross_scale_attention", "scale": 2, "num_scales": 3}]
    assert problems_of(tiny) == [
        "interactions.0: 'cross_scale_attention' reads one of num_scales=3 scales, and the memory 'grid_pool' holds 1"
    ]
    tiny["memory"] = {"type": "gated_scales", "stages": [4, 3], "grid": 2, "hidden": 8}
    assert problems_of(tiny) == [
        "interactions.0: 'cross_scale_attention' reads one of num_scales=3 scales, and the memory 'gated_scales' holds 2"
    ]
    assert iqa_zoo.build_model(tiny, overrides={"interactions.0.num_scales": 2}).memory.num_scales == 2


def test_what_reads_the_memory_stands_where_the_queries_are_as_wide(tiny, scratch_registry):
    @iqa_zoo.register_interaction("scratch_narrow")
    class Narrow(nn.Module):
        """Half the width."""

        out_dim: int | None = None

        def __init__(self, *, dim: int):
            super().__init__()
            self.out_dim = dim // 2
            self.proj = nn.Linear(dim, dim // 2)

        def forward(self, queries_BND, memory_BLD):
            return self.proj(queries_BND)

    narrow, attention = {"type": "scratch_narrow"}, {"type": "cross_attention", "num_heads": 4}
    assert problems_of({**tiny, "interactions": [narrow, attention]}) == [
        "interactions.1: 'cross_attention' reads the memory, 32 wide, and the queries are 16 wide here; put it before the change"
    ]
    model = iqa_zoo.build_model({**tiny, "interactions": [attention, narrow]})
    assert model.head.fc.in_features == 16


@pytest.mark.parametrize("path", ["dim.x", "dim.0.num_heads", "dim.*.a"])
def test_an_override_into_a_number_or_into_what_stands_in_its_place(tiny, path):
    for dim in (32, None, {"type": "linear"}, [1]):
        with pytest.raises(ConfigError, match=r"'dim' is .* and has no keys"):
            apply_overrides({**tiny, "dim": dim}, {path: 1})


# In Python, in words, in a plugin


@pytest.mark.parametrize("slot", ["head", "interactions"])
def test_parts_made_in_python_refuse_the_same_values(slot):
    refused = 0
    for name in SLOTS[slot].names():
        part = SLOTS[slot].get(name)
        for key, parameter in part_parameters(slot, name).items():
            for bad in values_out_of_range(parameter.annotation) if key not in PLAIN else ():
                with pytest.raises(PartError, match=f"^{key}: expected "):
                    part(**{key: bad})  # before anything else is asked for
                refused += 1
    assert refused > 20


def test_describe_shows_ranges(capsys):
    assert main(["describe", "feed_forward"]) == 0
    rows = [[cell.strip() for cell in line.split("│")] for line in capsys.readouterr().out.splitlines()]
    assert ["", "hidden", "int from 1 to 65536", "1536", ""] in rows
    assert ["", "dropout", "float from 0 to 1", "0.0", ""] in rows


def test_a_part_of_one_s_own_declares_ranges_or_none(scratch_registry, tiny):
    @iqa_zoo.register_head("scratch_ranged")
    class Ranged(nn.Module):
        """A linear score."""

        @checked
        def __init__(
            self, *, dim: int, hidden: Size = 4, sharpness: Annotated[float, Range(0.5, 2)] = 1.0, plain: int = 1
        ):
            super().__init__()
            self.fc = nn.Linear(dim, 1)

        def forward(self, queries_BND):
            score_BN = self.fc(queries_BND).squeeze(-1)
            return HeadOutput(score_BN.mean(1), score_BN)

    def problems(**arguments):
        return check_config({**tiny, "head": {"type": "scratch_ranged", **arguments}, "losses": []})

    assert problems(hidden=8, sharpness=2, plain=-7) == []
    assert problems(hidden=0, sharpness=2.5) == [
        "head.hidden: expected int from 1 to 65536, got 0",
        "head.sharpness: expected float from 0.5 to 2, got 2.5",
    ]
    with pytest.raises(PartError, match=r"sharpness: expected float from 0\.5 to 2, got 0"):
        Ranged(dim=4, sharpness=0)
