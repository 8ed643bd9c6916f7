"""What the benchmark scripts that train decoders on frozen features share: options, progress, features, trainings."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import nn

from iqa_zoo.budgets import Budget, match_budget, measure_budget
from iqa_zoo.budgets.throughput import measure_backbone_speed
from iqa_zoo.budgets.training_time import estimate_step_seconds
from iqa_zoo.build import build_backbone, build_model
from iqa_zoo.cache import cache_folder
from iqa_zoo.commands.dataset_options import add_dataset_options, add_look_alikes_option, load_dataset
from iqa_zoo.commands.score import parse_crops
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.contracts import FeatureSpec, spec_of
from iqa_zoo.data.look_alikes import LookAlikes, group_look_alikes
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import some
from iqa_zoo.data.splits import Split, load_splits, make_splits
from iqa_zoo.engine.comparison import backbone_config
from iqa_zoo.errors import BudgetError, IqaZooError
from iqa_zoo.identity import (
    describe_origin,
    digest,
    find_part_modules,
    identify_code,
    identify_file,
    identify_images,
    identify_labels,
)
from iqa_zoo.randomness import seeded
from iqa_zoo.registry import BACKBONES
from iqa_zoo.reports.shared import format_number
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.frozen.features import FeatureBank, compute_bank_shapes
from iqa_zoo.training.frozen.trainings import ExtraTestSet, Training, train_many
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.selection import RULES
from iqa_zoo.training.workers import warm_up
from iqa_zoo.weights import split_key

Tick = Callable[[int, int], None]
Report = Callable[[str], Tick]
Record = dict[str, Any]
YARDSTICK = "linear_probe"
TRAININGS = "iqa_zoo.training.frozen.trainings"  # the module whose code, with that of the parts, trains
# Options that change no number: where results go, how many trainings run at a time and where, and what only stops or shows.
NO_NUMBERS = (
    "out",
    "json",
    "csv",
    "markdown",
    "html",
    "run",
    "jobs",
    "ray",
    "fresh",
    "max_cache_gb",
    "dry_run",
    "no_latency",
)
YARDSTICK_RATE = 10  # times the learning rate: one linear layer is far from its optimum after the same steps otherwise


class Bars:
    """Progress on stderr: a bar for each stage of the work, or, where nobody watches, a line now and then."""

    def __init__(self, console: Console):
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Report:
        self.progress.start()
        return self.report

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def report(self, text: str) -> Tick:
        task = self.progress.add_task(text, total=None)
        started = time.perf_counter()
        said = -1

        def tick(done: int, total: int) -> None:
            nonlocal said
            self.progress.update(task, completed=done, total=total)
            quarter = 4 * done // max(total, 1)
            if not self.console.is_terminal and quarter > said:
                said = quarter
                seconds = time.perf_counter() - started
                self.console.print(f"{text}: {done} of {total}, {seconds:.0f} s", highlight=False, soft_wrap=True)

        return tick


def add_data_options(what: argparse._ActionsContainer, default: str = "demo") -> None:
    """The dataset, ``--images`` and the splits."""
    add_dataset_options(what, "--data", default=default, also="--train")
    what.add_argument("--images", type=int, help="use only so many images, for a quick look")
    what.add_argument(
        "--splits", type=int, default=None, help="random 80/20 splits (default: 10; 5 for demo; 1 end to end)"
    )
    what.add_argument(
        "--split-file", type=parse_path, metavar="FILE", help="splits that iqa-zoo splits wrote, not random ones"
    )
    what.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="of the training part, held out of it to validate (default: 0.1; 0 with --selection last)",
    )
    add_look_alikes_option(what)


def add_backbone_options(what: argparse._ActionsContainer) -> None:
    """The one backbone that all decoders stand on."""
    what.add_argument(
        "--backbone",
        help="the one backbone of all decoders: nss, or a timm name (default: nss); own with --protocol end-to-end: each model's own",
    )
    what.add_argument(
        "--weights", type=parse_path, help="the backbone's weights, a .safetensors file or a plain state dict"
    )
    what.add_argument("--pretrained", action="store_true", help="fetch the backbone's ImageNet weights")


def add_weights_options(what: argparse._ActionsContainer) -> None:
    """The weights of several backbones, for :func:`check_weights`."""
    what.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_named_file,
        metavar="NAME=FILE",
        help="a backbone's weights, a .safetensors file or a plain state dict; may be given several times",
    )
    what.add_argument(
        "--pretrained",
        action="store_true",
        help="fetch the ImageNet weights of the backbones that --weights does not name",
    )


def _named_file(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE, for example resnet18=resnet18.safetensors")
    return name, Path(file)


def check_weights(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Make ``--weights`` a file by name; stop with a usage error where one is of no backbone or not there."""
    arguments.weights = dict(arguments.weights)
    for name, file in arguments.weights.items():
        if name not in arguments.backbones:
            parser.error(f"--weights {name}=...: not one of --backbones {' '.join(arguments.backbones)}")
        if not split_key(file)[0].is_file():
            parser.error(f"--weights {name}: there is no file {file}")


