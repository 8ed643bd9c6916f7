"""The heads of a layer probe: they read a planted label from their own level, and never the test labels."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.data.splits import Split
from iqa_zoo.stats.metrics import METRICS, srocc
from iqa_zoo.studies.layer_probe.probing import Probed, compare_probes
from iqa_zoo.studies.pooled_stages import full_config
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe

SPEC = FeatureSpec({1: StageInfo(5, 64), 2: StageInfo(4, 64)}, 4, 4, 64, available_stages=(1, 2), token_stage=2)
SPLIT = Split(np.arange(60), np.arange(80, 100), np.arange(60, 80), "made up")
PROBED = Probed(
    "nss", False, full_config("nss"), SimpleNamespace(spec=SPEC, names={1: "stage 1", 2: "stage 2"}), "none"
)


def make_bank(rng: np.random.Generator, mos: np.ndarray) -> FeatureBank:
    """Two levels of 100 images and 2 crops; only the second holds the label, in a mix of two channels."""
    first, second = rng.standard_normal((100, 2, 1, 1, 5)), rng.standard_normal((100, 2, 1, 1, 4))
    second[..., 0] += 6 * (mos - 50)[:, None, None, None] / 10
    arrays = {"map1": first, "map2": second, "global": second[:, :, 0, 0]}
    return FeatureBank(SPEC, {k: v.astype(np.float16) for k, v in arrays.items()}, "planted", Path())


def predict(cfg: dict, bank: FeatureBank, mos: np.ndarray) -> np.ndarray:
    return train_frozen(cfg, bank, mos, SPLIT, recipe=FrozenRecipe(epochs=1), every_rule=False).predictions


def test_a_ridge_reads_a_planted_label_from_its_own_level_only() -> None:
    rng = np.random.default_rng(0)
    mos = rng.uniform(20, 80, 100)
    bank = make_bank(rng, mos)
    scores = predict(PROBED.make_probe(2, "ridge"), bank, mos)
    assert srocc(scores, mos[SPLIT.test]) > 0.95
    assert abs(scores.mean() - mos[SPLIT.test].mean()) < 6
    assert abs(srocc(predict(PROBED.make_probe(1, "ridge"), bank, mos), mos[SPLIT.test])) < 0.6
    assert srocc(predict(PROBED.make_ridge([1, 2]), bank, mos), mos[SPLIT.test]) > 0.95
    other = mos.copy()
    other[SPLIT.test] = 0.0
    other[SPLIT.test[0]] = 1.0
    np.testing.assert_array_equal(predict(PROBED.make_probe(2, "ridge"), bank, other), scores)


@pytest.mark.parametrize("head", ["linear", "ridge"])
def test_a_probe_is_one_linear_layer_on_its_level(head: str) -> None:
    bank = make_bank(np.random.default_rng(0), np.full(100, 50.0))
    decoder = build_decoder(PROBED.make_probe(1, head), SPEC)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 5 + 1
    assert decoder(bank.take(np.arange(3), np.zeros(3, int))).shape == (3,)


def make_records(medians: dict[str, float]) -> list[dict]:
    """Records of models on five splits, all of them with the same SROCC."""
    return [
        dict(model=model, split=str(i), seconds=1.0, **{**dict.fromkeys(METRICS, 0.5), "srocc": value})
        for model, value in medians.items()
        for i in range(5)
    ]


@pytest.mark.parametrize(
    ("undefined", "possible"),
    [
        ([], 3 + 3 + 3),  # any two of three levels, any level with the baseline, trained against random
        (["nss, stage 2, ridge"], 1 + 2 + 2),
        (["nss, ridge_baseline"], 3 + 3),
    ],
)
def test_the_choice_of_the_best_level_is_adjusted_for(undefined: list[str], possible: int) -> None:
    names = {1: "stage 1", 2: "stage 2", 3: "stage 3"}
    levels = SimpleNamespace(spec=SimpleNamespace(stages=names), names=names)
    probed = [Probed("nss", control, {}, levels, "none") for control in (False, True)]
    medians = {each.name_probe(level, "ridge"): 0.5 + level / 10 for each in probed for level in names}
    medians["nss, ridge_baseline"] = 0.7
    records = make_records(medians | dict.fromkeys(undefined, float("nan")))
    pairs = compare_probes(probed, records, ["ridge"], None, [SPLIT], 0.01)  # type: ignore[arg-type]
    assert {pair["pairs"] for pair in pairs} == {possible}
    against = [(pair["first"], pair["second"]) for pair in pairs if pair["what"] == "baseline"]
    assert against == [("nss, ridge_baseline", "nss, stage 3, ridge")]
