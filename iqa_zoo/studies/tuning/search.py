"""Try the points of a design inside the training parts, choose one for each decoder and split, and train with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.stats.summary import is_defined
from iqa_zoo.studies.runner import Record
from iqa_zoo.studies.tuning.plan import SHORT, TuningPlan
from iqa_zoo.training.frozen.trainings import Training
from iqa_zoo.training.selection import CLOSE


@dataclass(frozen=True)
class Trial:
    """A trial of one decoder inside the training part of one split.

    Attributes:
        model, split: which decoder, and the number of the split.
        number: of the trial, from 1, which is the default recipe.
        share: of its epochs that it is trained for.
    """

    model: str
    split: int
    number: int
    share: float = 1.0


Scores = dict[
    Trial, Record
]  # ``srocc`` of the validation part, None where there is none; ``error`` of a failed training


@dataclass(frozen=True)
class Tuned:
    """What a tuning found.

    Attributes:
        records: of the study with the chosen recipes, in the order of its trainings.
        numbers: of the chosen trials, in the same order; 1 for a decoder that is not tuned.
        trainings: with the chosen recipes, in the same order.
        scores: of all trials.
    """

    records: list[Record]
    numbers: list[int]
    trainings: list[Training]
    scores: Scores


def tune(
    plan: TuningPlan, trainings: Sequence[Training], records: Sequence[Record], test_sets: Mapping[str, RatedImages]
) -> Tuned:
    """Tune every decoder and train it with what was chosen.

    A trial is trained and judged inside the training part of a split: its loss, its epoch and its score read nothing of the test
    part. Each gets a third of its epochs, then the worse half stops; the default recipe always goes on. The best is
    chosen (:func:`choose_trial`). A trial that fails, or that gives one score to all images, is lost; where all are, the default
    recipe stays.

    Args:
        plan: the trials.
        trainings: of the study with the default recipe, split by split.
        records: of these trainings.
        test_sets: further datasets to test on, by name.
    """
    scores = _try_points(plan)
    chosen = {place: choose_trial(_select(scores, place)) for place in plan.places}
    in_a_split = len({training.model for training in trainings})
    # With one tuning for all splits, its choice holds on every split.
    places = [(training.model, plan.find_inner(i // in_a_split)) for i, training in enumerate(trainings)]
    numbers = [chosen.get(place, 1) for place in places]
    changed = [
        change_training(training, plan, number) if training.model in plan.models else training
        for training, number in zip(trainings, numbers, strict=True)
    ]
    tuned = list(records)
    # The record of the default recipe is there already.
    if left := [i for i, number in enumerate(numbers) if number > 1]:
        some = [changed[i] for i in left]
        found = plan.runner.train(some, plan.data, test_sets=test_sets, stage="chosen recipes", quiet=True)
        for i, record in zip(left, found, strict=True):
            tuned[i] = record
    _log_lost(plan, scores)
    return Tuned(tuned, numbers, changed, scores)


def choose_trial(scores: Mapping[Trial, Record]) -> int:
    """Return the number of the first trial whose SROCC is within ``CLOSE`` of the best; 1, the default recipe, where none has one.

    Closer SROCCs count as equal, as in the selection of an epoch: a part of a hundred images cannot tell them apart, and the
    best of noisy values is chosen by noise. So the default recipe stays unless another is clearly better.

    >>> [choose_trial({Trial("a", 0, i + 1): {"srocc": srocc} for i, srocc in enumerate(sroccs)})
    ...  for sroccs in ((0.8, 0.805, None), (0.8, 0.83, 0.835), (None, None, None))]
    [1, 2, 1]
    """
    ranked = sorted(_rank(scores))
    return min((number for loss, number in ranked if loss - ranked[0][0] <= CLOSE), default=1)


def select_survivors(scores: Mapping[Trial, Record], count: int) -> list[int]:
    """Return the numbers of the trials that go on: the default recipe and the best of the others, ``count`` in all.

    >>> scores = {Trial("a", 0, i): {"srocc": srocc} for i, srocc in ((2, 0.7), (3, None), (4, 0.8))}
    >>> select_survivors(scores, 2), select_survivors(scores, 4)
    ([1, 4], [1, 2, 4])
    """
    return [1, *sorted(number for _, number in sorted(_rank(scores))[: count - 1])]


def _rank(scores: Mapping[Trial, Record]) -> list[tuple[float, int]]:
    return [(-score["srocc"], trial.number) for trial, score in scores.items() if score["srocc"] is not None]


def _select(scores: Scores, place: tuple[str, int], share: float = 1.0) -> Scores:
    return {
        trial: score for trial, score in scores.items() if (trial.model, trial.split, trial.share) == (*place, share)
    }


def _try_points(plan: TuningPlan) -> Scores:
    numbers = range(1, len(plan.points) + 1)
    if not plan.stops_early:
        return _train(plan, [Trial(*place, number) for place in plan.places for number in numbers], "trials")
    short = _train(plan, [Trial(*place, i, SHORT) for place in plan.places for i in numbers[1:]], "shortened trials")
    left = [
        Trial(*place, number)
        for place in plan.places
        for number in select_survivors(_select(short, place, SHORT), plan.survivors)
    ]
    return {**short, **_train(plan, left, "trials")}


def _train(plan: TuningPlan, trials: Sequence[Trial], stage: str) -> Scores:
    """Train trials and return their validation SROCC."""
    if not trials:
        return {}
    records = plan.runner.train([_make_training(plan, trial) for trial in trials], plan.data, stage=stage, quiet=True)
    return {
        trial: {
            "srocc": record["srocc"] if is_defined(record.get("srocc")) else None,
            "error": record.get("error"),
        }
        for trial, record in zip(trials, records, strict=True)
    }


def _make_training(plan: TuningPlan, trial: Trial) -> Training:
    default = plan.runner.make_training(trial.model, plan.models[trial.model], plan.inner[trial.split], trial.split)
    named = replace(
        default,
        model=f"{trial.model}, trial {trial.number}",
        rule="last" if default.rule == "last" else "validation",  # nothing here reads the test part
    )
    return change_training(named, plan, trial.number, trial.share)


def change_training(training: Training, plan: TuningPlan, number: int, share: float = 1.0) -> Training:
    """Return a training with the recipe and the dropout of a trial."""
    point = plan.points[number - 1]
    return replace(training, cfg=point.change_config(training.cfg), recipe=point.change_recipe(training.recipe, share))


def _log_lost(plan: TuningPlan, scores: Scores) -> None:
    for model in plan.models:
        mine = {trial: score for trial, score in scores.items() if trial.model == model}
        errors = [score["error"] for score in mine.values() if score["error"]]
        if errors:
            plan.runner.progress.log(
                f"tuning {model}: {len(errors)} of {len(mine)} trials failed and are lost, the first with: {errors[0]}"
            )
