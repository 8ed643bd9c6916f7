"""One backbone, its frozen features, and the trainings of many decoders on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from iqa_zoo.budgets import measure_budget
from iqa_zoo.budgets.training_time import estimate_step_seconds
from iqa_zoo.build import build_model
from iqa_zoo.cache import cache_folder
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.contracts import FeatureSpec, spec_of
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import format_some
from iqa_zoo.data.splits import Split
from iqa_zoo.data.views import choose_crops
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.identity import find_part_modules, identify_code
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.progress import Reporter
from iqa_zoo.randomness import seeded
from iqa_zoo.studies.feature_cost import describe_feature_cost
from iqa_zoo.studies.gathering import Record, gather_records
from iqa_zoo.studies.protocol import TRAINING_MODULE, make_frozen_recipe
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.frozen.boxed_bank import check_backbone, unpack_box
from iqa_zoo.training.frozen.decoder import is_in_closed_form
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.frozen.features import FeatureBank, compute_bank_shapes
from iqa_zoo.training.frozen.trainings import ExtraTestSet, Training, train_many
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.workers import warm_up
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from iqa_zoo.studies.runners import Runner


@dataclass
class FrozenRunner:
    """One frozen backbone that serves many decoders. Its features of a dataset are computed when they are first needed."""

    spec: StudySpec
    progress: Reporter
    backbone: nn.Module
    config: Config
    banks: dict[RatedImages, FeatureBank] = field(default_factory=dict)  # two datasets may share their name
    enlarged: dict[RatedImages, list[str]] = field(default_factory=dict)  # images smaller than the input

    @classmethod
    def build(
        cls,
        spec: StudySpec,
        configs: Sequence[Mapping[str, Any]],
        progress: Reporter,
        options: Mapping[str, Any] | None = None,
    ) -> FrozenRunner:
        """Build the backbone of the spec with every stage that the configs read. Random weights depend on the seed.

        ``options`` are further keys of the backbone's config.

        Raises:
            ConfigError, CheckpointError: a backbone or weights that do not exist.
            InputError: several crops of whole images; the spec is of whole models.
        """
        if spec.protocol.end_to_end:
            raise InputError(f"{spec.study} trains on frozen features only; leave --protocol out")
        given = spec.backbone
        view = "whole" if spec.training.view == "whole" else "crops"
        config = make_backbone_config(given.backbone or "nss", configs, options, view)
        for cfg in configs:  # known from here on: an edit while features are computed is an edit after the import
            identify_code([TRAINING_MODULE], find_part_modules(resolve_config(cfg)))
        with seeded(spec.training.seed):
            carrier = build_model(
                {**configs[0], "backbone": config}, pretrained=given.pretrained, weights=given.weights
            )
        if view == "whole":
            choose_crops(spec_of(carrier.backbone), spec.training.crops, 1)  # refuses several
        return cls(spec, progress, carrier.backbone, carrier.config["backbone"])

    @property
    def features(self) -> FeatureSpec:
        return spec_of(self.backbone)

    @property
    def device(self) -> torch.device:
        return select_device(self.spec.resources.device)

    @property
    def crops(self) -> int:
        return 1 if self.features.view == "whole" else self.spec.training.crops or 1

    def place(self, cfg: Mapping[str, Any]) -> Config:
        """Return a config on this backbone."""
        return {**cfg, "backbone": self.config}

    @property
    def recipe(self) -> FrozenRecipe:
        return make_frozen_recipe(self.spec)

    def identify_features(self, data: RatedImages) -> str | None:
        """Return the key of a dataset's features; None where none were read."""
        return self.banks[data].key if data in self.banks else None

    def load_bank(self, data: RatedImages) -> FeatureBank:
        """Return the features of a dataset's crops, from the cache or computed.

        Raises:
            IqaZooError: they need more disk than ``--max-cache-gb``, or come from a box that does not hold them.
        """
        if data.box is not None and data not in self.banks:
            self.banks[data] = unpack_box(self.backbone, self.config, data)
        if data not in self.banks:
            limit = self.spec.resources.max_cache_gb
            size = 2 * self._count_values(data) / 1e9
            if size > limit:
                raise IqaZooError(
                    f"the features of {data.name} need {size:.1f} GB in {cache_folder()}, more than --max-cache-gb "
                    f"{limit:g}; raise it, or use fewer --crops"
                )
            side = self.features.image_size
            small = self.enlarged[data] = check_images(data, range(len(data)), side)
            if small:
                self.progress.log(
                    f"{len(small)} of {len(data)} images of {data.name} are enlarged to {side} pixels: {format_some(small)}"
                )
            self.banks[data] = extract_features(
                self.backbone.to(self.device),
                self.config,
                data,
                crops=self.crops,
                seed=self.spec.training.seed,
                precision=self.recipe.precision,
                progress=self.progress.start(f"features of {data.name}"),
            )
            if self.banks[data].from_cache:
                self.progress.log(f"features of {data.name}: from the cache")
        return self.banks[data]

    def _count_values(self, data: RatedImages) -> int:
        shapes = compute_bank_shapes(self.features, len(data), self.crops).values()
        return sum(torch.Size(shape).numel() for shape in shapes)

    def make_training(
        self,
        model: str,
        cfg: Mapping[str, Any],
        split: Split,
        number: int,
        *,
        every_rule: bool = False,
        epochs: int | None = None,
        rate: float = 1.0,
    ) -> Training:
        """Return one training on the split of this number.

        Args:
            model, cfg: its label and config.
            split, number: on which split; the number goes into the seed.
            every_rule: also measure the test part after each epoch, to report what every rule would select.
            epochs: in place of the spec's.
            rate: factor of the learning rate.
        """
        recipe = replace(self.recipe, lr=rate * self.recipe.lr, epochs=epochs or self.recipe.epochs)
        seed, rule = self.spec.training.seed + number, self.spec.training.selection or "last"
        return Training(model, dict(cfg), split, recipe, seed, rule, every_rule, str(self.device))

    def train(
        self,
        trainings: Sequence[Training],
        data: RatedImages,
        *,
        test_sets: Mapping[str, RatedImages] | None = None,
        stage: str = "training",
        quiet: bool = False,
    ) -> list[Record]:
        """Run trainings and return their records in the same order. A training that failed has an ``error``.

        Args:
            trainings: split by split, and within a split model by model, the same models each time.
            data: on whose features and labels.
            test_sets: further datasets to test on, by name.
            stage: how the progress calls it.
            quiet: log no line for splits and failures; the trainings may be in any order.
        """
        resources = self.spec.resources
        cluster = "on Ray" if resources.ray else "as jobs of Slurm" if resources.slurm else ""
        where = cluster or f"{min(resources.jobs, len(trainings))} at a time"
        records = self.run(trainings, data, test_sets or {})
        tick = self.progress.start(f"{stage}, {where}")
        return gather_records(records, trainings, tick, self.progress, fresh=resources.fresh, quiet=quiet)

    def run(
        self, trainings: Sequence[Training], data: RatedImages, test_sets: Mapping[str, RatedImages]
    ) -> Iterator[tuple[int, Record]]:
        """Load the features, and return an iterator that runs trainings: (position, record), in the order they finish in."""
        resources = self.spec.resources
        jobs = min(resources.jobs, len(trainings))
        if not (resources.ray or resources.slurm):
            warm_up(jobs)  # while features are computed, or read
        others = {name: ExtraTestSet(other, self.load_bank(other)) for name, other in test_sets.items()}
        return train_many(
            trainings,
            self.load_bank(data),
            data,
            cache_folder(),
            others,
            fresh=resources.fresh,
            jobs=jobs,
            ray=resources.ray,
            slurm=resources.slurm,
            notify=self.progress.log,
        )

    def log_feature_cost(self, data: RatedImages) -> None:
        """Log the disk that the features take and the time, extrapolated from one batch.

        Raises:
            InputError: the data are from a box that does not hold them.
        """
        check_backbone(data, self.backbone, self.config)
        backbone, values = self.backbone.to(self.device), self._count_values(data)
        self.progress.log(describe_feature_cost(backbone, data, self.crops, values, self.recipe.precision))

    def log_cost(
        self,
        models: Mapping[str, Mapping[str, Any]],
        data: RatedImages,
        count: int,
        every_rule: bool = False,
        shares: float = 1,
    ) -> None:
        """Log the cost of features and of trainings that take steps, extrapolated from one batch and a few steps.

        Args:
            models, data: what is trained, on which images.
            count: of splits.
            every_rule: whether the test part is measured after each epoch.
            shares: of the steps of a whole split that each split takes.
        """
        count = max(1, round(shares * count))
        self.log_feature_cost(data)
        recipe = self.recipe
        if closed := [name for name, cfg in models.items() if is_in_closed_form(cfg, self.features)]:
            self.progress.log(f"in closed form, without training steps: {', '.join(closed)}")
        if not (models := {name: cfg for name, cfg in models.items() if name not in closed}):
            return
        macs = [measure_budget(dict(cfg)).decoder.macs for cfg in models.values()]
        step = estimate_step_seconds(list(models.values()), macs, recipe, str(self.device))
        # A backward pass costs two forward ones; validation, and with every_rule the test part, is measured now and then.
        measured = self.crops * (0.3 if every_rule else 0.1) * min(recipe.epochs, recipe.measurements) / 3
        images = len(data) * (0.8 * recipe.epochs + measured) * count
        seconds = step * images / recipe.batch_size / min(self.spec.resources.jobs, len(models) * count)
        self.progress.log(
            f"training: {count_nouns(len(models), 'decoder')} x {count_nouns(count, 'split')} x {count_nouns(recipe.epochs, 'epoch')}, "
            f"{3 * sum(macs) * images / 1e12:.1f} T MACs, about {seconds:.0f} s unless they were trained before"
        )


def select_succeeded(records: Sequence[Record]) -> list[Record]:
    """Return the records of trainings that did not fail.

    Raises:
        IqaZooError: all failed; says why the first did.
    """
    good = [record for record in records if "error" not in record]
    if records and not good:
        raise IqaZooError(
            f"every training failed, the first with: {records[0]['error']}\n{records[0]['trace']}".strip()
        )
    return good


def describe_cache_use(records: Sequence[Record], *runners: Runner) -> Record:
    """Return what of a study comes from the cache, and how many images were enlarged, for its results."""
    banks = [bank for runner in runners for bank in runner.banks.values()]
    enlarged = {data.name: len(small) for runner in runners for data, small in runner.enlarged.items() if small}
    return {
        "from_cache": {
            "trainings": sum(bool(record.get("resumed")) for record in records),
            "of": sum("resumed" in record for record in records),
            "features": sum(bank.from_cache for bank in banks),
            "of_features": len(banks),
        },
        "enlarged": enlarged,
    }
