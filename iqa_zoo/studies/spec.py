"""What a study is to do, as frozen dataclasses. Each field is an option of the command line and a keyword of the Python call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from iqa_zoo.config import Config, load_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.errors import InputError
from iqa_zoo.identity import digest
from iqa_zoo.studies.protocol_spec import OWN, ProtocolSpec
from iqa_zoo.studies.settings import collect_numbers, parse_pair, setting
from iqa_zoo.training.recipe import FrozenRecipe

BASELINE = "ridge_baseline"  # fitted beside the compared decoders and never matched to a budget
BOXED = "livec"  # the dataset whose features come with the package
MOST_NAMES = 4  # in the name of a run folder


@dataclass(frozen=True)
class DataSpec:
    """The rated images of a study, and how they are split."""

    data: str = setting(BOXED, "a dataset, as iqa-zoo data list shows them", metavar="NAME", also=("--train",))
    root: Path | None = setting(
        None,
        "the folder with the dataset; demo needs none, and livec without it is the features in the package",
        metavar="PATH",
    )
    option: tuple[tuple[str, Any], ...] = setting(
        (),
        "options of the dataset itself, for example labels=scores.csv image=filename mos=score, higher_is_better=false",
        metavar="KEY=VALUE",
        parse=parse_pair,
    )
    skip_unreadable: bool = setting(False, "leave out images that cannot be decoded, and name them")
    images: int | None = setting(None, "use only so many images, for a quick check", metavar="N")
    splits: int | None = setting(
        None, "random 80/20 splits (default: 10; 5 for demo and swap; 1 end to end)", metavar="N"
    )
    split_file: Path | None = setting(
        None, "splits that iqa-zoo splits wrote (or of ARNIQA, LIQE, pyiqa), instead of random ones", metavar="FILE"
    )
    validation_fraction: float | None = setting(
        None, "share of the training part that validates (default: 0.1; 0 with --selection last)", metavar="SHARE"
    )
    ignore_look_alikes: bool = setting(
        False, "do not compare the images: those that look the same may be in different parts of a split"
    )

    @property
    def boxed(self) -> bool:
        """Whether the images are the features in the package."""
        return self.data == BOXED and self.root is None

    @property
    def boxed_stages(self) -> tuple[int, ...] | None:
        """The only stages that there are features of; None where images are read."""
        if not self.boxed:
            return None
        from iqa_zoo.data.boxed import find_named_box

        return find_named_box(self.data).stages

    @property
    def groups_look_alikes(self) -> bool:
        """Whether the study makes its own splits and keeps images that look the same in one part."""
        return self.split_file is None and not self.ignore_look_alikes


@dataclass(frozen=True)
class BackboneSpec:
    """The one backbone of all decoders."""

    backbone: str | None = setting(
        None,
        "the one backbone of all decoders: nss, or a timm name (default: nss; that of the features in the package for "
        "livec without --root; own end to end); own with --protocol end-to-end: each model's own",
        metavar="NAME",
    )
    weights: Path | None = setting(
        None, "the backbone's weights, a .safetensors file or a plain state dict", metavar="FILE"
    )
    pretrained: bool = setting(False, "load the backbone's ImageNet weights, from a package or the model hub")


@dataclass(frozen=True)
class BudgetSpec:
    """How decoders are brought to one budget."""

    match: Literal["params", "macs", "none"] = setting("params", "match decoders by")
    budget: str | None = setting(
        None,
        "size of every decoder: a NUMBER of parameters or MACs, the MODEL that has it, or smallest (default: smallest; "
        "ablate: as the model is; swap: 1,000,000 parameters or 20,000,000 MACs)",
        metavar="MODEL|NUMBER|smallest",
    )


@dataclass(frozen=True)
class TrainingSpec:
    """How decoders are trained on frozen features."""

    selection: Literal["validation", "last", "test-oracle"] | None = setting(
        None, "which epoch is reported (default: validation; last for demo, which has too few contents to hold one out)"
    )
    view: Literal["auto", "whole", "crops"] = setting(
        "auto",
        "frozen: features of the whole of each image, or of crops; auto is whole where the backbone is convolutional, takes "
        "any size, and --crops is not given",
    )
    crops: int | None = setting(None, "frozen: crops per image (default: 4; 1 for demo)", metavar="N")
    epochs: int = setting(FrozenRecipe.epochs, "frozen", metavar="N")
    batch_size: int = setting(FrozenRecipe.batch_size, "frozen", metavar="N")
    lr: float = setting(FrozenRecipe.lr, "frozen: peak learning rate", metavar="RATE")
    precision: Literal["auto", "float32", "bfloat16"] = setting(
        "auto",
        "frozen: of matrix products and convolutions, in the backbone that computes the features and in the decoders; auto is "
        "bfloat16 where the processor multiplies it natively; the features of a box are float32 whatever it is",
    )
    seed: int = setting(0, "of splits, crops and weights", metavar="N")
    tune: int | None = setting(
        None,
        "frozen: trials of learning rate, weight decay, dropout and epochs of every decoder, the same for all, judged on a "
        "validation part inside the training part of each split; the first trial is the default recipe",
        metavar="N",
    )
    tune_once: bool = setting(False, "tune on the training part of the first split only")


@dataclass(frozen=True)
class StatisticsSpec:
    """How the differences of models are judged.

    Raises:
        InputError: a margin that is not above 0 and at most 1.
    """

    margin: float = setting(
        0.01, "SROCC differences below it count as equivalent; above 0, at most 1", metavar="DIFFERENCE"
    )

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1:
            raise InputError(f"--margin {self.margin:g} must be above 0 and at most 1; the default is 0.01 SROCC")


@dataclass(frozen=True)
class ResourceSpec:
    """Where a study runs. Nothing here changes its numbers but the kind of the device."""

    device: str | None = setting(
        None, "cpu, cuda or cuda:N (default: cuda where there is one)", numbers=False, metavar="NAME"
    )
    jobs: int = setting(
        os.cpu_count() or 1,
        "frozen: trainings at a time, one process and thread each; 1 is this process",
        numbers=False,
        metavar="N",
    )
    ray: str | None = setting(
        None,
        "frozen: train on a Ray cluster (auto, local, or ray://HOST:PORT), whose machines share this environment and IQA_ZOO_CACHE",
        numbers=False,
        metavar="ADDRESS",
    )
    slurm: str | None = setting(
        None,
        "frozen: train as jobs of Slurm, one a training, by submitit: auto, settings of sbatch such as partition=cpu,time=60, or "
        "local for processes of this machine; the machines share this environment and IQA_ZOO_CACHE",
        numbers=False,
        metavar="SETTINGS",
    )
    fresh: bool = setting(False, "train again what was trained before, and keep the new results", numbers=False)
    max_cache_gb: float = setting(50.0, "do not start where the features need more disk", numbers=False, metavar="GB")
    out: Path | None = setting(
        None,
        "the run folder, which --from reads (default: in runs/, named by what is studied)",
        numbers=False,
        metavar="FOLDER",
    )
    dry_run: bool = setting(False, "print what would be done and what it would cost, and stop", numbers=False)


@dataclass(frozen=True)
class NoOptions:
    """The options of a study that has none of its own."""


@dataclass(frozen=True)
class StudySpec:
    """Everything that a study is to do.

    Attributes:
        study: its registered name.
        models: what is compared, by label: zoo names, config files or configs.
    """

    study: str
    models: Mapping[str, str | Config]
    data: DataSpec = field(default_factory=DataSpec)
    backbone: BackboneSpec = field(default_factory=BackboneSpec)
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    protocol: ProtocolSpec = field(default_factory=ProtocolSpec)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    statistics: StatisticsSpec = field(default_factory=StatisticsSpec)
    resources: ResourceSpec = field(default_factory=ResourceSpec)
    options: Any = field(default_factory=NoOptions)

    def complete(self) -> Self:
        """Return the spec with the defaults that depend on other values."""
        demo = self.data.data == "demo"
        selection = self.training.selection or ("last" if demo else "validation")
        fraction = self.data.validation_fraction
        if fraction is None:
            fraction = 0.0 if selection == "last" else 0.1
        backbone = self._complete_backbone()
        return replace(
            self,
            data=replace(self.data, validation_fraction=fraction),
            training=replace(self._complete_view(backbone.backbone), selection=selection),
            backbone=backbone,
            protocol=self.protocol if self.protocol.end_to_end else ProtocolSpec(),  # no recipe is read
        )

    def _complete_backbone(self) -> BackboneSpec:
        given = self.backbone
        if given.backbone is not None:
            return given
        if not self.data.boxed or given.weights is not None:
            return replace(given, backbone="nss")
        from iqa_zoo.data.boxed import find_named_box

        return BackboneSpec(find_named_box(self.data.data).backbone["name"], None, pretrained=True)

    @property
    def usual_crops(self) -> int:
        """Crops per image where they are not given."""
        return 1 if self.data.data == "demo" else 4

    def _complete_view(self, backbone: str | None) -> TrainingSpec:
        """Return the training with its view and crops; several backbones, named by commas, decide one by one."""
        given = self.training
        if "," in (backbone or ""):
            return given
        view = given.view
        if view == "auto":
            from iqa_zoo.backbones.timm_cells import is_convolutional

            view = "whole" if given.crops is None and is_convolutional(backbone or "") else "crops"
        return replace(given, view=view, crops=given.crops or (1 if view == "whole" else self.usual_crops))

    def on_data(self, name: str) -> Self:
        """Return the same spec for a dataset of this name."""
        return replace(self, data=replace(self.data, data=name))

    def on_backbone(self, name: str, weights: Path | None = None, pretrained: bool = False) -> Self:
        """Return the same spec for one backbone."""
        return replace(self, backbone=BackboneSpec(name, weights, pretrained)).complete()

    def load_models(self) -> dict[str, Config]:
        """Return the configs by label.

        Raises:
            UnknownName, ConfigError: a model that does not exist, or a config with problems.
        """
        return {label: load_config(source) for label, source in self.models.items()}

    def identity(self) -> str:
        """Return 16 hexadecimal digits that change with every value that changes numbers, and with no other."""
        from iqa_zoo.training.devices import select_device

        spec = self.complete()
        models = {label: config_hash(cfg) for label, cfg in spec.load_models().items()}
        read = (group for group in _groups(spec) if group != ProtocolSpec())  # as before there were two protocols
        groups: list[Any] = [collect_numbers(group) for group in read]
        if spec.backbone.backbone == OWN and len(models) > 1:
            groups.append(list(models))  # the baseline is fitted on the backbone of the first
        return digest(spec.study, models, groups, select_device(spec.resources.device).type)

    def folder(self) -> Path:
        """Return the default run folder: ``runs/`` and a name made of the study, its models, its data and the identity."""
        names = [*self.models] or list(getattr(self.options, "backbones", ()))
        more = [f"and-{len(names) - MOST_NAMES}-more"] if len(names) > MOST_NAMES else []
        study = self.study.replace("_", "-")
        return Path("runs") / "-".join([study, *names[:MOST_NAMES], *more, self.data.data, self.identity()[:8]])

    def to_dict(self) -> dict[str, Any]:
        """Return every value that changes numbers, by name, as JSON takes it; paths by their last part."""
        values = {key: value for group in _groups(self) for key, value in collect_numbers(group, short=True).items()}
        models = {label: source if isinstance(source, str) else "config" for label, source in self.models.items()}
        return {"study": self.study, "models": {k: Path(v).name for k, v in models.items()}, **values}


def _groups(spec: StudySpec) -> list[Any]:
    return [value for each in fields(spec) if is_dataclass(value := getattr(spec, each.name))]
