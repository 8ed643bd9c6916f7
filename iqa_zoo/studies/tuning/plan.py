"""What a tuning does and costs: the trials of every decoder, and which of them stop early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iqa_zoo.budgets import measure_budget
from iqa_zoo.budgets.training_time import estimate_step_seconds
from iqa_zoo.config import Config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.studies.protocol import find_look_alikes
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.tuning.design import Point, find_dropout_keys, make_design
from iqa_zoo.studies.tuning.nested import make_inner_split
from iqa_zoo.training.frozen.decoder import is_in_closed_form

SHORT = 1 / 3  # of its epochs that a trial gets before the worse half stops


def check_tuning(spec: StudySpec, *, trains_frozen: bool) -> None:
    """Check the settings of a tuning before any work.

    Raises:
        InputError: a number of trials that cannot be, or a study that has nothing to tune.
    """
    trials = spec.training.tune
    if trials is None:
        if spec.training.tune_once:
            raise InputError("--tune-once needs --tune N, the number of trials")
        return
    if trials < 2:
        raise InputError(
            f"--tune is the number of trials of every decoder, the first with the default recipe; give 2 or more, got {trials}"
        )
    if not trains_frozen:
        raise InputError(
            "--tune tunes decoders on frozen features; leave it out with --protocol end-to-end and with --no-train"
        )


@dataclass(frozen=True)
class TuningPlan:
    """The trials of every decoder.

    Attributes:
        runner: trains.
        data: the dataset.
        splits: of the study.
        inner: splits of the training parts, one for each split of the study, or for the first alone.
        models: configs of the decoders that are tuned, by name.
        fitted: decoders that are fitted in closed form and so have nothing to tune.
        points: one a trial, the same for every decoder; the first is the default recipe.
        dropout: the config keys that set a dropout, with their values, by decoder.
    """

    runner: FrozenRunner
    data: RatedImages
    splits: Sequence[Split]
    inner: Sequence[Split]
    models: Mapping[str, Config]
    fitted: Sequence[str]
    points: Sequence[Point]
    dropout: Mapping[str, Mapping[str, float]]

    @property
    def places(self) -> list[tuple[str, int]]:
        """The decoder and the number of the split of each tuning."""
        return [(model, split) for split in range(len(self.inner)) for model in self.models]

    def find_inner(self, split: int) -> int:
        """Return the number of the split whose training part a split of the study is tuned on."""
        return min(split, len(self.inner) - 1)

    @property
    def survivors(self) -> int:
        """How many trials are trained for all their epochs, the default recipe among them."""
        return max(2, len(self.points) // 2)

    @property
    def stops_early(self) -> bool:
        """Whether there are trials to stop: two are both trained to the end."""
        return len(self.points) > self.survivors

    def count_trainings(self) -> tuple[int, int]:
        """Return the number of trials that are trained in short, and of trainings with all their epochs."""
        places = len(self.places)
        return (len(self.points) - 1) * places if self.stops_early else 0, self.survivors * places

    def log_cost(self) -> None:
        """Log how many trainings the tuning adds and about how long they take, extrapolated from a few training steps."""
        short, full = self.count_trainings()
        final = len(self.splits) * len(self.models)
        of_short = f"{short} trainings of a third of their epochs, " if short else ""
        seconds = self._estimate_seconds()
        self.runner.progress.log(
            f"tuning, trials x decoders x splits: {len(self.points)} x {len(self.models)} x {len(self.inner)}; {of_short}{full} "
            f"trainings of all their epochs, then up to {final} with the chosen recipes: {short + full + final} more trainings, "
            f"about {seconds:.0f} s unless they were trained before"
        )

    def _estimate_seconds(self) -> float:
        if not self.models:
            return 0.0
        recipe = self.runner.recipe
        macs = [measure_budget(dict(cfg)).decoder.macs for cfg in self.models.values()]
        step = estimate_step_seconds(list(self.models.values()), macs, recipe, str(self.runner.device))
        tried = [point.change_recipe(recipe).epochs for point in self.points]
        mean = sum(tried[1:]) / len(tried[1:])
        short = [point.change_recipe(recipe, SHORT).epochs for point in self.points[1:]] if self.stops_early else []
        full = [tried[0]] + [mean] * (self.survivors - 1)
        inner = sum(self._count_passes(split, short + full, recipe.measurements) for split in self.inner)
        final = sum(self._count_passes(split, [mean], recipe.measurements) for split in self.splits)
        jobs = min(self.runner.spec.resources.jobs, self.count_trainings()[1])
        return step * (inner + final) / recipe.batch_size / jobs

    def _count_passes(self, split: Split, epochs: Sequence[float], measurements: int) -> float:
        """Return the images that trainings of these epochs pass forward and backward; measuring costs a third of it."""
        measured = sum(min(each, measurements) for each in epochs) * len(split.validation) * self.runner.crops / 3
        return len(split.train) * sum(epochs) + measured

    def describe(self) -> dict[str, Any]:
        """Return the design, as JSON takes it, with what every point is on this recipe."""
        recipe = self.runner.recipe
        tried = [point.change_recipe(recipe) for point in self.points]
        design = [
            {"trial": i + 1, "lr": each.lr, "weight_decay": each.weight_decay, "dropout": point.dropout, "epochs": each.epochs}
            for i, (point, each) in enumerate(zip(self.points, tried, strict=True))
        ]  # fmt: skip
        parts = {part: len(getattr(self.inner[0], part)) for part in ("train", "validation")}
        return {
            "trials": len(self.points),
            "once": self.runner.spec.training.tune_once,
            "survivors": self.survivors,
            "parts": parts,
            "own_validation": not len(self.splits[0].validation),
            "design": design,
            "fitted": list(self.fitted),
        }


def plan_tuning(
    runner: FrozenRunner, models: Mapping[str, Config], data: RatedImages, splits: Sequence[Split]
) -> TuningPlan | None:
    """Return what the spec's tuning does; None where it tunes nothing.

    Raises:
        InputError: a validation part that is too small.
    """
    training = runner.spec.training
    if training.tune is None:
        return None
    groups = find_look_alikes(data).groups if runner.spec.data.groups_look_alikes else data.contents
    inner = [
        make_inner_split(data, split, groups, training.seed + number)
        for number, split in enumerate(splits[:1] if training.tune_once else splits)
    ]
    fitted = [name for name, cfg in models.items() if is_in_closed_form(cfg, runner.features)]
    tuned = {name: dict(cfg) for name, cfg in models.items() if name not in fitted}
    points = make_design(training.tune, training.seed)
    dropout = {name: find_dropout_keys(cfg) for name, cfg in tuned.items()}
    return TuningPlan(runner, data, splits, inner, tuned, fitted, points, dropout)
