"""The comparison of whole models, trained end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iqa_zoo.budgets.measure import find_backbone_spec
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.config import Config
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.progress import Progress, Reporter
from iqa_zoo.studies.matching import Matched
from iqa_zoo.studies.runner import Record, gather_records
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.training.recipe import Recipe


def train_all(
    spec: StudySpec,
    models: Mapping[str, Config],
    data: RatedImages,
    splits: Sequence[Split],
    recipe: Recipe,
    test_sets: Mapping[str, RatedImages],
    progress: Reporter,
) -> list[Record]:
    """Train every model on every split, one after the other; return the records split by split."""
    from iqa_zoo.training.end_to_end.train import TrainingOptions
    from iqa_zoo.training.end_to_end.trainings import EndToEnd, train_all_end_to_end

    folder = spec.resources.out or spec.folder()
    given = spec.backbone
    trainings = [
        EndToEnd(name, cfg, split, recipe, spec.training.seed + number, folder / name, given.weights, given.pretrained,
                 spec.options.recipe)
        for number, split in enumerate(splits)
        for name, cfg in models.items()
    ]  # fmt: skip
    options = TrainingOptions(selection=spec.training.selection or "validation", device=spec.resources.device)
    side = max(find_backbone_spec(cfg).image_size for cfg in models.values())
    for name, other in test_sets.items():  # they are read after the training; damage is found before it
        decoded = DecodedImages(other, memory_bytes=0, smallest=side)
        check_images(other, range(len(other)), side, images=decoded, progress=progress.start(f"checking {name}"))
    records = train_all_end_to_end(trainings, data, options, dict(test_sets), _Stages(list(models), progress))
    return gather_records(records, trainings, progress.start("trainings"), progress)


class _Stages:
    """Report the steps of one training after the other, each as a stage."""

    def __init__(self, models: Sequence[str], progress: Reporter):
        self.models, self.progress = models, progress
        self.last, self.count = 0, 0
        self.tick: Progress | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.tick is None or done < self.last:
            self.tick = self.progress.start(f"{self.models[self.count % len(self.models)]}, end to end")
            self.count += 1
        self.last = done
        self.tick(done, total)


def log_cost(splits: Sequence[Split], recipe: Recipe, matched: Matched, progress: Reporter) -> None:
    """Log what the trainings compute and keep; the time is extrapolated from a timed forward pass of each model."""
    split = splits[0]
    measured = (len(split.validation) + len(split.test)) * recipe.test_crops
    speeds = measure_speed({name: build_model(cfg) for name, cfg in matched.configs.items()}, rounds=1)
    for name, budget in matched.budgets.items():
        # A backward pass costs two forward ones.
        images = recipe.epochs * (len(split.train) * recipe.crops * 3 + measured)
        seconds = len(splits) * images / speeds[name].images_per_second
        disk = len(splits) * budget.params * 4 * 4  # weights, and of the last checkpoint weights and two moments
        progress.log(
            f"{name}: {len(splits)} splits x {recipe.epochs} epochs of {len(split.train) * recipe.crops} crops, "
            f"{disk / 1e9:.2f} GB, about {seconds / 60:.0f} min in float32 on this machine"
        )
