"""Compare models: as published, at a matched decoder budget, and by their measured quality.

python benchmarks/compare.py lifeiqa deiqt
python benchmarks/compare.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/compare.py lifeiqa deiqt --train livec --root ChallengeDB_release --test koniq10k --test-root KonIQ ...
python benchmarks/compare.py lifeiqa deiqt --protocol end-to-end --backbone resnet18 --pretrained --data livec --root ...
python benchmarks/compare.py --from runs/lifeiqa-deiqt-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from iqa_zoo.budgets import Budget, match_budget, measure_budget
from iqa_zoo.build import build_model
from iqa_zoo.cache import cache_folder
from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset
from iqa_zoo.commands.shared import add_set_option
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, load_splits, make_splits
from iqa_zoo.engine.comparison import (
    Elsewhere,
    Training,
    backbone_config,
    differences,
    summarise,
    summarise_rules,
    train_many,
)
from iqa_zoo.engine.devices import torch_device
from iqa_zoo.engine.features import FeatureBank, bank_shapes, extract_features
from iqa_zoo.engine.frozen import FrozenRecipe
from iqa_zoo.engine.latency import measure_speed
from iqa_zoo.engine.provenance import source_hash, versions
from iqa_zoo.engine.recipe import Recipe, list_recipes, load_recipe
from iqa_zoo.engine.selection import RULES
from iqa_zoo.errors import BudgetError, IqaZooError
from iqa_zoo.registry import BACKBONES
from iqa_zoo.reports.cards import load_cards, published
from iqa_zoo.reports.comparison import comparison_tables, verdict

YARDSTICK = "linear_probe"
YARDSTICK_RATE = 10  # times the learning rate: one linear layer is far from its optimum after the same steps otherwise
CARDS = Path(__file__).resolve().parent.parent / "model_cards"
OWN = "own"  # each model on its own backbone
Report = Callable[[str], Callable[[int, int], None]]


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    console = Console(stderr=True)
    try:
        if arguments.run is not None:
            show(read_run(arguments.run), arguments)
            return 0
        results = compare(arguments, console)
    except IqaZooError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False)
        return 2
    if results is None:
        return 0
    write_run(results, arguments.out or run_folder(arguments), console)
    show(results, arguments)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="zoo names or config files (.yaml, .json)")
    parser.add_argument("--from", dest="run", type=Path, metavar="RUN", help="print a run folder again; trains nothing")
    what = parser.add_argument_group("what is compared")
    add_dataset_options(what, "--data", default="demo", also="--train")
    what.add_argument(
        "--test", action="append", default=[], metavar="NAME", help="test on all images of this dataset as well"
    )
    what.add_argument(
        "--test-root",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="where it lies, in the order of --test",
    )
    what.add_argument(
        "--backbone",
        help="the one backbone of (b) and (c): nss, or a timm name (default: nss), or, end to end, own (the default there): each "
        "model's own",
    )
    what.add_argument("--weights", type=Path, help="the backbone's weights, a .safetensors file or a plain state dict")
    what.add_argument("--pretrained", action="store_true", help="fetch the backbone's ImageNet weights")
    what.add_argument(
        "--match", choices=("params", "macs", "none"), default="params", help="match decoders by (default: params)"
    )
    what.add_argument(
        "--budget",
        default="smallest",
        help="whose decoder sets the budget: a MODEL, or smallest (default: the smallest)",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocol",
        choices=("frozen", "end-to-end"),
        default="frozen",
        help="decoders on frozen features, or whole models (default: frozen)",
    )
    how.add_argument(
        "--selection",
        choices=tuple(RULES),
        help="which epoch is reported (default: validation; frozen: last, as the schedule of a decoder has a fixed end, and all of the "
        "80 %% train)",
    )
    how.add_argument(
        "--splits", type=int, default=None, help="random 80/20 splits (default: 10; 5 for demo; 1 end to end)"
    )
    how.add_argument(
        "--split-file", type=Path, metavar="FILE", help="splits that iqa-zoo splits wrote, not random ones"
    )
    how.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="of the training part, held out of it to validate (default: 0.1; 0 with --selection last)",
    )
    how.add_argument("--crops", type=int, default=None, help="frozen: crops an image (default: 4; 1 for demo)")
    how.add_argument("--epochs", type=int, default=FrozenRecipe.epochs, help="frozen (default: %(default)s)")
    how.add_argument("--batch-size", type=int, default=FrozenRecipe.batch_size, help="frozen (default: %(default)s)")
    how.add_argument(
        "--lr", type=float, default=FrozenRecipe.lr, help="frozen: peak learning rate (default: %(default)s)"
    )
    how.add_argument(
        "--recipe",
        default="quick",
        metavar="NAME|FILE",
        help=f"end to end: {', '.join(list_recipes())} (default: quick)",
    )
    add_set_option(how, "--recipe-set", "replace values of the recipe, for example epochs=3 backbone_lr=1e-5")
    how.add_argument("--seed", type=int, default=0, help="of splits, crops and weights (default: %(default)s)")
    how.add_argument("--device", default=None, help="cpu, cuda or cuda:N (default: cuda where there is one)")
    how.add_argument(
        "--jobs",
        type=int,
        default=torch.get_num_threads(),
        help="frozen: trainings at a time, one thread each (default: %(default)s)",
    )
    how.add_argument("--images", type=int, help="use only so many images, for a quick look")
    how.add_argument("--no-train", action="store_true", help="stop after the budgets")
    how.add_argument("--no-latency", action="store_true", help="do not time the published models")
    how.add_argument("--fresh", action="store_true", help="frozen: train again what was trained before")
    how.add_argument("--dry-run", action="store_true", help="say what would be done and what it would cost, and stop")
    out = parser.add_argument_group("results")
    out.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="the run folder, which --from reads (default: runs/ and what is compared)",
    )
    out.add_argument(
        "--json", type=Path, metavar="FILE", help="everything: configs, hashes, versions, splits, predictions"
    )
    out.add_argument("--csv", type=Path, metavar="FILE", help="one row a model and split")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="the tables, to paste")
    arguments = parser.parse_args(argv)
    if not arguments.models and arguments.run is None:
        parser.error("name the models to compare, for example lifeiqa deiqt, or --from RUN")
    if len(set(arguments.models)) < len(arguments.models):
        parser.error("a model is named twice")
    if len(arguments.test) != len(arguments.test_root):
        parser.error(f"{len(arguments.test)} --test and {len(arguments.test_root)} --test-root; give one root to each")
    for flag in ("json", "csv", "markdown"):
        path = getattr(arguments, flag)
        if path is not None and not path.resolve().parent.is_dir():  # before the work, not after it
            parser.error(f"--{flag}: there is no folder {path.resolve().parent}")
    if arguments.selection is None:
        arguments.selection = "last" if arguments.protocol == "frozen" else "validation"
    if arguments.validation_fraction is None:
        arguments.validation_fraction = 0.0 if arguments.selection == "last" else 0.1
    if arguments.backbone is None:
        arguments.backbone = "nss" if arguments.protocol == "frozen" else OWN
    if arguments.backbone == OWN:
        if arguments.protocol == "frozen":
            parser.error("--backbone own needs --protocol end-to-end: frozen decoders are compared on one backbone")
        arguments.match = "none"
    return arguments


def compare(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs = {_label(name): load_config(name) for name in arguments.models}
    compared = list(configs)
    frozen = arguments.protocol == "frozen"
    if frozen and YARDSTICK not in configs:
        configs[YARDSTICK] = load_config(YARDSTICK)
    for cfg in configs.values():
        resolve_config(cfg)  # all names and keys, before any work
    recipe = None if frozen else load_recipe(arguments.recipe, dict(arguments.recipe_set))
    placed = configs
    if arguments.backbone != OWN:
        backbone = backbone_config(arguments.backbone, list(configs.values()))
        placed = {name: {**cfg, "backbone": backbone} for name, cfg in configs.items()}
    carrier = build_model(next(iter(placed.values())), pretrained=arguments.pretrained, weights=arguments.weights)
    started = time.perf_counter()

    with Bars(console) as report:
        data = None if arguments.no_train and not arguments.dry_run else load_data(arguments, report)
        splits = splits_of(arguments, data) if data is not None else []
        results: dict[str, Any] = {
            "command": ["compare.py", *(Path(word).name if "/" in word else word for word in sys.argv[1:])],
            "versions": versions(),
            "source": source_hash(),
            "threads": torch.get_num_threads(),
            "protocol": arguments.protocol,
            "yardstick": YARDSTICK if YARDSTICK in configs else None,
            "compared": compared,
            "backbone": arguments.backbone,
            "weights": weights_in_words(arguments),
            "match": arguments.match,
        }
        matched, budgets, results["target"] = match_all(placed, compared, arguments, report)
        results["matched"] = [
            {"model": name, "config": resolve_config(cfg), "hash": config_hash(cfg), "budget": budgets[name].to_dict()}
            for name, cfg in matched.items()
        ]
        if arguments.dry_run:
            assert data is not None
            if frozen:
                say_cost(console, arguments, data, len(splits), carrier, budgets)
            else:
                assert recipe is not None
                say_cost_end_to_end(console, splits, recipe, matched, budgets)
            return None
        results.update(published_models(arguments, {name: configs[name] for name in compared}, report))
        if data is not None:
            work = Work(arguments, matched, data, splits, report, console)
            results.update(train_frozen_all(work, carrier) if recipe is None else train_end_to_end_all(work, recipe))
    results["seconds"] = time.perf_counter() - started
    return results


def _label(name: str) -> str:
    """How tables call a model: its zoo name, or its file's."""
    return Path(name).stem if Path(name).suffix else name


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

    def report(self, text: str) -> Callable[[int, int], None]:
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


