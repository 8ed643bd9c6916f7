"""Trainings of a study: kept under all that they depend on, found again, and none lost where they cannot be kept."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from iqa_zoo.config_hash import config_hash
from iqa_zoo.data.splits import Split
from iqa_zoo.training.frozen import trainings
from iqa_zoo.training.frozen.decoder import FrozenRun
from iqa_zoo.training.frozen.trainings import ExtraTestSet, Identities, Training, train_many, train_one
from iqa_zoo.training.recipe import FrozenRecipe


def history(*sroccs: tuple[float, float]) -> list[dict]:
    best = max(range(len(sroccs)), key=lambda i: sroccs[i][0])
    return [
        dict(epoch=i + 1, loss=0.1, validation=dict(srocc=v), test=dict(srocc=t, plcc=t), selected=i == best)
        for i, (v, t) in enumerate(sroccs)
    ]


class Bank:
    key = "features"


@pytest.fixture
def trained(monkeypatch):
    calls = []

    def train(*arguments, **options):
        calls.append(options)
        test_sets = {name: np.arange(10.0) for name in options["test_sets"]}
        return FrozenRun(np.arange(5.0), test_sets, history((0.6, 0.5), (0.7, 0.6)), 1.0)

    monkeypatch.setattr(trainings, "train_frozen", train)
    return calls


class Data:
    names = tuple(f"{i}.png" for i in range(10))
    mos = np.arange(10.0)
    distortions = None
    references = None
    higher_is_better = True
    score_range = (0, 100)
    label = "MOS"

    def __len__(self):
        return 10


class Reversed(Data):
    mos = np.arange(10.0)[::-1]
    higher_is_better = False


SPLIT = Split(np.arange(5), np.arange(5, 10), np.arange(0), "split")


@pytest.mark.slow
def test_a_run_is_kept_and_found_again_until_anything_changes(trained, tmp_path, tiny):
    def run(cfg=tiny, recipe=FrozenRecipe(epochs=1), seed=0, rule="last", test_sets=None):  # noqa: B008
        training = Training("m", cfg, SPLIT, recipe, seed, rule)
        ((_, record),) = train_many([training], Bank(), Data(), tmp_path, test_sets)
        return record

    first, again = run(), run()
    assert len(trained) == 1
    assert (first["resumed"], again["resumed"]) == (False, True)
    assert {**again, "resumed": False} == first
    assert first["srocc"] == pytest.approx(1)
    assert first["config"] == config_hash(tiny)
    assert first["epoch"] == 2
    assert first["every_rule"]["test-oracle"] == dict(epoch=2, srocc=0.6, plcc=0.6)
    run(recipe=FrozenRecipe(epochs=2))
    run(seed=1)
    run(rule="validation")
    run(cfg={**tiny, "dim": 64})
    run(test_sets={"other": ExtraTestSet(Data(), Bank())})
    assert len(trained) == 6


def test_another_dataset_is_judged_in_its_own_direction(trained, tmp_path, tiny):
    others = {"same": ExtraTestSet(Data(), Bank()), "reversed": ExtraTestSet(Reversed(), Bank())}
    record = train_one(Training("m", tiny, SPLIT, FrozenRecipe(), 0), Bank(), Data(), others)
    assert [record["test_sets"][name]["srocc"] for name in others] == pytest.approx([1, 1])
    assert record["test_sets"]["reversed"]["predictions"]["9.png"] == 9.0


DAMAGED = ["[]", "{}", "", '{"model"', "\x00" * 40]


@pytest.mark.slow
@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_record_is_made_again(content, trained, tmp_path, tiny):
    training = Training("m", tiny, SPLIT, FrozenRecipe(), 0)
    list(train_many([training], Bank(), Data(), tmp_path))
    (kept,) = (tmp_path / "runs").iterdir()
    kept.write_text(content)
    list(train_many([training], Bank(), Data(), tmp_path))
    assert len(trained) == 2
    assert json.loads(kept.read_text())["model"] == "m"


def test_what_was_trained_before_comes_first_and_is_counted(trained, tmp_path, tiny):
    both = [Training("m", tiny, SPLIT, FrozenRecipe(), seed) for seed in (0, 1)]
    list(train_many(both[1:], Bank(), Data(), tmp_path))
    told = []
    records = list(train_many(both, Bank(), Data(), tmp_path, notify=told.append))
    assert [(i, record["resumed"]) for i, record in records] == [(1, True), (0, False)]
    assert told == ["1 of 2 trained before"]


def test_what_cannot_be_kept_is_told_once_and_all_results_are_there(trained, tmp_path, tiny):
    (tmp_path / "runs").write_text("a file where a folder should be")
    several, told = [Training("m", tiny, SPLIT, FrozenRecipe(), seed) for seed in range(3)], []
    records = list(train_many(several, Bank(), Data(), tmp_path, notify=told.append))
    assert [record["srocc"] for _, record in records] == pytest.approx([1, 1, 1])
    assert len(told) == 1
    assert told[0].startswith(f"trainings are not kept: {tmp_path / 'runs'} cannot be written")


def test_what_was_trained_while_its_code_was_edited_is_not_kept(trained, tmp_path, tiny, monkeypatch):
    codes = iter(["before", "after"])
    monkeypatch.setattr(trainings, "identify_code", lambda *modules: {"part": next(codes)})
    ((_, record),) = train_many([Training("m", tiny, SPLIT, FrozenRecipe(), 0)], Bank(), Data(), tmp_path)
    assert record["srocc"] == pytest.approx(1)
    assert not list(tmp_path.rglob("*.json"))


def test_what_a_killed_process_left_is_removed(trained, tmp_path, tiny):
    (tmp_path / "runs").mkdir()
    old, new = tmp_path / "runs" / "a.json.1.partial", tmp_path / "runs" / "b.json.2.partial"
    for partial in (old, new):
        partial.write_text("{")
    os.utime(old, (1, 1))
    list(train_many([Training("m", tiny, SPLIT, FrozenRecipe(), 0)], Bank(), Data(), tmp_path))
    assert not old.exists()
    assert new.exists()  # another process may be writing it


def test_names_jobs_and_the_number_of_a_device_are_no_part_of_an_identity(tiny):
    identities = Identities(Bank(), Data(), {})
    training = Training("m", tiny, SPLIT, FrozenRecipe(precision="float32"), 0)
    assert identities.identify(replace(training, model="another name")) == identities.identify(training)
    on = [identities.identify(replace(training, device=device)) for device in ("cuda:0", "cuda:1", "cpu")]
    assert on[0] == on[1] != on[2]
