"""Specs: what they refuse, and which settings their identity depends on."""

from dataclasses import fields, replace
from pathlib import Path

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.make_spec import GROUPS, list_settings, make_spec
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.study import find_study, plan_study

# Another value of each shared setting, and of each setting of the comparison.
OTHER = {
    "data": "livec", "root": Path("r"), "option": (("image", "a"),), "skip_unreadable": True, "images": 40, "splits": 3,
    "split_file": Path("s.json"), "validation_fraction": 0.3, "ignore_look_alikes": True, "backbone": "resnet18",
    "weights": Path("w.safetensors"), "pretrained": True, "match": "macs", "budget": "1000", "selection": "validation",
    "view": "whole", "crops": 2, "epochs": 7, "batch_size": 3, "lr": 0.5, "precision": "float32", "seed": 9,
    "tune": 4, "tune_once": True, "margin": 0.02, "device": "cpu", "jobs": 77,
    "ray": "auto", "slurm": "partition=cpu", "fresh": True, "max_cache_gb": 3.0, "out": Path("run"), "dry_run": True, "protocol": "end-to-end",
    "test": ("livec",), "test_root": (Path("r"),), "recipe": "other", "recipe_set": (("epochs", 3),), "no_train": True,
    "no_latency": True,
}  # fmt: skip
COMPARE = find_study("compare")
SETTINGS = {each.name: (group, each) for group, each, _ in list_settings(COMPARE.options, COMPARE.refused)}
BASE = make_spec("compare", {"a": "lifeiqa_tiny"}, COMPARE.options, data="demo", selection="last")


def change(spec: StudySpec, name: str) -> StudySpec:
    group = SETTINGS[name][0]
    return replace(spec, **{group: replace(getattr(spec, group), **{name: OTHER[name]})})


def test_every_setting_is_changed_in_these_tests():
    assert set(SETTINGS) == set(OTHER)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_identity_changes_with_the_settings_that_change_numbers_and_with_no_other(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    (tmp_path / "s.json").write_text("{}")
    base = change(BASE, "protocol") if name.startswith("recipe") else BASE  # no recipe is read on frozen features
    changed = change(base, name)
    assert changed != base
    assert (changed.identity() != base.identity()) == SETTINGS[name][1].metadata["numbers"]


@pytest.mark.parametrize("name", [name for name in SETTINGS if SETTINGS[name][1].metadata["numbers"]])
def test_two_changes_are_not_one(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.safetensors").write_bytes(b"weights")
    (tmp_path / "s.json").write_text("{}")
    base = change(BASE, "protocol") if name.startswith("recipe") else BASE
    once = change(base, name)
    assert len({each.identity() for each in (base, once, replace(once, models={"a": "deiqt"}))}) == 3


def test_the_identity_depends_on_the_models_their_labels_and_the_study():
    specs = [
        BASE,
        replace(BASE, models={"b": "lifeiqa_tiny"}),
        replace(BASE, models={"a": "deiqt"}),
        replace(BASE, study="x"),
    ]
    assert len({spec.identity() for spec in specs}) == 4


def test_a_default_that_is_written_out_changes_no_identity():
    assert BASE.complete().identity() == BASE.identity()
    assert (
        plan_study("compare", ["lifeiqa_tiny"], data="demo", crops=1, view="crops").identity()
        == plan_study("compare", ["lifeiqa_tiny"], data="demo").identity()
    )


def test_the_folder_names_study_models_data_and_identity():
    spec = plan_study("data_efficiency", ["lifeiqa_tiny", "deiqt"], data="demo")
    assert spec.folder() == Path("runs") / f"data-efficiency-lifeiqa_tiny-deiqt-demo-{spec.identity()[:8]}"
    many = replace(spec, models=dict.fromkeys("abcdef", "lifeiqa_tiny"))
    assert many.folder().name.startswith("data-efficiency-a-b-c-d-and-2-more-demo-")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 1}, "did you mean 'epochs'?"),
        ({"splits": 0}, "compare: --splits is a positive number, got 0"),
        ({"epochs": "many"}, "compare: --epochs: "),
        ({"match": "size"}, "compare: --match: "),
        ({"jobs": 1.5}, "compare: --jobs: "),
        ({"pretrained": "yes"}, "compare: --pretrained: "),
        ({"lr": None}, "compare: --lr: "),
        ({"test": ["livec"]}, "1 --test and 0 --test-root; give one root to each"),
    ],
)
def test_what_a_study_does_not_take_is_refused(settings, message):
    with pytest.raises(InputError) as error:
        plan_study("compare", ["lifeiqa_tiny"], **settings)
    assert message in str(error.value)


def test_values_are_kept_as_their_settings_hold_them():
    spec = plan_study("compare", ["lifeiqa_tiny"], data="table", root="photos", option={"image": "a"}, budget=1000)
    assert spec.data.root == Path("photos")
    assert spec.data.option == (("image", "a"),)
    assert spec.budget.budget == "1000"


@pytest.mark.parametrize("name", STUDIES.built_in())
def test_settings_have_help_and_one_name(name):
    study = find_study(name)
    listed = list(list_settings(study.options, study.refused))
    names = [each.name for _, each, _ in listed]
    assert len(names) == len(set(names))
    assert all(each.metadata["help"] for _, each, _ in listed)
    assert {group for group, _, _ in listed} <= {"options", *GROUPS}
    assert {each.name for each in fields(study.options)} <= set(names)


@pytest.mark.parametrize("margin", [0.0, -0.01, 1.5])
def test_a_margin_is_above_0_and_at_most_1(margin):
    with pytest.raises(InputError, match=rf"--margin {margin:g} must be above 0 and at most 1; the default is 0.01"):
        plan_study("compare", ["lifeiqa"], margin=margin)
    assert plan_study("compare", ["lifeiqa"], margin=1).statistics.margin == 1
    with pytest.raises(InputError, match="margin"):
        plan_study("compare", ["lifeiqa"], margin=float("nan"))
