"""Compare models: as published, at a matched decoder budget, and by their measured quality.

python benchmarks/compare.py lifeiqa deiqt
python benchmarks/compare.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/compare.py lifeiqa my_model.yaml --match macs --json results.json --markdown results.md
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from iqa_zoo.budgets import Budget, match_budget, measure_budget
from iqa_zoo.build import build_model
from iqa_zoo.cache import cache_folder
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.engine.comparison import (
    Training,
    backbone_config,
    differences,
    source_hash,
    summarise,
    train_many,
    versions,
)
from iqa_zoo.engine.features import bank_shapes, extract_features
from iqa_zoo.engine.frozen import FrozenRecipe
from iqa_zoo.engine.latency import measure_speed
from iqa_zoo.errors import BudgetError, IqaZooError
from iqa_zoo.registry import BACKBONES, DATASETS
from iqa_zoo.reports.cards import load_cards, published
from iqa_zoo.reports.comparison import comparison_tables, verdict

YARDSTICK = "linear_probe"
YARDSTICK_RATE = 10  # times the learning rate: one linear layer is far from its optimum after the same steps otherwise
CARDS = Path(__file__).resolve().parent.parent / "model_cards"
Report = Callable[[str], Callable[[int, int], None]]


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    console = Console(stderr=True)
    try:
        results = compare(arguments, console)
    except IqaZooError as error:
        console.print(f"error: {error}", style="red", markup=False, highlight=False)
        return 2
    if results is None:
        return 0
    show(results, arguments)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="zoo names or config files (.yaml, .json)")
    what = parser.add_argument_group("what is compared")
    what.add_argument("--data", default="demo", help="a dataset of the zoo (default: demo, whose labels are a proxy)")
    what.add_argument("--root", type=Path, help="where the dataset lies")
    what.add_argument(
        "--backbone", default="nss", help="the one backbone of (b) and (c): nss, or a timm name (default: nss)"
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
    how.add_argument("--splits", type=int, default=None, help="random 80/20 splits (default: 10; 5 for demo)")
    how.add_argument("--epochs", type=int, default=FrozenRecipe.epochs, help="default: %(default)s")
    how.add_argument("--batch-size", type=int, default=FrozenRecipe.batch_size, help="default: %(default)s")
    how.add_argument("--lr", type=float, default=FrozenRecipe.lr, help="peak learning rate (default: %(default)s)")
    how.add_argument("--crops", type=int, default=None, help="crops an image (default: 4; 1 for demo)")
    how.add_argument("--seed", type=int, default=0, help="of splits, crops and weights (default: %(default)s)")
    how.add_argument(
        "--jobs",
        type=int,
        default=torch.get_num_threads(),
        help="trainings at a time, one thread each (default: %(default)s)",
    )
    how.add_argument("--images", type=int, help="use only so many images, for a quick look")
    how.add_argument("--no-train", action="store_true", help="stop after the budgets")
    how.add_argument("--no-latency", action="store_true", help="do not time the published models")
    how.add_argument("--fresh", action="store_true", help="train again what was trained before")
    how.add_argument("--dry-run", action="store_true", help="say what would be done and what it would cost, and stop")
    out = parser.add_argument_group("results")
    out.add_argument(
        "--json", type=Path, metavar="FILE", help="everything: configs, hashes, versions, splits, predictions"
    )
    out.add_argument("--csv", type=Path, metavar="FILE", help="one row a model and split")
    out.add_argument("--markdown", type=Path, metavar="FILE", help="the tables, to paste")
    arguments = parser.parse_args(argv)
    if len(set(arguments.models)) < len(arguments.models):
        parser.error("a model is named twice")
    for flag in ("json", "csv", "markdown"):
        path = getattr(arguments, flag)
        if path is not None and not path.resolve().parent.is_dir():  # before the work, not after it
            parser.error(f"--{flag}: there is no folder {path.resolve().parent}")
    return arguments


def compare(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs = {_label(name): load_config(name) for name in arguments.models}
    compared = list(configs)
    if YARDSTICK not in configs:
        configs[YARDSTICK] = load_config(YARDSTICK)
    for cfg in configs.values():
        resolve_config(cfg)  # all names and keys, before any work
    backbone = backbone_config(arguments.backbone, list(configs.values()))
    placed = {name: {**cfg, "backbone": backbone} for name, cfg in configs.items()}
    carrier = build_model(placed[YARDSTICK], pretrained=arguments.pretrained, weights=arguments.weights)
    spec = carrier.spec
    started = time.perf_counter()

    with Bars(console) as report:
        data = None if arguments.no_train and not arguments.dry_run else load_data(arguments, report)
        results: dict[str, Any] = {
            "command": ["compare.py", *(Path(word).name if "/" in word else word for word in sys.argv[1:])],
            "versions": versions(),
            "source": source_hash(),
            "threads": torch.get_num_threads(),
            "yardstick": YARDSTICK,
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
            say_cost(console, arguments, data, spec, carrier, budgets)
            return None
        results.update(published_models(arguments, {name: configs[name] for name in compared}, report))
        if data is not None:
            results.update(train_all(arguments, matched, carrier, data, report, console))
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
    load = DATASETS.get(arguments.data)
    if arguments.data == "demo":
        data = load(arguments.root, progress=report("demo set"))
    elif arguments.root is None:
        raise IqaZooError(f"--data {arguments.data} needs --root, the folder of the release")
    else:
        data = load(arguments.root)
    if arguments.images is not None and arguments.images < len(data):
        step = len(data) / arguments.images
        data = data.select(int(i * step) for i in range(arguments.images))
    return data


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


def train_all(
    arguments: argparse.Namespace,
    matched: dict[str, Config],
    carrier: torch.nn.Module,
    data: RatedImages,
    report: Report,
    console: Console,
) -> dict[str, Any]:
    recipe = FrozenRecipe(epochs=arguments.epochs, batch_size=arguments.batch_size, lr=arguments.lr)
    recipes = dict.fromkeys(matched, recipe)
    recipes[YARDSTICK] = replace(recipe, lr=YARDSTICK_RATE * recipe.lr)
    count = arguments.splits or (5 if arguments.data == "demo" else 10)
    crops = crops_wanted(arguments)
    splits = make_splits(data, count, seed=arguments.seed)
    smallest = min(len(split.test) for split in splits)
    if smallest < 5:
        raise IqaZooError(
            f"{data.name}: a test part of {smallest} images is too small for a correlation; use at least 30 images"
        )
    bank = extract_features(
        carrier.backbone,
        carrier.config["backbone"],
        data,
        crops=crops,
        seed=arguments.seed,
        progress=report("features"),
    )
    trainings = [
        Training(name, cfg, split, recipes[name], arguments.seed + number)
        for number, split in enumerate(splits)
        for name, cfg in matched.items()
    ]
    tick = report(f"training, {arguments.jobs} at a time")
    done: dict[int, dict[str, Any]] = {}
    for i, record in train_many(trainings, bank, data, None if arguments.fresh else cache_folder(), arguments.jobs):
        done[i] = record
        tick(len(done), len(trainings))
        number, first = i // len(matched), i // len(matched) * len(matched)
        if all(first + k in done for k in range(len(matched))):
            line = ", ".join(f"{name} {done[first + k]['srocc']:.3f}" for k, name in enumerate(matched))
            console.print(f"split {number + 1} ({splits[number].id}): SROCC {line}", style="dim", highlight=False)
    records = [done[i] for i in range(len(trainings))]
    ratio = len(splits[0].test) / len(splits[0].train)
    return {
        "data": {
            "name": data.name,
            "images": len(data),
            "contents": len(set(data.contents)),
            "label": data.label,
            "higher_is_better": data.higher_is_better,
            "mos": {name: float(mos) for name, mos in zip(data.names, data.mos, strict=True)},
        },
        "recipe": asdict(recipe),
        "yardstick_lr": recipes[YARDSTICK].lr,
        "crops": crops,
        "features": bank.key,
        "splits": [split.id for split in splits],
        "runs": records,
        "summary": summarise(records),
        "differences": differences(records, ratio),
    }


def crops_wanted(arguments: argparse.Namespace) -> int:
    return arguments.crops or (1 if arguments.data == "demo" else 4)


def say_cost(
    console: Console,
    arguments: argparse.Namespace,
    data: RatedImages,
    spec: FeatureSpec,
    carrier: torch.nn.Module,
    budgets: dict[str, Budget],
) -> None:
    """Print what a run would compute and keep, with a time guessed from one timed batch of the backbone."""
    crops, count = crops_wanted(arguments), arguments.splits or (5 if arguments.data == "demo" else 10)
    values = sum(torch.Size(shape).numel() for shape in bank_shapes(spec, len(data), crops).values())
    seconds = 1 / measure_speed({"backbone": carrier}, batch=8, rounds=1)["backbone"].images_per_second
    backbone_macs = budgets[YARDSTICK].by_slot["backbone"].macs
    train = 0.8 * len(data) * arguments.epochs * 3 + 0.2 * len(data) * crops  # a backward pass costs two forward ones
    macs = sum(budget.decoder.macs for budget in budgets.values()) * train * count
    features = seconds * crops * len(data)
    console.print(
        f"features: {crops * len(data)} crops, {2 * values / 1e9:.2f} GB in {cache_folder()}, about {features:.0f} s"
    )
    about = f", about {features * macs / (backbone_macs * crops * len(data)):.0f} s" if backbone_macs else ""
    console.print(
        f"training: {len(budgets)} decoders x {count} splits x {arguments.epochs} epochs, {macs / 1e12:.1f} T MACs{about}"
    )


def show(results: dict[str, Any], arguments: argparse.Namespace) -> None:
    console = Console(width=None if sys.stdout.isatty() else 150)
    tables = comparison_tables(results)
    for table in tables:
        console.print(table.rich())
        console.print()
    sentence = verdict(results)
    if sentence:
        console.print(sentence, style="bold", highlight=False)
    console.print(f"{results['seconds']:.0f} s in all.", highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    if arguments.markdown:
        text = "\n\n".join([*(table.markdown() for table in tables), sentence])
        arguments.markdown.write_text(text + "\n", encoding="utf-8")
    if arguments.csv and results.get("runs"):
        columns = ["model", "config", "split", "seed", "srocc", "plcc", "plcc_logistic4", "krocc", "rmse", "seconds"]
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(results["runs"])


if __name__ == "__main__":
    sys.exit(main())
