"""One runner for a study: of decoders on frozen features, or of whole models end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

from torch import nn

from iqa_zoo.config import Config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.boxed import require_pixels
from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.studies.gathering import Record
from iqa_zoo.studies.models import fit_to_frozen_features
from iqa_zoo.studies.protocol_spec import OWN, ProtocolSpec
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.spec import BudgetSpec, ResourceSpec, StudySpec, TrainingSpec
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import TrainingRecipe

FROZEN_ONLY = ("epochs", "batch_size", "lr", "precision")  # what a recipe says end to end


class Runner(Protocol):
    """What trains the models of a study: ``FrozenRunner`` or ``EndToEndRunner``. Both give records with the same keys."""

    @property
    def spec(self) -> StudySpec: ...
    @property
    def progress(self) -> Reporter: ...
    @property
    def backbone(self) -> nn.Module: ...
    @property
    def features(self) -> FeatureSpec: ...
    @property
    def recipe(self) -> TrainingRecipe: ...
    @property
    def banks(self) -> Mapping[RatedImages, FeatureBank]: ...
    @property
    def enlarged(self) -> Mapping[RatedImages, list[str]]: ...
    def place(self, cfg: Mapping[str, Any]) -> Config: ...
    def make_training(
        self,
        model: str,
        cfg: Mapping[str, Any],
        split: Split,
        number: int,
        *,
        every_rule: bool = False,
        epochs: int | None = None,
    ) -> Any: ...
    def train(
        self,
        trainings: Sequence[Any],
        data: RatedImages,
        *,
        test_sets: Mapping[str, RatedImages] | None = None,
        stage: str = "training",
    ) -> list[Record]: ...
    def log_cost(
        self,
        models: Mapping[str, Mapping[str, Any]],
        data: RatedImages,
        count: int,
        every_rule: bool = False,
        shares: float = 1,
    ) -> None: ...
    def identify_features(self, data: RatedImages) -> str | None: ...


def make_trainings(
    runner: Runner, models: Mapping[str, Mapping[str, Any]], splits: Sequence[Split], *, every_rule: bool = False
) -> list[Any]:
    """Return the trainings of every model on every split, split by split.

    Args:
        runner: that makes and runs them.
        models: their configs by label.
        splits: of the data.
        every_rule: also measure the test part after each epoch, to report what every rule would select.
    """
    return [
        runner.make_training(name, cfg, split, number, every_rule=every_rule)
        for number, split in enumerate(splits)
        for name, cfg in models.items()
    ]


def prepare_protocol(spec: StudySpec) -> StudySpec:
    """Check the settings of the protocol, and return the spec with those that end-to-end training fixes.

    Raises:
        UnknownName, ConfigError: a recipe that does not exist, or values that cannot be.
        InputError: settings that do not go together, or a dataset without pixels.
    """
    backbone, training = spec.backbone, spec.training
    if not spec.protocol.end_to_end:
        if backbone.backbone == OWN:
            raise InputError("--backbone own needs --protocol end-to-end: frozen decoders are compared on one backbone")
        for name in ("recipe", "recipe_set"):
            if getattr(spec.protocol, name) != getattr(ProtocolSpec, name):
                given, flags = name.replace("_", "-"), ", ".join("--" + each.replace("_", "-") for each in FROZEN_ONLY)
                raise InputError(
                    f"--{given} is of whole models; add --protocol end-to-end, or give frozen decoders {flags}"
                )
        return spec
    spec.protocol.load_recipe()
    refuse_workers(spec.resources)
    for name in FROZEN_ONLY:
        if getattr(training, name) != getattr(TrainingSpec, name):
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} is of frozen decoders; end to end give --recipe-set {name}=...")
    if spec.data.boxed and not getattr(spec.options, "no_train", False):
        refuse_box(spec.data.data)
    if training.view == "auto":
        training = replace(training, view="crops")
    if not spec.models and backbone.backbone in (None, OWN):
        raise InputError(f"{spec.study}: name the --backbone to train end to end; its models have none of their own")
    if backbone.backbone is None:
        backbone = replace(backbone, backbone=OWN)
    matches = backbone.backbone != OWN or len(spec.models) == 1  # decoders on several backbones are of no one budget
    budget = spec.budget if matches else refuse_budget(spec.budget)
    return replace(spec, backbone=backbone, training=training, budget=budget)


def refuse_workers(resources: ResourceSpec) -> None:
    """Refuse several trainings at a time, which end to end does not have.

    Raises:
        InputError: names the option.
    """
    several = resources.jobs not in (
        1,
        ResourceSpec.jobs,
    )  # the default, as many as there are cores, is not known to be given
    clusters = [name for name in ("ray", "slurm") if getattr(resources, name) is not None]
    if several or clusters:
        name = clusters[0] if clusters else "jobs"
        raise InputError(f"--{name} is of frozen decoders; whole models are trained one after the other; leave it out")


def refuse_budget(given: BudgetSpec) -> BudgetSpec:
    """Return the budget of models on backbones of their own: none, as their decoders are not matched.

    Raises:
        InputError: a budget was given.
    """
    names = [each.name for each in fields(given) if getattr(given, each.name) not in (each.default, "none")]
    if names:
        raise InputError(
            f"--{names[0]} matches decoders on one backbone, and each model has its own; name one with --backbone, or leave "
            f"--{names[0]} out"
        )
    return replace(given, match="none")


def refuse_box(name: str) -> None:
    """Refuse the features in the package, which training end to end cannot read.

    Raises:
        InputError: always; says what the box holds and what to do.
    """
    require_pixels(load_dataset(DataSource(name)))


def fit_to_protocol(
    configs: Mapping[str, Config], spec: StudySpec, progress: Reporter
) -> tuple[dict[str, Config], dict[str, list[str]]]:
    """Return the configs as the protocol trains them, and the losses that were left out by model.

    Raises:
        InputError: a config has no loss that frozen features serve.
    """
    return (dict(configs), {}) if spec.protocol.end_to_end else fit_to_frozen_features(configs, progress)


def build_runner(spec: StudySpec, configs: Sequence[Mapping[str, Any]], progress: Reporter) -> Runner:
    """Return the runner of the spec's protocol on its backbone, with every stage that the configs read.

    Raises:
        ConfigError, CheckpointError: a backbone or weights that do not exist.
        InputError: several crops of whole images.
    """
    if not spec.protocol.end_to_end:
        return FrozenRunner.build(spec, configs, progress)
    from iqa_zoo.studies.end_to_end import EndToEndRunner  # imports mmengine, which only training end to end needs

    return EndToEndRunner.build(spec, configs, progress)