def add_match_options(what: argparse._ActionsContainer) -> None:
    """How decoders are brought to one budget, for :func:`match_all`."""
    what.add_argument(
        "--match", choices=("params", "macs", "none"), default="params", help="match decoders by (default: params)"
    )
    what.add_argument(
        "--budget",
        default="smallest",
        help="whose decoder sets the budget: a MODEL, or smallest (default: the smallest)",
    )


def add_training_options(how: argparse._ActionsContainer) -> None:
    """How decoders are trained on frozen features, and where."""
    how.add_argument(
        "--selection",
        choices=tuple(RULES),
        help="which epoch is reported (default: validation; last for demo, whose eleven contents are too few to hold one out)",
    )
    how.add_argument("--crops", type=parse_crops, default=None, help="frozen: crops an image (default: 4; 1 for demo)")
    how.add_argument("--epochs", type=int, default=FrozenRecipe.epochs, help="frozen (default: %(default)s)")
    how.add_argument("--batch-size", type=int, default=FrozenRecipe.batch_size, help="frozen (default: %(default)s)")
    how.add_argument(
        "--lr", type=float, default=FrozenRecipe.lr, help="frozen: peak learning rate (default: %(default)s)"
    )
    how.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="frozen: of matrix products (default: bfloat16 where the processor multiplies it natively)",
    )
    how.add_argument("--seed", type=int, default=0, help="of splits, crops and weights (default: %(default)s)")
    how.add_argument("--device", default=None, help="cpu, cuda or cuda:N (default: cuda where there is one)")
    how.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="frozen: trainings at a time, a process and a thread each; 1 is this process (default: %(default)s)",
    )
    how.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="frozen: train on a Ray cluster instead (auto, local, or ray://HOST:PORT), whose machines share this environment and "
        "the folder IQA_ZOO_CACHE",
    )
    how.add_argument(
        "--fresh",
        action="store_true",
        help="frozen: train again what was trained before, and keep the new results in its place",
    )
    how.add_argument(
        "--max-cache-gb", type=float, default=50.0, metavar="GB", help="do not start where the features need more disk"
    )
    how.add_argument("--dry-run", action="store_true", help="say what would be done and what it would cost, and stop")


def add_result_options(out: argparse._ActionsContainer) -> None:
    """Where results go."""
    out.add_argument(
        "--out",
        type=parse_path,
        metavar="RUN",
        help="the run folder, which --from reads (default: runs/ and what is compared)",
    )
    out.add_argument(
        "--json", type=parse_path, metavar="FILE", help="everything: configs, hashes, versions, splits, predictions"
    )
    out.add_argument("--csv", type=parse_path, metavar="FILE", help="one row a model and split")
    out.add_argument("--markdown", type=parse_path, metavar="FILE", help="the tables, to paste")
    out.add_argument(
        "--html",
        type=parse_path,
        metavar="FILE",
        help="everything as one page; with --from, give --data and --root again to have the images in it",
    )


