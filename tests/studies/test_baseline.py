"""The baseline of a study reads what the compared decoders read, and is fitted in closed form."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import Ridge

import iqa_zoo
from iqa_zoo.config import model_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.placing import Reading, find_reading, make_backbone_config
from iqa_zoo.studies.baseline import describe_baseline, make_baseline
from iqa_zoo.studies.models import label_models, load_with_baseline
from iqa_zoo.studies.study import plan_study
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe

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


@pytest.mark.slow
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


def test_on_tokens_it_is_the_ridge_of_their_mean_fitted_to_the_mean_of_the_crops_of_an_image() -> None:
    rng = np.random.default_rng(0)
    tokens_ICLC = rng.standard_normal((50, 3, 7, 6)).astype(np.float16)  # images, crops, tokens, channels
    means_ICC = tokens_ICLC.astype(float).mean(2)
    mos = 50 + 30 * means_ICC.mean(1) @ np.arange(1.0, 7.0) + rng.standard_normal(50)
    bank = FeatureBank(FeatureSpec({}, 6, 6, 64), {"tokens": tokens_ICLC, "global": tokens_ICLC[:, :, 0]}, "", Path())
    split = Split(np.arange(30), np.arange(40, 50), np.arange(30, 40), "made up")
    baseline = make_baseline([DEIQT]) | {"head": dict(type="ridge", alphas=(0.5,))}
    run = train_frozen(baseline, bank, mos, split, recipe=FrozenRecipe(epochs=3, precision="float32"), every_rule=False)

    learned = np.concatenate([split.train, split.validation])
    cells = np.concatenate([tokens_ICLC[i, i % 3] for i in learned]).astype(float)  # the scale is that of single tokens
    scaled_ICC = (means_ICC - cells.mean(0)) / cells.std(0)
    targets = (mos[learned] - mos[learned].mean()) / mos[learned].std()
    scores = Ridge(0.5).fit(scaled_ICC[learned].mean(1), targets).predict(scaled_ICC[split.test].mean(1))
    np.testing.assert_allclose(run.predictions, scores * mos[learned].std() + mos[learned].mean(), atol=0.05)
    assert len(run.history) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("memory", "stages"), [(dict(type="tokens"), []), (dict(type="grid_pool", grid=2), [3])])
def test_a_study_on_a_vit_reads_tokens_and_the_stages_of_its_decoders(noise_folder, run_study, memory, stages) -> None:
    backbone = dict(type="timm_features", name="test_vit", stages=stages)
    config = {
        **DEIQT,
        "dim": 24,
        "backbone": backbone,
        "memory": memory,
        "interactions": [dict(type="cross_attention", num_heads=2)],
    }
    (noise_folder / "vit.yaml").write_text(yaml.safe_dump(config))
    words = ["vit.yaml", "--backbone", "test_vit", "--data", "table", "--root", "photos", "--no-latency"]
    done = run_study("compare", noise_folder, *words, "--crops", 2, "--json", "v.json")
    assert done.returncode == 0, done.stderr
    assert "in closed form, without training steps: ridge_baseline" in done.stderr
    assert "training: 1 decoder x 2 splits" in done.stderr
    results = json.loads((noise_folder / "v.json").read_text())
    assert results["baseline_reads"] == [*(f"stage {stage}" for stage in stages), "final tokens"]
    budget = next(row["budget"]["decoder"] for row in results["matched"] if row["model"] == "ridge_baseline")
    assert budget["params"] == 64 * (len(stages) + 1) + 1
    assert [run["model"] for run in results["runs"]] == ["vit", "ridge_baseline"] * 2
    assert all(run["srocc"] > 0.5 for run in results["runs"] if run["model"] == "ridge_baseline")


def test_no_other_model_has_the_name_of_the_baseline() -> None:
    with pytest.raises(InputError, match="a model is called ridge_baseline, as the baseline that every study adds"):
        label_models({"ridge_baseline": {**DEIQT}, "lifeiqa": "lifeiqa"})
    assert label_models({"ridge_baseline": "ridge_baseline"}) == {"ridge_baseline": "ridge_baseline"}
