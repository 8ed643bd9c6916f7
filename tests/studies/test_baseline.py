"""The baseline of a study reads what the compared decoders read, and is fitted in closed form."""

import pytest
import torch

import iqa_zoo
from iqa_zoo.config import model_config
from iqa_zoo.placing import Reading, find_reading, make_backbone_config
from iqa_zoo.studies.baseline import describe_baseline, make_baseline
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.study import plan_study

LIFEIQA, DEIQT = model_config("lifeiqa"), model_config("deiqt")


@pytest.mark.parametrize(
    ("configs", "stages", "tokens"),
    [
        ([LIFEIQA], (3, 4), False),
        ([DEIQT], (), True),
        ([model_config("linear_probe")], (), True),
        ([LIFEIQA, DEIQT], (3, 4), True),
        ([{**LIFEIQA, "queries": dict(type="learned"), "memory": dict(type="grid_pool", stage=2)}], (2,), False),
        ([{**DEIQT, "queries": dict(type="multi_scale", stages=(1, 4))}], (1, 4), True),
        ([LIFEIQA, {**DEIQT, "queries": dict(type="stage_means")}], None, True),
        ([{**DEIQT, "queries": dict(type="stage_means", stages=(2,), tokens=True), "memory": None}], (2,), True),
    ],
)
def test_it_reads_the_union_of_what_the_decoders_declare(configs, stages, tokens) -> None:
    assert find_reading(configs) == Reading(stages, tokens)
    queries = make_baseline(configs)["queries"]
    assert queries["stages"] == (None if stages is None else list(stages))
    assert queries["tokens"] is tokens
    backbone = make_backbone_config("test_resnet", [*configs, make_baseline(configs)])
    assert backbone["stages"] == ([1, 2, 3, 4] if stages is None else list(stages))  # it adds no stage of its own


def test_one_of_the_compared_models_may_be_the_baseline() -> None:
    configs, compared = load_with_baseline(plan_study("compare", ["ridge_baseline", "deiqt"]))
    assert (list(configs), compared) == (["ridge_baseline", "deiqt"], ["ridge_baseline", "deiqt"])
    assert configs["ridge_baseline"]["queries"] == dict(type="stage_means", stages=[], tokens=True)
    alone, _ = load_with_baseline(plan_study("compare", ["ridge_baseline"]))
    assert alone == {"ridge_baseline": model_config("ridge_baseline")}
    own = {"ridge_baseline": {**model_config("ridge_baseline"), "head": dict(type="linear")}, "deiqt": "deiqt"}
    given, _ = load_with_baseline(plan_study("compare", own))
    assert given["ridge_baseline"]["head"] == dict(type="linear")


def test_its_description_names_tokens_only_where_they_are_no_stage() -> None:
    baseline = make_baseline([LIFEIQA, DEIQT])
    for name, read in (("test_resnet", []), ("test_vit", ["final tokens"])):
        backbone = make_backbone_config(name, [LIFEIQA])
        features = iqa_zoo.build_model({**baseline, "backbone": backbone}).backbone.spec
        assert describe_baseline(baseline, features) == {
            "baseline": "ridge_baseline",
            "baseline_reads": ["stage 3", "stage 4", *read],
        }


def test_its_coefficients_and_their_products_are_counted() -> None:
    baseline = make_baseline([LIFEIQA, DEIQT])
    for name in ("test_resnet", "test_vit"):
        model = iqa_zoo.build_model({**baseline, "backbone": make_backbone_config(name, [LIFEIQA])})
        spec = model.backbone.spec
        width = sum(info.channels for info in spec.stages.values())
        width += spec.token_channels if name == "test_vit" else 0
        decoder = iqa_zoo.measure_budget(model).decoder
        assert (decoder.params, decoder.macs) == (width + 1, width)
        assert model(torch.zeros(1, 3, spec.image_size, spec.image_size)).shape == (1,)