def load_data(arguments: argparse.Namespace, report: Report) -> RatedImages:
    data = load_dataset(arguments, report(f"reading {arguments.data}"))
    if arguments.images is not None and arguments.images < len(data):
        step = len(data) / arguments.images
        data = data.select(int(i * step) for i in range(arguments.images))
    return data


def load_others(arguments: argparse.Namespace, report: Report) -> dict[str, RatedImages]:
    """The datasets of ``--test``, by name."""
    others = {}
    for name, root in zip(arguments.test, arguments.test_root, strict=True):
        there = argparse.Namespace(data=name, root=root, option=[], skip_unreadable=arguments.skip_unreadable)
        others[name] = load_dataset(there, report(f"reading {name}"))
    return others


def splits_of(arguments: argparse.Namespace, data: RatedImages) -> list[Split]:
    """The splits that serve every model.

    Raises:
        IqaZooError: a test part that is too small, or no validation part where the selection reads one.
    """
    if arguments.split_file:
        splits = load_splits(arguments.split_file, data)[: arguments.splits]
    else:
        usual = 1 if arguments.protocol == "end-to-end" else 5 if arguments.data == "demo" else 10
        count = arguments.splits or usual
        splits = make_splits(data, count, seed=arguments.seed, validation_fraction=arguments.validation_fraction)
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
    if arguments.weights:
        return f"weights from {arguments.weights.name}"
    if arguments.pretrained:
        return "ImageNet weights"
    return "no weights to load" if arguments.backbone in BACKBONES.names() else "random weights"


