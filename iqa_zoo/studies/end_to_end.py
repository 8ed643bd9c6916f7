"""Whole models, trained end to end, and beside them what is fitted in closed form on frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from iqa_zoo.budgets import measure_budget
from iqa_zoo.budgets.measure import find_backbone_spec
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.config import Config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_folder_writable
from iqa_zoo.progress import Progress, Reporter
from iqa_zoo.stats.estimate import FEWEST_SPLITS
from iqa_zoo.studies.baseline import describe_backbone, find_carrier, has_fitted_head, select_carried
from iqa_zoo.studies.gathering import MOST_IN_A_LINE, Record, gather_records
from iqa_zoo.studies.protocol_spec import OWN, ProtocolSpec
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.training.end_to_end.checks import check_options, check_parts, count_passes
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trainings import EndToEnd, end_to_end_folder, find_run_folder, train_all_end_to_end
from iqa_zoo.training.frozen.decoder import is_in_closed_form
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.frozen.trainings import Training
from iqa_zoo.training.recipe import Recipe


@dataclass
class EndToEndRunner:
    """Trains whole models by one recipe, with the methods of ``FrozenRunner``.

    Each training is kept in a folder of its own in the cache (:func:`find_run_folder`), which all studies share, as they
    share the trainings of frozen decoders.

    A head that is fitted in closed form (:class:`iqa_zoo.contracts.Fits`), as that of the baseline, is fitted on frozen
    features of the same backbone and weights; where each model has its own backbone, of the first model's, and it is then
    compared with the models on that backbone only (:func:`iqa_zoo.studies.baseline.list_judged_pairs`).
    """

    spec: StudySpec
    progress: Reporter
    recipe: Recipe
    frozen: FrozenRunner
    checked: set[RatedImages] = field(default_factory=set)  # test sets whose images were read

    @classmethod
    def build(cls, spec: StudySpec, configs: Sequence[Mapping[str, Any]], progress: Reporter) -> EndToEndRunner:
        """Read the recipe, and build the backbone of the spec, or of the first config, with every stage that the configs read.

        Raises:
            ConfigError, CheckpointError, UnknownName: a backbone, weights or a recipe that do not exist.
            InputError: a model with a fitted head and other parts that are learned.
        """
        recipe, options = spec.protocol.load_recipe(), None
        precision: Any = "bfloat16" if recipe.precision == "bfloat16" else "float32"  # frozen features have no float16
        frozen = replace(spec, protocol=ProtocolSpec(), training=replace(spec.training, precision=precision))
        if spec.backbone.backbone == OWN:
            options = describe_backbone(find_carrier(configs))
            carried = select_carried(configs)
            others = " and is compared with the models on it only" if len(carried) < len(configs) else ""
            configs = carried
            name = str(options.get("name", options["type"]))
            frozen = replace(frozen, backbone=replace(spec.backbone, backbone=name))
            if any(map(has_fitted_head, configs)):
                progress.log(f"what is fitted in closed form, as the baseline, reads frozen features of {name}{others}")
        runner = cls(spec, progress, recipe, FrozenRunner.build(frozen, configs, progress, options))
        for cfg in configs:
            runner.is_fitted(cfg)
        return runner

    @property
    def backbone(self) -> nn.Module:
        return self.frozen.backbone

    @property
    def banks(self) -> Mapping[RatedImages, FeatureBank]:
        return self.frozen.banks

    @property
    def enlarged(self) -> Mapping[RatedImages, list[str]]:
        return self.frozen.enlarged

    @property
    def features(self) -> FeatureSpec:
        return self.frozen.features

    def identify_features(self, data: RatedImages) -> str | None:
        """Return the key of the features of a dataset that closed forms were fitted on; None where there are none."""
        return self.frozen.identify_features(data)

    def is_fitted(self, cfg: Mapping[str, Any]) -> bool:
        """Return whether a model is fitted in closed form on frozen features; else it is trained end to end.

        Raises:
            InputError: its head is fitted in closed form and its other parts are learned, which end to end does not train.
        """
        if not has_fitted_head(cfg):
            return False
        if not is_in_closed_form(cfg, self.features):
            raise InputError(
                f"the head {cfg['head']['type']!r} is fitted in closed form on frozen features, and the rest of the decoder is "
                "learned; choose the head 'linear', or leave --protocol end-to-end out"
            )
        return True

    def place(self, cfg: Mapping[str, Any]) -> Config:
        """Return a config on the study's backbone, or as it is where each model has its own."""
        shared = describe_backbone(self.frozen.place(cfg))
        if self.spec.backbone.backbone == OWN and not has_fitted_head(cfg) and describe_backbone(cfg) != shared:
            return dict(cfg)
        return self.frozen.place(cfg)

    def make_training(
        self,
        model: str,
        cfg: Mapping[str, Any],
        split: Split,
        number: int,
        *,
        every_rule: bool = False,
        epochs: int | None = None,
    ) -> EndToEnd | Training:
        """Return one training on the split of this number.

        Args:
            model, cfg: its label and config.
            split, number: on which split; the number goes into the seed.
            every_rule: also measure the test part after each epoch, to report what every rule would select.
            epochs: in place of the recipe's; whatever the recipe counts in epochs is stretched as much.
        """
        if self.is_fitted(cfg):
            return self.frozen.make_training(model, cfg, split, number, every_rule=every_rule)
        recipe = stretch(self.recipe, epochs or self.recipe.epochs)
        given, seed, name = self.spec.backbone, self.spec.training.seed + number, Path(self.spec.protocol.recipe).name
        weights, fresh = (given.weights, given.pretrained), self.spec.resources.fresh
        return EndToEnd(model, dict(cfg), split, recipe, seed, *weights, name, every_rule, fresh)

    def train(
        self,
        trainings: Sequence[EndToEnd | Training],
        data: RatedImages,
        *,
        test_sets: Mapping[str, RatedImages] | None = None,
        stage: str = "training",
    ) -> list[Record]:
        """Run trainings, closed forms first, and return their records in order. A training that failed has an ``error``.

        Args:
            trainings: split by split, and within a split model by model, the same models each time.
            data: the images.
            test_sets: further datasets to test on, by name. Their images are read before the first training.
            stage: how the progress calls it.

        Raises:
            InputError: a cache that cannot be written, a part of a split that is too small for the recipe, or an image of a
                test set that cannot be read.
        """
        others = dict(test_sets or {})
        self._check(trainings, data, others)
        records, fresh = self._run(trainings, data, others), self.spec.resources.fresh
        return gather_records(
            records, trainings, self.progress.start(f"{stage}, one at a time"), self.progress, fresh=fresh
        )

    def _check(
        self, trainings: Sequence[EndToEnd | Training], data: RatedImages, test_sets: Mapping[str, RatedImages]
    ) -> None:
        whole = [training for training in trainings if isinstance(training, EndToEnd)]
        if whole:
            _check_writable(end_to_end_folder())
        for training in whole:
            check_parts(data, training.split)
            check_options(data, training.split, training.recipe, self._options)
            count_passes(data, training.split, training.recipe)
        side = max((find_backbone_spec(training.cfg).image_size for training in whole), default=0)
        for name, other in test_sets.items():
            if other not in self.checked:
                images = DecodedImages(other, memory_bytes=0, smallest=side)
                tick = self.progress.start(f"checking {name}")
                check_images(other, range(len(other)), side, images=images, progress=tick)
                self.checked.add(other)

    @property
    def _options(self) -> TrainingOptions:
        return TrainingOptions(self.spec.training.selection or "validation", device=self.spec.resources.device)

    def _run(
        self, trainings: Sequence[EndToEnd | Training], data: RatedImages, test_sets: Mapping[str, RatedImages]
    ) -> Iterator[tuple[int, Record]]:
        fitted = [i for i, training in enumerate(trainings) if isinstance(training, Training)]
        if fitted:
            some = [cast(Training, trainings[i]) for i in fitted]
            for k, record in self.frozen.run(some, data, test_sets):
                yield fitted[k], record
        for i, training in enumerate(trainings):
            if isinstance(training, EndToEnd):
                self.progress.log(
                    f"{training.model} on split {training.split.id}: {find_run_folder(training, data, self._options)}",
                    "dim",
                )
                tick = _Stage(f"{training.model}, training {i + 1} of {len(trainings)}", self.progress)
                for _, record in train_all_end_to_end([training], data, self._options, test_sets, tick):
                    yield i, record

    def log_cost(
        self,
        models: Mapping[str, Mapping[str, Any]],
        data: RatedImages,
        count: int,
        every_rule: bool = False,
        shares: float = 1,
    ) -> None:
        """Log what the trainings compute and keep; the time is extrapolated from a timed forward pass on each backbone.

        The arguments are those of ``FrozenRunner``.
        """
        if count < FEWEST_SPLITS:
            self.progress.log(
                f"fewer than {FEWEST_SPLITS} splits: no verdict; give --splits {FEWEST_SPLITS} or more", "yellow"
            )
        count = max(1, round(shares * count))
        if any(map(self.is_fitted, models.values())):
            self.frozen.log_feature_cost(data)
        whole = {name: dict(cfg) for name, cfg in models.items() if not self.is_fitted(cfg)}
        recipe, train = self.recipe, 0.8 * len(data) * (1 - (self.spec.data.validation_fraction or 0))
        validation, test = 0.8 * len(data) - train, 0.2 * len(data) * (recipe.epochs if every_rule else 1)
        # A backward pass costs two forward ones.
        images = count * (
            3 * recipe.epochs * train * recipe.crops + (recipe.epochs * validation + test) * recipe.test_crops
        )
        budgets = {name: measure_budget(cfg) for name, cfg in whole.items()}
        timed = {
            str(describe_backbone(cfg)): name for name, cfg in reversed(whole.items())
        }  # the first on each backbone
        speeds = measure_speed({name: build_model(whole[name]) for name in timed.values()}, rounds=1)
        minutes, disk = 0.0, 0.0
        what = f"{count} split{'s' * (count > 1)} x {recipe.epochs} epoch{'s' * (recipe.epochs > 1)} of {train * recipe.crops:.0f} crops"
        for name, cfg in whole.items():
            like = timed[str(describe_backbone(cfg))]
            seconds = images / speeds[like].images_per_second * budgets[name].macs / budgets[like].macs
            size = count * budgets[name].params * 4 * 4  # weights; of the last checkpoint weights and two moments
            minutes, disk = minutes + seconds / 60, disk + size
            if len(whole) <= MOST_IN_A_LINE:
                self.progress.log(
                    f"{name}: {what}, {size / 1e9:.2f} GB, about {seconds / 60:.0f} min in float32 on this machine"
                )
        self.progress.log(
            f"end to end: {len(whole)} models x {what}, {disk / 1e9:.2f} GB in {end_to_end_folder()}, about {minutes:.0f} min in "
            "float32 on this machine, one training after the other, less what was trained before"
        )


def stretch(recipe: Recipe, epochs: int) -> Recipe:
    """Return a recipe of another number of epochs: its warm-up, its steps and its patience are the same share of them.

    >>> made = stretch(Recipe(summary="", epochs=4, warmup_epochs=1, schedule="step", step_epochs=2, patience=2), 10)
    >>> made.epochs, made.warmup_epochs, made.step_epochs, made.patience
    (10, 2.5, 5, 5)
    """
    factor = epochs / recipe.epochs
    patience = recipe.patience and max(1, round(recipe.patience * factor))
    return replace(
        recipe,
        epochs=epochs,
        warmup_epochs=recipe.warmup_epochs * factor,
        step_epochs=max(1, round(recipe.step_epochs * factor)),
        patience=patience,
    )


def _check_writable(folder: Path) -> None:
    try:
        check_folder_writable(folder)
    except InputError as error:
        raise InputError(f"{error}; trainings are kept there: set IQA_ZOO_CACHE to a writable folder") from error


class _Stage:
    """Report the steps of one training as a stage, which begins with the first step."""

    def __init__(self, name: str, progress: Reporter):
        self.name, self.progress = name, progress
        self.tick: Progress | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.tick is None:
            self.tick = self.progress.start(self.name)
        self.tick(done, total)
