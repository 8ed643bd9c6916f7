import copy

import pytest
import torch

from iqa_zoo.build import build_model
from iqa_zoo.config import model_config

RELEASED = 94_950_334  # counted on the authors' code
ADJACENCIES = 4 * 3 * 6 * 6  # decoder layers, graph layers, queries squared


def on_paper(name, **arguments):
    """A model on the meta device: shapes without numbers, so that a large one costs nothing."""
    with torch.device("meta"):
        return build_model(name, **arguments)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.slow
def test_released_has_the_released_number_of_parameters():
    assert count(on_paper("lifeiqa_released")) == RELEASED


@pytest.mark.slow
def test_paper_adds_the_learned_adjacencies():
    assert ADJACENCIES == 432
    assert count(on_paper("lifeiqa")) == RELEASED + ADJACENCIES


@pytest.mark.slow
def test_parameters_by_slot():
    model = on_paper("lifeiqa_released")
    assert count(model.backbone) == pytest.approx(86.741e6, abs=1e3)
    assert count(model.memory) == 512 * 384 + 384
    assert count(model.queries) == 1024 * 384 + 384 + 6 * 384
    assert count(model.interactions) == 4 * 721_824
    assert [count(block) for block in model.interactions[:2]] == [129_696, 721_824 - 129_696]
    assert count(model.head.experts) == 4_726_272


def test_sizes_differ_in_the_backbone_alone():
    configs = [model_config(name) for name in ("lifeiqa", "lifeiqa_small", "lifeiqa_tiny")]
    names = [cfg["backbone"].pop("name") for cfg in configs]
    assert [name.split("_")[1] for name in names] == ["base", "small", "tiny"]
    assert configs[0] == configs[1] == configs[2]


def test_released_differs_from_the_paper_where_the_code_does():
    paper, released = model_config("lifeiqa"), model_config("lifeiqa_released")
    assert paper["backbone"] == released["backbone"]
    assert paper["queries"] == released["queries"]
    assert (paper["memory"]["grid"], released["memory"]["grid"]) == (6, 7)
    gcns = [cfg["interactions"][0] for cfg in (paper, released)]
    assert [gcn["adjacency"] for gcn in gcns] == ["learned", "released"]
    assert [gcn["activate_last"] for gcn in gcns] == [True, False]
    assert [cfg["head"]["residual"] for cfg in (paper, released)] == ["paper", "released"]
    assert [cfg["losses"][0]["type"] for cfg in (paper, released)] == ["l1", "smooth_l1"]
    assert released["head"]["gamma"] == 0.1
    assert released["losses"][1]["probabilities"] == "selected"
    for cfg in (paper, released):
        assert [block["type"] for block in cfg["interactions"]] == ["query_gcn", "cross_attention"] * 4
        assert [loss.get("weight", 1) for loss in cfg["losses"]] == [1, 0.01, 0.001]


def test_configs_share_nothing():
    cfg = model_config("lifeiqa")
    before = copy.deepcopy(cfg["interactions"][2])
    cfg["interactions"][0]["hidden"].append(7)
    assert cfg["interactions"][2] == before
    assert model_config("lifeiqa")["interactions"][0] == before