def match_all(
    placed: dict[str, Config], compared: list[str], arguments: argparse.Namespace, report: Report
) -> tuple[dict[str, Config], dict[str, Budget], str]:
    """The decoders on the one backbone, matched to the budget; the yardstick stays as it is."""
    tick = report("matching budgets")
    budgets = {}
    for i, (name, cfg) in enumerate(placed.items()):
        budgets[name] = measure_budget(cfg)
        tick(i, 2 * len(placed))
    if arguments.match == "none":
        tick(1, 1)
        return placed, budgets, ""
    sizes = {name: getattr(budgets[name].decoder, arguments.match) for name in compared if name != YARDSTICK}
    if arguments.budget == "smallest":
        owner = min(sizes, key=sizes.__getitem__) if sizes else YARDSTICK
    elif arguments.budget in sizes:
        owner = arguments.budget
    else:
        raise BudgetError(f"--budget {arguments.budget!r} is not one of the models: {', '.join(sizes)}, or smallest")
    matched = dict(placed)
    for i, name in enumerate(sizes):
        if name != owner:
            try:
                matched[name], budgets[name] = match_budget(
                    placed[name], placed[owner], by=arguments.match, scope="decoder"
                )
            except BudgetError as error:
                others = ", ".join(other for other in sizes if other != owner)
                raise BudgetError(
                    f"{name} cannot be brought to {owner}'s budget: {error}. Try --budget with {others}"
                ) from error
        tick(len(placed) + i, 2 * len(placed))
    tick(1, 1)
    return matched, budgets, f"{owner}'s decoder"