def check_options(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Fill in defaults that hang on others; stop with a usage error before the work rather than after it."""
    for flag in ("splits", "epochs", "batch_size", "crops", "images", "jobs"):
        value = getattr(arguments, flag, None)
        if value is not None and value < 1:
            parser.error(f"--{flag.replace('_', '-')} is a positive number, got {value}")
    if arguments.selection is None:
        arguments.selection = "last" if arguments.data == "demo" else "validation"
    if arguments.validation_fraction is None:
        arguments.validation_fraction = 0.0 if arguments.selection == "last" else 0.1
    if arguments.backbone is None:
        arguments.backbone = "nss"


def load_data(arguments: argparse.Namespace, report: Report) -> RatedImages:
    data = load_dataset(arguments, report(f"reading {arguments.data}"))
    if arguments.images is not None and arguments.images < len(data):
        step = len(data) / arguments.images
        data = data.select(int(i * step) for i in range(arguments.images))
    if find_look_alikes(arguments):
        look_alikes(data, report(f"comparing the images of {data.name}"))
    return data


_LOOK_ALIKES: WeakKeyDictionary[RatedImages, LookAlikes] = WeakKeyDictionary()


def look_alikes(data: RatedImages, progress: Tick | None = None) -> LookAlikes:
    """The images of a study's dataset that look the same; found once in a study."""
    if data not in _LOOK_ALIKES:
        _LOOK_ALIKES[data] = group_look_alikes(data, progress)
    return _LOOK_ALIKES[data]


def describe_look_alikes(arguments: argparse.Namespace, data: RatedImages) -> dict[str, Any]:
    """The pairs of images that look the same, for the results of a study that compared them."""
    return {"look_alikes": look_alikes(data).pairs} if find_look_alikes(arguments) else {}


def find_look_alikes(arguments: argparse.Namespace) -> bool:
    """Whether a study makes its splits itself, and keeps images that look the same in one part."""
    makes_splits = "split_file" in arguments and not arguments.split_file
    return makes_splits and not arguments.ignore_look_alikes


def splits_of(arguments: argparse.Namespace, data: RatedImages, usual: int | None = None) -> list[Split]:
    """The splits that serve every model.

    Raises:
        IqaZooError: a test part that is too small, or no validation part where the selection reads one.
    """
    if arguments.split_file:
        splits = load_splits(arguments.split_file, data)[: arguments.splits]
    else:
        count = arguments.splits or usual or (5 if arguments.data == "demo" else 10)
        splits = make_splits(
            data,
            count,
            seed=arguments.seed,
            validation_fraction=arguments.validation_fraction,
            groups=look_alikes(data).groups if find_look_alikes(arguments) else None,
        )
    smallest = min(len(split.test) for split in splits)
    if smallest < 5:
        raise IqaZooError(
            f"{data.name}: a test part of {smallest} images is too small for a correlation; use at least 30 images"
        )
    fewest = min(len(split.validation) for split in splits)
    if fewest < 5 and arguments.selection == "validation":
        raise IqaZooError(
            f"{data.name}: a validation part of {fewest} images is too small to select an epoch by; raise "
            "--validation-fraction, or use --selection last"
        )
    return splits


def weights_in_words(arguments: argparse.Namespace) -> str:
    if isinstance(arguments.weights, Path):
        return f"weights from {name_weights(arguments.weights)}"
    if arguments.weights:
        return "weights of " + ", ".join(
            f"{name} from {name_weights(file)}" for name, file in arguments.weights.items()
        )
    if arguments.pretrained:
        return "ImageNet weights"
    return f"random weights (seed {arguments.seed})" if needs_weights(arguments.backbone) else "no weights to load"


def name_weights(weights: Path) -> str:
    """The name of a file of weights and the start of its SHA-256, by which a reader can tell whether it is the same file."""
    return f"{weights.name} (SHA-256 {identify_file(split_key(weights)[0])[:12]})"


def needs_weights(backbone: str) -> bool:
    """Whether a backbone, registered or timm's, has weights, which are random where none are loaded."""
    if backbone not in BACKBONES.names() or backbone == "timm_features":
        return True
    with torch.device("meta"):
        return any(True for _ in build_backbone({"backbone": dict(type=backbone)}).parameters())


def crops_wanted(arguments: argparse.Namespace) -> int:
    return arguments.crops or (1 if arguments.data == "demo" else 4)


def recipe_wanted(arguments: argparse.Namespace) -> FrozenRecipe:
    recipe = FrozenRecipe(
        epochs=arguments.epochs, batch_size=arguments.batch_size, lr=arguments.lr, precision=arguments.precision
    )
    return recipe.on(select_device(arguments.device))


@dataclass
class Bench:
    """One backbone that serves many decoders, and its features of a dataset, computed when they are first needed."""

    arguments: argparse.Namespace
    report: Report
    console: Console
    backbone: nn.Module
    config: Config
    banks: dict[RatedImages, FeatureBank] = field(default_factory=dict)  # two datasets may share their name
    enlarged: dict[RatedImages, list[str]] = field(default_factory=dict)  # names of the images that were too small

    @classmethod
    def of(
        cls, arguments: argparse.Namespace, configs: Sequence[Mapping[str, Any]], report: Report, console: Console
    ) -> Bench:
        """The backbone that the arguments name, with every stage that the configs read; what it draws depends on ``--seed``.

        Raises:
            ConfigError, CheckpointError: no such backbone, or no such weights.
        """
        config = backbone_config(arguments.backbone, configs)
        placed = {**configs[0], "backbone": config}
        for cfg in configs:  # known from here on: an edit while features are computed is an edit after the import
            identify_code([TRAININGS], find_part_modules(resolve_config(cfg)))
        with seeded(arguments.seed):
            carrier = build_model(placed, pretrained=arguments.pretrained, weights=arguments.weights)
        return cls(arguments, report, console, carrier.backbone, carrier.config["backbone"])

    @property
    def spec(self) -> FeatureSpec:
        return spec_of(self.backbone)

    def placed(self, cfg: Mapping[str, Any]) -> Config:
        """A config on this backbone."""
        return {**cfg, "backbone": self.config}

    def bank(self, data: RatedImages) -> FeatureBank:
        """The features of a dataset's crops, from the cache or computed.

        Raises:
            IqaZooError: they need more disk than ``--max-cache-gb``.
        """
        if data not in self.banks:
            crops = crops_wanted(self.arguments)
            size = 2 * feature_values(self.spec, len(data), crops) / 1e9
            if size > self.arguments.max_cache_gb:
                raise IqaZooError(
                    f"the features of {data.name} need {size:.1f} GB in {cache_folder()}, more than --max-cache-gb "
                    f"{self.arguments.max_cache_gb:g}; raise it, or use fewer --crops"
                )
            side = self.spec.image_size
            small = self.enlarged[data] = check_images(data, range(len(data)), side)
            if small:
                self.say(
                    f"{len(small)} of {len(data)} images of {data.name} are enlarged to {side} pixels: {some(small)}"
                )
            bank = extract_features(
                self.backbone.to(select_device(self.arguments.device)),
                self.config,
                data,
                crops=crops,
                seed=self.arguments.seed,
                progress=self.report(f"features of {data.name}"),
            )
            if bank.from_cache:
                self.say(f"features of {data.name}: from the cache")
            self.banks[data] = bank
        return self.banks[data]

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def train(
        self,
        models: Mapping[str, Mapping[str, Any]],
        data: RatedImages,
        splits: Sequence[Split],
        *,
        every_rule: bool = False,
        elsewhere: Mapping[str, RatedImages] | None = None,
        words: str = "training",
    ) -> list[Record]:
        """Train every model on every split and return the records, split by split; those that failed have an ``error``."""
        trainings = [
            self.training(name, cfg, split, number, every_rule=every_rule)
            for number, split in enumerate(splits)
            for name, cfg in models.items()
        ]
        return self.run(trainings, data, list(models), splits, elsewhere=elsewhere, words=words)

    def training(
        self,
        model: str,
        cfg: Mapping[str, Any],
        split: Split,
        number: int,
        *,
        every_rule: bool = False,
        epochs: int | None = None,
    ) -> Training:
        """One training as the arguments ask for it, on the split of this number; ``epochs`` in the place of theirs."""
        arguments, recipe = self.arguments, recipe_wanted(self.arguments)
        if model == YARDSTICK:
            recipe = replace(recipe, lr=YARDSTICK_RATE * recipe.lr)
        if epochs is not None:
            recipe = replace(recipe, epochs=epochs)
        device = str(select_device(arguments.device))
        seed = arguments.seed + number
        return Training(model, dict(cfg), split, recipe, seed, arguments.selection, every_rule, device)

    def run(
        self,
        trainings: Sequence[Training],
        data: RatedImages,
        models: Sequence[str],
        splits: Sequence[Split],
        *,
        elsewhere: Mapping[str, RatedImages] | None = None,
        words: str = "training",
    ) -> list[Record]:
        """The records of trainings that stand in order split by split, and within a split model by model."""
        arguments = self.arguments
        if not arguments.ray:
            warm_up(min(arguments.jobs, len(trainings)))  # while features are computed, or read
        others = {name: ExtraTestSet(other, self.bank(other)) for name, other in (elsewhere or {}).items()}
        jobs = min(arguments.jobs, len(trainings))
        records = train_many(
            trainings,
            self.bank(data),
            data,
            cache_folder(),
            others,
            fresh=arguments.fresh,
            jobs=jobs,
            ray=arguments.ray,
            notify=self.say,
        )
        where = "on Ray" if arguments.ray else f"{jobs} at a time"
        tick = self.report(f"{words}, {where}")
        return gather(records, models, splits, tick, self.console, fresh=arguments.fresh)

    def feature_cost(self, data: RatedImages) -> float:
        """Print the time, guessed from a timed batch, and the disk that the features take; return the seconds."""
        crops = crops_wanted(self.arguments)
        values = feature_values(self.spec, len(data), crops)
        seconds = crops * len(data) / measure_backbone_speed(self.backbone)
        self.console.print(
            f"features: {crops * len(data)} crops, {2 * values / 1e9:.2f} GB in {cache_folder()}, about {seconds:.0f} s "
            "unless they are there",
            highlight=False,
            soft_wrap=True,
        )
        return seconds

    def say_cost(
        self, models: Mapping[str, Mapping[str, Any]], data: RatedImages, count: int, every_rule: bool = False
    ) -> None:
        """Print what features and trainings will cost. The times are guesses, from a batch and a few training steps."""
        self.feature_cost(data)
        arguments, recipe = self.arguments, recipe_wanted(self.arguments)
        device = str(select_device(arguments.device))
        macs = [measure_budget(dict(cfg)).decoder.macs for cfg in models.values()]
        step = estimate_step_seconds(list(models.values()), macs, recipe, device)
        # A backward pass costs two forward ones; validation, and with every_rule the test part, is measured now and then.
        measured = crops_wanted(arguments) * (0.3 if every_rule else 0.1) * min(recipe.epochs, recipe.measurements) / 3
        images = len(data) * (0.8 * recipe.epochs + measured) * count
        seconds = step * images / recipe.batch_size / min(arguments.jobs, len(models) * count)
        self.console.print(
            f"training: {len(models)} decoders x {count} splits x {recipe.epochs} epochs, {3 * sum(macs) * images / 1e12:.1f} T MACs, "
            f"about {seconds:.0f} s unless they were trained before",
            highlight=False,
            soft_wrap=True,
        )


def feature_values(spec: FeatureSpec, images: int, crops: int) -> int:
    """How many numbers a bank holds."""
    return sum(torch.Size(shape).numel() for shape in compute_bank_shapes(spec, images, crops).values())


def gather(
    records: Iterator[tuple[int, Record]],
    models: Sequence[str],
    splits: Sequence[Split],
    tick: Tick,
    console: Console,
    *,
    fresh: bool = False,
) -> list[Record]:
    """All records in order, with progress, a line when a split is done by every model, and one for each that failed."""
    done: dict[int, Record] = {}
    total = len(models) * len(splits)
    with _saying_what_is_kept(done, total, fresh=fresh):
        for i, record in records:
            done[i] = record
            tick(len(done), total)
            if "error" in record:
                console.print(
                    f"{record['model']} on split {record['split']} failed: {record['error']}",
                    style="red",
                    markup=False,
                    highlight=False,
                )
            number, first = i // len(models), i // len(models) * len(models)
            row = [done.get(first + k) for k in range(len(models))]
            if all(row) and len(models) <= 6:
                told = (
                    f"{r['model']} {format_number(r['srocc'])}" if "srocc" in r else f"{r['model']} failed"
                    for r in row
                    if r
                )
                console.print(
                    f"split {number + 1} ({splits[number].id}): SROCC {', '.join(told)}", style="dim", highlight=False
                )
    return [done[i] for i in range(total)]


@contextmanager
def _saying_what_is_kept(done: Mapping[int, Record], total: int, *, fresh: bool) -> Iterator[None]:
    """Around trainings: an interrupt gets the message how many are kept and how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        count = sum("error" not in record for record in done.values())
        command = "the same command without --fresh" if fresh else "the same command"
        interrupt.args = (f"{count} of {total} trainings are kept; {command} goes on from there",)
        raise


def succeeded(records: Sequence[Record]) -> list[Record]:
    """The records of trainings that did not fail.

    Raises:
        IqaZooError: all failed; says why the first did.
    """
    good = [record for record in records if "error" not in record]
    if records and not good:
        raise IqaZooError(
            f"every training failed, the first with: {records[0]['error']}\n{records[0]['trace']}".strip()
        )
    return good


def conditions(
    arguments: argparse.Namespace, data: RatedImages, splits: Sequence[Split], left_out: Mapping[str, list[str]]
) -> dict[str, Any]:
    """What a reader must know about any study's numbers, for its results; ``left_out`` is of :func:`for_frozen_features`."""
    recipe = recipe_wanted(arguments)
    split = splits[0]
    return {
        "command": [Path(sys.argv[0]).name, *(Path(word).name if "/" in word else word for word in sys.argv[1:])],
        **describe_origin([TRAININGS]),
        "threads": torch.get_num_threads(),
        "protocol": "frozen",
        "backbone": arguments.backbone,
        "weights": weights_in_words(arguments),
        "data": {**describe_data(data), **describe_look_alikes(arguments, data)},
        "selection": arguments.selection,
        "parts": {part: len(getattr(split, part)) for part in ("train", "validation", "test")},
        "splits": [split.id for split in splits],
        "recipe": asdict(recipe),
        "yardstick_lr": YARDSTICK_RATE * recipe.lr,
        "crops": crops_wanted(arguments),
        "losses_left_out": dict(left_out),
    }


def cache_use(records: Sequence[Record], *benches: Bench) -> Record:
    """What of a study comes from the cache, and how many images were enlarged, for its results and the notes of its tables."""
    banks = [bank for bench in benches for bank in bench.banks.values()]
    return {
        "from_cache": {
            "trainings": sum(bool(record.get("resumed")) for record in records),
            "of": sum("resumed" in record for record in records),
            "features": sum(bank.from_cache for bank in banks),
            "of_features": len(banks),
        },
        "enlarged": {data.name: len(small) for bench in benches for data, small in bench.enlarged.items() if small},
    }


def distinct_name(name: str, taken: Container[str]) -> str:
    """The name of a dataset beside others: with a number where it is taken.

    >>> distinct_name("set", ["set", "set-2"])
    'set-3'
    """
    numbered = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in numbered if each not in taken)


