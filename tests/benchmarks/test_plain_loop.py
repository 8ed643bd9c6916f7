"""The plain loop learns what the engine learns: the same features, and as good a decoder."""

import numpy as np
import pytest
import torch

from benchmarks.speed_rows.plain_loop import CachedFeatures, make_features, run_plain_loop
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.data.splits import Split
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe

SPEC = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)


def make_bank(images):
    """Features of one crop an image; the mean of the deepest stage grows with the image's number."""
    rng = np.random.default_rng(0)
    arrays = {
        "map3": rng.normal(size=(images, 1, 4, 4, 6)),
        "map4": rng.normal(size=(images, 1, 2, 2, 8)) + np.linspace(-2, 2, images)[:, None, None, None, None],
        "global": rng.normal(size=(images, 1, 8)),
    }
    return FeatureBank(SPEC, {k: v.astype(np.float16) for k, v in arrays.items()}, "made up", None)


def test_the_features_of_the_plain_loop_are_those_of_the_bank():
    bank = make_bank(5).standardise(np.arange(5))
    named, _ = CachedFeatures(bank, np.zeros(5))[3]
    plain = make_features({name: value[None] for name, value in named.items()}, bank)
    ours = bank.take(np.array([3]), np.array([0]))
    for stage in (3, 4):
        torch.testing.assert_close(plain.maps[stage], ours.maps[stage])
    torch.testing.assert_close(plain.tokens_BLC, ours.tokens_BLC)
    torch.testing.assert_close(plain.global_BC, ours.global_BC)


def test_both_ways_learn(tiny):
    bank, mos = make_bank(90), np.linspace(0, 100, 90)
    order = np.random.default_rng(1).permutation(90)
    split = Split(np.sort(order[:60]), np.sort(order[60:75]), np.sort(order[75:]), "made up")
    recipe = FrozenRecipe(epochs=8, batch_size=16, precision="float32", ema=None)
    plain = run_plain_loop(tiny, bank, mos, split, recipe, seed=0)
    run = train_frozen(tiny, bank, mos, split, recipe=recipe, seed=0, every_rule=False)
    (engine,) = [each["validation"]["srocc"] for each in run.history if each["selected"]]
    assert plain == pytest.approx(engine, abs=0.1)
    assert plain > 0.8