def published_models(arguments: argparse.Namespace, configs: dict[str, Config], report: Report) -> dict[str, Any]:
    """Budgets, speed and published quality of the models as their authors built them."""
    tick = report("published models")
    models, rows = {}, []
    cards = load_cards(CARDS) if CARDS.is_dir() else {}
    dataset = arguments.data if arguments.data != "demo" else "livec"
    for i, (name, cfg) in enumerate(configs.items()):
        models[name] = build_model(cfg)
        rows.append(
            {
                "model": name,
                "backbone": str(cfg["backbone"].get("name", cfg["backbone"]["type"])).split(".")[0],
                "hash": config_hash(cfg),
                "budget": measure_budget(models[name]).to_dict(),
                "published": published(cards, name, dataset),
            }
        )
        tick(i + 1, len(configs))
    if not arguments.no_latency:
        speeds = measure_speed(models, progress=report("timing in turn"))
        for row in rows:
            row["speed"] = asdict(speeds[row["model"]])
    return {"published": rows, "published_on": dataset}


@dataclass(frozen=True)
class Work:
    """What both protocols train: the matched models, on the splits of a dataset."""

    arguments: argparse.Namespace
    matched: dict[str, Config]
    data: RatedImages
    splits: list[Split]
    report: Report
    console: Console

    def gather(self, records: Iterator[tuple[int, dict[str, Any]]], words: str) -> list[dict[str, Any]]:
        """All records in order, with progress, and a line when a split is done by every model."""
        tick = self.report(words)
        done: dict[int, dict[str, Any]] = {}
        models, total = len(self.matched), len(self.matched) * len(self.splits)
        for i, record in records:
            done[i] = record
            tick(len(done), total)
            number, first = i // models, i // models * models
            if all(first + k in done for k in range(models)):
                line = ", ".join(f"{name} {done[first + k]['srocc']:.3f}" for k, name in enumerate(self.matched))
                text = f"split {number + 1} ({self.splits[number].id}): SROCC {line}"
                self.console.print(text, style="dim", highlight=False)
        return [done[i] for i in range(total)]

    def results(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        """What the records say, whichever protocol they are of."""
        data, split = self.data, self.splits[0]
        trained = len(split.train) + (len(split.validation) if self.arguments.protocol == "frozen" else 0)
        return {
            "data": {
                "name": data.name,
                "images": len(data),
                "contents": len(set(data.contents)),
                "label": data.label,
                "higher_is_better": data.higher_is_better,
                "mos": {name: float(mos) for name, mos in zip(data.names, data.mos, strict=True)},
            },
            "selection": self.arguments.selection,
            "parts": {part: len(getattr(split, part)) for part in ("train", "validation", "test")},
            "splits": [split.id for split in self.splits],
            "runs": records,
            "summary": summarise(records),
            "rules": summarise_rules(records),
            "differences": differences(records, len(split.test) / trained, data),
        }


def train_frozen_all(work: Work, carrier: torch.nn.Module) -> dict[str, Any]:
    arguments, data = work.arguments, work.data
    recipe = FrozenRecipe(epochs=arguments.epochs, batch_size=arguments.batch_size, lr=arguments.lr)
    recipes = dict.fromkeys(work.matched, recipe)
    recipes[YARDSTICK] = replace(recipe, lr=YARDSTICK_RATE * recipe.lr)
    crops, device = crops_wanted(arguments), str(torch_device(arguments.device))

    def bank_of(images: RatedImages) -> FeatureBank:
        return extract_features(
            carrier.backbone.to(device),
            carrier.config["backbone"],
            images,
            crops=crops,
            seed=arguments.seed,
            progress=work.report(f"features of {images.name}"),
        )

    bank = bank_of(data)
    others = load_others(arguments, work.report)
    elsewhere = {name: Elsewhere(other, bank_of(other)) for name, other in others.items()}
    trainings = [
        Training(name, cfg, split, recipes[name], arguments.seed + number, arguments.selection, device)
        for number, split in enumerate(work.splits)
        for name, cfg in work.matched.items()
    ]
    cache = None if arguments.fresh else cache_folder()
    records = train_many(trainings, bank, data, cache, arguments.jobs, elsewhere)
    done = work.gather(records, f"training, {arguments.jobs} at a time")
    return {
        **work.results(done),
        "recipe": asdict(recipe),
        "yardstick_lr": recipes[YARDSTICK].lr,
        "crops": crops,
        "features": bank.key,
    }


def train_end_to_end_all(work: Work, recipe: Recipe) -> dict[str, Any]:
    from iqa_zoo.engine.end_to_end import EndToEnd, train_all_end_to_end
    from iqa_zoo.engine.training import TrainingOptions

    arguments = work.arguments
    folder = arguments.out or run_folder(arguments)
    trainings = [
        EndToEnd(
            name,
            cfg,
            split,
            recipe,
            arguments.seed + number,
            folder / name / split.id,
            arguments.weights,
            arguments.pretrained,
        )
        for number, split in enumerate(work.splits)
        for name, cfg in work.matched.items()
    ]
    options = TrainingOptions(selection=arguments.selection, device=arguments.device)
    others = load_others(arguments, work.report)
    records = train_all_end_to_end(trainings, work.data, options, others, Steps(work))
    done = work.gather(records, "trainings")
    return {**work.results(done), "recipe": recipe.to_dict(), "recipe_name": arguments.recipe}


class Steps:
    """The steps of one training after the other, each as a bar of its own."""

    def __init__(self, work: Work):
        self.work, self.tick, self.last = work, None, 0
        self.count = 0

    def __call__(self, words: str, done: int, total: int) -> None:
        if self.tick is None or done < self.last:
            name = list(self.work.matched)[self.count % len(self.work.matched)]
            self.count += 1
            self.tick = self.work.report(f"{name}, end to end")
        self.last = done
        self.tick(done, total)


def crops_wanted(arguments: argparse.Namespace) -> int:
    return arguments.crops or (1 if arguments.data == "demo" else 4)


def say_cost(
    console: Console,
    arguments: argparse.Namespace,
    data: RatedImages,
    count: int,
    carrier: torch.nn.Module,
    budgets: dict[str, Budget],
) -> None:
    """Print what a run would compute and keep, with a time guessed from one timed batch of the backbone."""
    spec: FeatureSpec = carrier.spec
    crops = crops_wanted(arguments)
    values = sum(torch.Size(shape).numel() for shape in bank_shapes(spec, len(data), crops).values())
    seconds = 1 / measure_speed({"backbone": carrier}, batch=8, rounds=1)["backbone"].images_per_second
    backbone_macs = budgets[YARDSTICK].by_slot["backbone"].macs
    # Trained twice; a backward pass costs two forward ones; what is held out is measured after every epoch.
    train = arguments.epochs * (1.5 * len(data) * 3 + 0.3 * len(data) * crops)
    macs = sum(budget.decoder.macs for budget in budgets.values()) * train * count
    features = seconds * crops * len(data)
    console.print(
        f"features: {crops * len(data)} crops, {2 * values / 1e9:.2f} GB in {cache_folder()}, about {features:.0f} s"
    )
    about = f", about {features * macs / (backbone_macs * crops * len(data)):.0f} s" if backbone_macs else ""
    console.print(
        f"training: {len(budgets)} decoders x {count} splits x {arguments.epochs} epochs, {macs / 1e12:.1f} T MACs{about}"
    )


def say_cost_end_to_end(
    console: Console,
    splits: list[Split],
    recipe: Recipe,
    matched: dict[str, Config],
    budgets: dict[str, Budget],
) -> None:
    """Print what end-to-end training would compute and keep, with a time guessed from a timed forward pass of each model."""
    split = splits[0]
    measured = (len(split.validation) + len(split.test)) * recipe.test_crops
    speeds = measure_speed({name: build_model(cfg) for name, cfg in matched.items()}, rounds=1)
    for name, budget in budgets.items():
        images = recipe.epochs * (
            len(split.train) * recipe.crops * 3 + measured
        )  # a backward pass costs two forward ones
        seconds = len(splits) * images / speeds[name].images_per_second
        disk = len(splits) * budget.params * 4 * 4  # weights, and of the last checkpoint weights and two moments
        console.print(
            f"{name}: {len(splits)} splits x {recipe.epochs} epochs of {len(split.train) * recipe.crops} crops, "
            f"{disk / 1e9:.2f} GB, about {seconds / 60:.0f} min in float32 on this machine"
        )


def run_folder(arguments: argparse.Namespace) -> Path:
    """Where a comparison is kept unless told: named by its models, its data and a hash of everything asked for."""
    asked = {key: str(value) for key, value in vars(arguments).items() if key not in ("out", "json", "csv", "markdown")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return Path("runs") / "-".join([*map(_label, arguments.models), arguments.data, digest])


def write_run(results: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Keep a comparison: everything as JSON, the tables as Markdown, a row a training as CSV."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        (folder / "tables.md").write_text(as_markdown(results), encoding="utf-8")
        if results.get("runs"):
            write_csv(results, folder / "runs.csv")
    except OSError as error:  # nothing is lost: the tables are printed all the same
        console.print(f"{folder} cannot be written: {error}", style="red", markup=False, highlight=False)
    else:
        console.print(f"kept in {folder}; print it again with --from {folder}", highlight=False, soft_wrap=True)


def read_run(folder: Path) -> dict[str, Any]:
    """Read what :func:`write_run` kept.

    Raises:
        IqaZooError: not such a folder.
    """
    file = folder / "results.json"
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IqaZooError(f"{folder} is not a run of compare.py: {file.name} cannot be read ({error})") from error
    if not {"compared", "matched", "seconds"} <= results.keys():
        raise IqaZooError(f"{file} does not hold the results of compare.py")
    return results


def show(results: dict[str, Any], arguments: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150)
    for table in comparison_tables(results):
        console.print(table.rich())
        console.print()
    sentence = verdict(results)
    if sentence:
        console.print(sentence, style="bold", highlight=False)
    console.print(f"{results['seconds']:.0f} s in all.", highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if arguments.markdown:
        arguments.markdown.write_text(as_markdown(results), encoding="utf-8")
    if arguments.csv and results.get("runs"):
        write_csv(results, arguments.csv)


def as_markdown(results: Mapping[str, Any]) -> str:
    return (
        "\n\n".join([*(table.markdown() for table in comparison_tables(dict(results))), verdict(dict(results))]) + "\n"
    )


def write_csv(results: Mapping[str, Any], path: Path) -> None:
    columns = [
        "model",
        "config",
        "split",
        "seed",
        "epoch",
        "srocc",
        "plcc",
        "plcc_logistic4",
        "krocc",
        "rmse",
        "seconds",
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results["runs"])


if __name__ == "__main__":
    sys.exit(main())
