"""Recipes: those of the package say what their sources say, and what cannot be is listed."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import ConfigError, UnknownName
from iqa_zoo.training.recipe import (
    FOLDER,
    FrozenRecipe,
    Recipe,
    TrainingRecipe,
    choose_recipe,
    list_recipes,
    load_recipe,
)

# The papers, and what their released codes do instead.
SOURCES = {
    "deiqt": dict(epochs=9, batch_size=16, crops=10, optimizer="adamw", lr=2e-4, weight_decay=0.05)
    | dict(schedule="step", step_epochs=3, step_factor=0.1, warmup_epochs=3),
    "lifeiqa_synthetic": dict(epochs=30, optimizer="adam", lr=2e-4, schedule="step", step_epochs=10, step_factor=0.01),
    "lifeiqa_authentic": dict(epochs=30, optimizer="adam", lr=2e-5, schedule="step", step_epochs=10, step_factor=0.01),
    "lifeiqa_released_synthetic": dict(epochs=30, batch_size=4 * 128, crops=25, optimizer="adamw", lr=2e-4)
    | dict(weight_decay=0.01, decay="weights", clip=5.0, schedule="step", step_epochs=10, step_factor=0.1)
    | dict(warmup_epochs=2, labels="raw"),
    "lifeiqa_released_authentic": dict(epochs=30, optimizer="adamw", lr=3e-5, weight_decay=0.01, decay="weights")
    | dict(clip=5.0, schedule="cosine", final_lr=1e-6, warmup_epochs=2, labels="raw"),
}
SOURCES["deiqt_released"] = {**SOURCES["deiqt"], "labels": "raw"}


@pytest.mark.parametrize("name", list_recipes())
def test_it_loads_and_comes_back(name, tmp_path):
    recipe = load_recipe(name)
    assert load_recipe(recipe.to_dict()) == recipe
    for file in (tmp_path / "own.json", tmp_path / "own.yaml"):
        content = json.dumps(recipe.to_dict()) if file.suffix == ".json" else yaml.safe_dump(recipe.to_dict())
        file.write_text(content)
        assert load_recipe(file) == load_recipe(str(file)) == recipe


@pytest.mark.parametrize("name", SOURCES)
def test_it_says_what_its_source_says(name):
    recipe = load_recipe(name)
    assert {key: getattr(recipe, key) for key in SOURCES[name]} == SOURCES[name]


def test_all_of_a_paper_are_checked_and_none_is_left_over():
    assert set(list_recipes()) == {*SOURCES, "quick"} == {path.stem for path in FOLDER.iterdir()}


def test_the_order_of_keys_and_a_second_load_change_nothing():
    given = load_recipe("quick").to_dict()
    assert load_recipe(dict(reversed(given.items()))) == load_recipe("quick")


def test_overrides():
    assert load_recipe("quick", {"lr": 1.0, "freeze": ["backbone"]}).freeze == ("backbone",)
    assert load_recipe("quick", {"lr": 1.0}) != load_recipe("quick")
    assert load_recipe("quick", {}) == load_recipe("quick", None) == load_recipe("quick")


@pytest.mark.parametrize(("old", "rule"), [(True, "all"), (False, "weights")])
def test_a_recipe_from_before_the_rule_was_named_still_loads(old, rule):
    content = load_recipe("quick").to_dict()
    del content["decay"]
    assert load_recipe({**content, "decay_vectors": old}).decay == rule
    assert load_recipe("deiqt", {"decay_vectors": old}).decay == rule


@pytest.mark.parametrize("content", [{"decay_vectors": "yes"}, {"decay_vectors": True, "decay": "none"}])
def test_an_old_key_that_says_nothing_clear_is_a_problem(content):
    with pytest.raises(ConfigError, match="decay_vectors: .* is the older form of decay: all .*give decay alone"):
        load_recipe({"summary": "", "epochs": 1, **content})


def test_what_both_trainers_read_has_one_name():
    shared = {each.name for each in fields(TrainingRecipe)}
    assert shared < {each.name for each in fields(Recipe)}
    assert shared < {each.name for each in fields(FrozenRecipe)}
    assert {"decay", "weight_decay", "ema", "ema_every", "schedule", "clip", "optimizer"} <= shared


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(epochs=0), "epochs: 0 is not from 1 upwards"),
        (dict(lr=math.nan), "lr: expected float, got nan"),
        (dict(batch_size=0), "batch_size: 0 is not from 1 upwards"),
        (dict(ema=1.0), "ema: 1 is not from 0.001 to 0.999999"),
        (dict(decay="matrices"), "decay: expected one of 'weights', 'all', 'none', got 'matrices'"),
        (dict(warmup_share=1.5), "warmup_share: 1.5 is not from 0 to 1"),
        (dict(measurements=0), "measurements: 0 is not from 1 upwards"),
    ],
)
def test_a_frozen_recipe_is_checked_as_well(changes, said):
    with pytest.raises(ConfigError, match=said):
        FrozenRecipe(**changes)


def test_a_frozen_recipe_decides_its_precision_once():
    recipe = FrozenRecipe().on("cpu")
    assert recipe.precision in ("float32", "bfloat16")
    assert recipe.on("cpu") == recipe
    assert json.loads(json.dumps(recipe.to_dict()))["decay"] == "weights"


def test_an_unknown_name_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UnknownName, match="unknown recipe 'quik'; did you mean 'quick'"):
        load_recipe("quik")
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(ConfigError, match=r"there is no such file; did you mean 'mine\.yaml'"):
        load_recipe(tmp_path / "mines.yaml")


def test_every_problem_is_listed_with_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epoch: 3\nlr: fast\nclip: -1\npatience: 0\nfreeze: backbone\nschedule: cosin\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml") as error:
        load_recipe(file)
    assert error.value.problems == [
        "unknown key 'epoch'; did you mean 'epochs'?",
        "epochs: missing",
        "summary: missing",
        "lr: expected float, got 'fast'",
        "clip: -1 is not from 0 upwards",
        "patience: 0 is not from 1 upwards",
        "freeze: expected tuple[str, ...], got 'backbone'",
        "schedule: expected one of 'constant', 'step', 'cosine', got 'cosin'; did you mean 'cosine'?",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(epochs=0), "epochs: 0 is not from 1 upwards"),
        (dict(epochs=2.5), "epochs: expected int, got 2.5"),
        (dict(epochs=True), "epochs: expected int, got True"),
        (dict(lr=math.nan), "lr: expected float, got nan"),
        (dict(lr=math.inf), "lr: expected float, got inf"),
        (dict(ema=1.0), "ema: 1 is not from 0.001 to 0.999999"),
        (dict(ema=0.0), "ema: 0 is not from"),
        (dict(batch_size=16, accumulate=3), "batch_size 16 cannot be accumulated in 3 equal parts"),
        (dict(accumulate=0), "accumulate: 0 is not from 1 upwards"),
        (dict(precision="fp16"), "precision: expected one of .* got 'fp16'; did you mean 'float16'"),
        (dict(freeze="backbone"), r"freeze: expected tuple\[str, \.\.\.\], got 'backbone'"),
    ],
)
def test_what_cannot_be(changes, said):
    with pytest.raises(ConfigError, match=said):
        load_recipe("quick", changes)
    with pytest.raises(ConfigError, match=said):
        Recipe(**{"summary": "", "epochs": 1, **changes})


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from([each.name for each in fields(Recipe)]), st.integers(-3, 3) | st.text() | st.none())
)
def test_whatever_is_given_it_is_a_recipe_or_a_list_of_problems(content):
    try:
        recipe = load_recipe(content)
    except ConfigError:
        return
    assert json.loads(json.dumps(recipe.to_dict())) == recipe.to_dict()


@pytest.mark.slow
@given(st.integers(1, 500), st.integers(1, 8), st.integers(1, 16), st.integers(1, 4))
def test_an_epoch_has_as_many_passes_as_make_whole_steps(images, crops, part, accumulate):
    recipe = Recipe(summary="", epochs=1, batch_size=part * accumulate, crops=crops, accumulate=accumulate)
    assert recipe.passes(images) == images * crops // recipe.batch_size * accumulate


def test_a_models_own_recipe_is_the_default(tmp_path):
    paths = (Path("a.png"), Path("b.png"))
    authentic = RatedImages("photos", paths, np.arange(2.0), score_range=(0, 100), licence="", source="")
    synthetic = replace(authentic, references=("a", "b"), distortions=("blur", "noise"))
    assert choose_recipe("deiqt", authentic) == "deiqt"
    assert choose_recipe("lifeiqa", authentic) == "lifeiqa_authentic"
    assert choose_recipe("lifeiqa", synthetic) == "lifeiqa_synthetic"
    assert choose_recipe("mine.yaml", synthetic) == "quick"


def test_the_folder_of_a_training_is_a_recipe(tmp_path):
    recipe = load_recipe("quick", {"epochs": 7})
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe.to_dict()}))
    assert choose_recipe(str(tmp_path), None) == str(tmp_path)
    assert load_recipe(str(tmp_path)) == recipe
    assert load_recipe(tmp_path, {"lr": 0.5}).lr == 0.5
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="recipe: expected a mapping, got None"):
        load_recipe(tmp_path)