def describe_data(data: RatedImages) -> dict[str, Any]:
    return {
        "name": data.name,
        "images": len(data),
        "contents": len(set(data.contents)),
        "label": data.label,
        "higher_is_better": data.higher_is_better,
        "identity": {"images": identify_images(data), "labels": identify_labels(data)},
        "mos": {name: float(mos) for name, mos in zip(data.names, data.mos, strict=True)},
    }


def parts_ratio(split: Split) -> float:
    """Test images a training image, for intervals that know that splits overlap."""
    return len(split.test) / len(split.train)


def matched_to(cfg: Config, to: Any, **options: Any) -> tuple[Config, Budget] | str:
    """``match_budget``'s answer, or, where no setting of the knobs meets the budget, the reason."""
    try:
        return match_budget(cfg, to, **options)
    except BudgetError as error:
        return str(error)


def label_of(name: str) -> str:
    """How tables call a model: its zoo name, or its file's."""
    return Path(name).stem if Path(name).suffix else name


def check_models(parser: argparse.ArgumentParser, models: Sequence[str]) -> None:
    """Stop with a usage error where tables could not tell two models apart, or a file is called as the yardstick."""
    by_label: dict[str, str] = {}
    for name in models:
        label = label_of(name)
        if name in by_label.values():
            parser.error(f"a model is named twice: {name}")
        if label in by_label:
            parser.error(f"{by_label[label]} and {name} are both called {label!r} in the tables; rename one file")
        if label == YARDSTICK and name != YARDSTICK:
            parser.error(
                f"{name} has the name of the yardstick, {YARDSTICK}, which is trained in its own way; rename the file"
            )
        by_label[label] = name


