"""The points of a tuning: one design for every decoder, the default first, and what a point changes."""

import warnings

import pytest

from iqa_zoo.build import build_decoder
from iqa_zoo.config import model_config
from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.studies.tuning.design import AXES, Point, find_dropout_keys, make_design
from iqa_zoo.training.recipe import FrozenRecipe

SPEC = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)


@pytest.mark.parametrize("trials", [2, 3, 8, 13])
def test_the_first_point_is_the_default_and_the_others_lie_in_the_ranges(trials):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        design = make_design(trials, seed=3)
    assert len(design) == trials
    assert design[0] == Point()
    assert len(set(design)) == trials
    for point in design[1:]:
        for name, (low, high) in AXES.items():
            assert low <= getattr(point, name) <= high
    assert design == make_design(trials, seed=3)
    assert design == make_design(2 * trials, seed=3)[:trials]
    assert design[1:] != make_design(trials, seed=4)[1:]


@pytest.mark.parametrize("name", AXES)
def test_every_axis_is_covered_evenly(name):
    low, high = AXES[name]
    middle = (low + high) / 2 if name == "dropout" else (low * high) ** 0.5
    values = [getattr(point, name) for point in make_design(65, seed=0)[1:]]
    assert sum(value < middle for value in values) == pytest.approx(32, abs=1)


def test_the_default_point_changes_nothing():
    recipe, cfg = FrozenRecipe(epochs=7), model_config("pooled_mlp")
    assert Point().change_recipe(recipe) == recipe
    assert Point().change_config(cfg) == cfg


def test_a_point_scales_the_recipe_and_a_share_shortens_it():
    recipe = FrozenRecipe(epochs=12, lr=1e-3, weight_decay=0.05)
    point = Point(lr=2.0, weight_decay=0.5, epochs=1.25)
    changed = point.change_recipe(recipe)
    assert (changed.lr, changed.weight_decay, changed.epochs) == (2e-3, 0.025, 15)
    assert point.change_recipe(recipe, 1 / 3).epochs == 5
    assert Point(epochs=0.5).change_recipe(FrozenRecipe(epochs=1), 1 / 3).epochs == 1


def test_the_dropout_of_every_layer_of_the_decoder_is_set_and_no_other_value(tiny):
    before = {**tiny, "interactions": [dict(part) for part in tiny["interactions"]]}
    keys = find_dropout_keys(tiny)
    assert keys == {"interactions.1.dropout": 0.0, "head.dropout": 0.1}
    changed = Point(dropout=0.25).change_config(tiny)
    assert find_dropout_keys(changed) == dict.fromkeys(keys, 0.25)
    assert tiny == before
    changed["interactions"][1].pop("dropout")
    changed["head"].pop("dropout")
    assert changed == tiny
    model = build_decoder(Point(dropout=0.25).change_config(tiny), SPEC)
    assert model.head.drop.p == 0.25


def test_a_decoder_without_a_dropout_stays_as_it_is():
    cfg = {**model_config("ridge_baseline"), "head": dict(type="ridge")}
    assert find_dropout_keys(cfg) == {}
    assert Point(dropout=0.25).change_config(cfg) == cfg
