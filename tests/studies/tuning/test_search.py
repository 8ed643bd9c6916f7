"""The search: who stops, what is chosen, what is lost, and that nothing of a test part decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.progress import Silent
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.runners import make_trainings
from iqa_zoo.studies.study import plan_study
from iqa_zoo.studies.tuning.plan import plan_tuning
from iqa_zoo.studies.tuning.results import summarize_tuning
from iqa_zoo.studies.tuning.search import Trial, choose_trial, tune
from iqa_zoo.training.frozen.features import FeatureBank, compute_bank_shapes

DATA = RatedImages(
    "toy", tuple(Path(f"{i}.png") for i in range(60)), np.random.default_rng(1).uniform(10, 90, 60), score_range=(0, 100),
    licence="CC0", source="made up",
)  # fmt: skip
BACKBONE = dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=32)


def make_config(head):
    return dict(
        dim=8,
        backbone=BACKBONE,
        queries=dict(type="guided", num_queries=2, stage=4),
        memory=dict(type="grid_pool", stage=4, grid=2),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=head,
        losses=[dict(type="l1")],
    )


MODELS = {"a": make_config(dict(type="linear")), "b": make_config(dict(type="mlp", hidden=8))}


class Log(Silent):
    def __init__(self):
        self.lines = []

    def log(self, line, style=""):
        self.lines.append(line)


class Fake(FrozenRunner):
    """A runner whose trainings give what ``score`` says, and are counted."""

    def train(self, trainings, data, *, test_sets=None, stage="training", quiet=False):
        self.done.append((stage, list(trainings)))
        return [self.make_record(training) for training in trainings]

    def make_record(self, training):
        srocc = self.score(training)
        if srocc is None:
            return {"model": training.model, "split": training.split.id, "error": "IqaZooError: the loss is nan"}
        names = [DATA.names[i] for i in training.split.test]
        shifted = {name: srocc + 0.01 * i for i, name in enumerate(names)}
        return {
            "model": training.model, "split": training.split.id, "srocc": srocc, "plcc": srocc, "epoch": 1, "predictions": shifted
        }  # fmt: skip


def build(kind=FrozenRunner, models=MODELS, **settings):
    given = dict(
        data="toy", backbone="test_resnet", splits=3, epochs=6, crops=1, batch_size=8, jobs=1, view="crops",
        validation_fraction=0.25, ignore_look_alikes=True, device="cpu", lr=3e-3, precision="float32",
    )  # fmt: skip
    spec = plan_study("compare", models, **(given | settings))
    return kind.build(spec, list(models.values()), Log())


def search(runner, models=MODELS, data=DATA):
    """Tune as the study does; return the plan, the trainings, their records and what was found."""
    fraction = runner.spec.data.validation_fraction
    splits = make_splits(data, runner.spec.data.splits, validation_fraction=fraction)
    plan = plan_tuning(runner, models, data, splits)
    trainings = make_trainings(runner, models, splits)
    records = runner.train(trainings, data)
    return plan, trainings, records, tune(plan, trainings, records, {})


@pytest.fixture
def fake():
    def make(score, **settings):
        runner = build(Fake, **settings)
        runner.done, runner.score = [], score
        return runner

    return make


def number(training):
    return int(training.model.rpartition(" ")[2])


def by_trial(scores, otherwise=0.5):
    """Trials have these scores, whatever they are of; other trainings the same."""
    return lambda training: scores.get(number(training), otherwise) if "trial" in training.model else otherwise


@pytest.mark.slow
def test_every_decoder_and_split_gets_the_same_points(fake):
    runner = fake(by_trial({}), tune=4)
    plan, *_ = search(runner)
    stages = [stage for stage, _ in runner.done]
    assert stages == ["training", "shortened trials", "trials"]
    tried = {}
    for training in runner.done[1][1]:
        recipe = training.recipe
        tried.setdefault((training.model.partition(",")[0], training.split.id), []).append(
            (number(training), recipe.lr, recipe.weight_decay, recipe.epochs)
        )
    assert len(tried) == 2 * 3
    assert len({tuple(points) for points in tried.values()}) == 1
    assert {point.dropout for point in plan.points[1:]} == {
        training.cfg["head"]["dropout"] for training in runner.done[1][1]
    }
    default = runner.done[0][1][0]
    firsts = [training for training in runner.done[2][1] if number(training) == 1]
    assert len(firsts) == 2 * 3
    assert all(training.recipe == default.recipe for training in firsts)
    assert firsts[0].cfg == default.cfg


@pytest.mark.slow
def test_the_worse_half_stops_after_a_third_and_the_default_goes_on(fake):
    runner = fake(by_trial({1: 0.1, 2: 0.2, 3: 0.9, 4: 0.8, 5: 0.3, 6: 0.7}), tune=6)
    plan, *_, found = search(runner)
    short, full = runner.done[1][1], runner.done[2][1]
    assert sorted({number(training) for training in short}) == [2, 3, 4, 5, 6]
    assert sorted({number(training) for training in full}) == [1, 3, 4]
    assert (len(short), len(full)) == plan.count_trainings() == (5 * 6, 3 * 6)
    by_number = {number(training): training.recipe.epochs for training in full}
    for training in short:
        if number(training) in by_number:
            assert training.recipe.epochs == -(-by_number[number(training)] // 3)
    assert found.numbers == [3] * 6


def test_two_trials_are_both_trained_to_the_end(fake):
    runner = fake(by_trial({1: 0.5, 2: 0.6}), tune=2)
    search(runner)
    assert [(stage, len(some)) for stage, some in runner.done] == [
        ("training", 6),
        ("trials", 12),
        ("chosen recipes", 6),
    ]


def test_the_best_is_trained_with_its_recipe_and_the_default_only_once(fake):
    runner = fake(lambda training: {"a, trial 2": 0.9}.get(training.model, 0.5), tune=2)
    plan, trainings, records, found = search(runner)
    assert found.numbers == [2, 1] * 3
    stage, again = runner.done[-1]
    assert stage == "chosen recipes"
    assert [training.model for training in again] == ["a"] * 3
    for before, after in zip(trainings[::2], again, strict=True):
        assert after.recipe == plan.points[1].change_recipe(before.recipe)
        assert after.split is before.split
        assert after.rule == before.rule == "validation"
        assert after.cfg["head"]["dropout"] == plan.points[1].dropout
    assert all(found.records[i] is records[i] for i in (1, 3, 5))


def test_equal_trials_leave_the_default(fake):
    assert search(fake(by_trial({}), tune=3))[3].numbers == [1] * 6


@pytest.mark.slow
def test_a_failed_trial_is_lost_and_where_all_fail_the_default_stays(fake):
    runner = fake(by_trial({1: None, 2: None, 3: 0.4, 4: 0.3}), tune=4)
    found = search(runner)[3]
    assert found.numbers == [3] * 6
    assert "tuning a: 6 of 15 trials failed and are lost" in "\n".join(runner.progress.lines)

    runner = fake(lambda training: None if "trial" in training.model else 0.5, tune=4)
    plan, _, records, found = search(runner)
    assert found.numbers == [1] * 6
    assert found.records == records
    chosen = summarize_tuning(plan, records, found)["models"]["a"]["chosen"]
    assert [choice["srocc"] for choice in chosen] == [None] * 3


def test_a_trial_without_an_srocc_is_lost(fake):
    nan = float("nan")
    assert choose_trial({Trial("a", 0, 1): {"srocc": None}, Trial("a", 0, 2): {"srocc": -0.2}}) == 2
    runner = fake(lambda training: {"a, trial 1": nan, "a, trial 2": -0.2}.get(training.model, 0.5), tune=2)
    assert search(runner)[3].numbers == [2, 1] * 3


def test_once_tunes_on_the_first_split_and_uses_its_choice_on_all(fake):
    runner = fake(by_trial({2: 0.9}), tune=2, tune_once=True)
    plan, _, records, found = search(runner)
    assert {training.split.id for training in runner.done[1][1]} == {f"{plan.splits[0].id}-tuning"}
    assert found.numbers == [2] * 6
    result = summarize_tuning(plan, records, found)
    assert [choice["split"] for choice in result["models"]["b"]["chosen"]] == [split.id for split in plan.splits]


def test_a_decoder_in_closed_form_is_not_tuned(fake):
    ridge = dict(
        dim=None, backbone=BACKBONE, queries=dict(type="global_vector"), memory=None, interactions=[],
        head=dict(type="ridge"), losses=[dict(type="mse")],
    )  # fmt: skip
    models = {"a": MODELS["a"], "ridge": ridge}
    runner = fake(by_trial({2: 0.9}), tune=2, models=models)
    plan, _, records, found = search(runner, models)
    assert plan.fitted == ["ridge"]
    assert found.numbers == [2, 1] * 3
    result = summarize_tuning(plan, records, found)
    assert list(result["models"]) == ["a"]
    assert result["fitted"] == ["ridge"]
    assert [(pair["first"], pair["second"]) for pair in result["worth"]] == [("a tuned", "a")]


@pytest.mark.slow
def test_the_trials_of_a_rule_that_reads_the_test_part_read_the_validation_part(fake):
    for selection, expected in (("test-oracle", "validation"), ("last", "last"), ("validation", "validation")):
        runner = fake(by_trial({}), tune=2, selection=selection)
        search(runner)
        assert {training.rule for training in runner.done[1][1]} == {expected}
        assert not any(training.every_rule for training in runner.done[1][1])


def make_bank(runner, seed, keep):
    """Noise that carries the labels of ``DATA``; where images are not in ``keep``, noise of this seed alone."""
    arrays = {}
    for name, shape in compute_bank_shapes(runner.features, len(DATA), 1).items():
        values = np.random.default_rng(0).standard_normal(shape)
        values[..., 0] += ((DATA.mos - 50) / 15).reshape(-1, *[1] * (len(shape) - 2))
        other = np.random.default_rng(seed).standard_normal(shape)
        other[keep] = values[keep]
        arrays[name] = other.astype(np.float16)
    return FeatureBank(runner.features, arrays, f"noise {seed}", Path())


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.25, 0.0])
def test_other_labels_and_features_of_the_test_part_change_no_trial(monkeypatch, tmp_path, one_thread, fraction):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    selection = "validation" if fraction else "last"
    models = {"b": MODELS["b"]}
    settings = dict(tune=4, splits=1, epochs=4, validation_fraction=fraction, selection=selection, models=models)
    (split,) = make_splits(DATA, 1, validation_fraction=fraction)
    inside = np.concatenate([split.train, split.validation])

    def run(mos, seed, keep=inside):
        runner = build(**settings)
        data = replace(DATA, mos=mos)
        runner.banks[data] = make_bank(runner, seed, keep)
        found = search(runner, models, data)[3]
        assert not any(record.get("error") or record["resumed"] for record in found.records)
        return found

    first = run(DATA.mos, 1)
    mos = DATA.mos.copy()
    mos[split.test] = np.random.default_rng(2).uniform(10, 90, len(split.test))
    other = run(mos, 2)
    assert other.scores == first.scores
    assert other.numbers == first.numbers
    assert [record["srocc"] for record in other.records] != [record["srocc"] for record in first.records]
    mos = DATA.mos.copy()
    mos[inside[:20]] = mos[inside[:20]][::-1]  # what is inside does change it
    assert run(mos, 3).scores != first.scores