def load_models(names: Sequence[str]) -> tuple[dict[str, Config], list[str]]:
    """The configs of models by their labels, checked, with the yardstick as the last; and the labels without it.

    Raises:
        UnknownName, ConfigError: no such model, or a config with problems.
    """
    configs = {label_of(name): load_config(name) for name in names}
    compared = list(configs)
    if YARDSTICK not in configs:
        configs[YARDSTICK] = load_config(YARDSTICK)
    for cfg in configs.values():
        resolve_config(cfg)
    return configs, compared


@dataclass(frozen=True)
class Matched:
    """Decoders at one budget: their configs and what each costs, whose budget it is in words, and of each that no setting
    of its knobs brings there, and that is compared as it is, the reason."""

    configs: dict[str, Config]
    budgets: dict[str, Budget]
    target: str = ""
    unmatched: dict[str, str] = field(default_factory=dict)

    def results(self) -> Record:
        """What was trained, for the results."""
        rows = [
            {
                "model": name,
                "config": resolve_config(cfg),
                "hash": config_hash(cfg),
                "budget": self.budgets[name].to_dict(),
                "unmatched": self.unmatched.get(name),
            }
            for name, cfg in self.configs.items()
        ]
        return {"target": self.target, "matched": rows}


def for_frozen_features(
    configs: Mapping[str, Config], console: Console
) -> tuple[dict[str, Config], dict[str, list[str]]]:
    """The configs as they can be trained on features, and the losses that some leave out for it, which is said.

    Raises:
        InputError: a config has no loss that needs no mirrored image.
    """
    placed = {name: drop_mirrored_losses(cfg) for name, cfg in configs.items()}
    left_out = {name: losses for name, (_, losses) in placed.items() if losses}
    for name, losses in left_out.items():
        console.print(
            f"{name} is trained without {', '.join(losses)}: frozen features hold no mirrored image",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    return {name: cfg for name, (cfg, _) in placed.items()}, left_out


def match_all(
    placed: dict[str, Config], compared: list[str], arguments: argparse.Namespace, report: Report, console: Console
) -> Matched:
    """The decoders on the one backbone, matched to the budget; the yardstick stays as it is, and so does, with a line that
    says so, a decoder that cannot be brought there."""
    tick = report("matching budgets")
    budgets = {}
    for i, (name, cfg) in enumerate(placed.items()):
        budgets[name] = measure_budget(cfg)
        tick(i, 2 * len(placed))
    if arguments.match == "none":
        tick(1, 1)
        return Matched(placed, budgets)
    sizes = {name: getattr(budgets[name].decoder, arguments.match) for name in compared if name != YARDSTICK}
    if arguments.budget == "smallest":
        owner = min(sizes, key=sizes.__getitem__) if sizes else YARDSTICK
    elif arguments.budget in sizes:
        owner = arguments.budget
    else:
        raise BudgetError(f"--budget {arguments.budget!r} is not one of the models: {', '.join(sizes)}, or smallest")
    matched, unmatched = dict(placed), {}
    for i, name in enumerate(sizes):
        if name != owner:
            try:
                matched[name], budgets[name] = match_budget(
                    placed[name], placed[owner], by=arguments.match, scope="decoder"
                )
            except BudgetError as error:
                unmatched[name] = str(error)
                told = f"{name} cannot be brought to {owner}'s budget and is compared as it is: {error}"
                console.print(told, style="yellow", markup=False, highlight=False)
        tick(len(placed) + i, 2 * len(placed))
    tick(1, 1)
    return Matched(matched, budgets, f"{owner}'s decoder", unmatched)


def run_folder(arguments: argparse.Namespace, *names: str) -> Path:
    """Where a study is kept unless told: named by what it is of and a hash of all options that change its numbers."""
    asked = {key: str(value) for key, value in vars(arguments).items() if key not in NO_NUMBERS}
    if "device" in asked:
        asked["device"] = select_device(arguments.device).type  # how many there are, and which, changes nothing
    return Path("runs") / "-".join([*names, arguments.data, digest(asked)[:8]])
