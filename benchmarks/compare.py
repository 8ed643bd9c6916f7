"""Compare models: as published, at a matched decoder budget, and by their measured quality.

python benchmarks/compare.py lifeiqa deiqt
python benchmarks/compare.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/compare.py lifeiqa deiqt --train livec --root ChallengeDB_release --test koniq10k --test-root KonIQ ...
python benchmarks/compare.py lifeiqa deiqt --protocol end-to-end --backbone resnet18 --pretrained --data livec --root ...
python benchmarks/compare.py --from runs/lifeiqa-deiqt-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.measure import backbone_spec
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.commands.dataset_options import load_dataset
from iqa_zoo.commands.shared import add_set_option, parse_path
from iqa_zoo.commands.study import (
    YARDSTICK,
    Bars,
    Bench,
    Report,
    Tick,
    add_backbone_options,
    add_data_options,
    add_match_options,
    add_result_options,
    add_training_options,
    cache_use,
    check_models,
    check_options,
    conditions,
    distinct_name,
    for_frozen_features,
    gather,
    label_of,
    load_data,
    match_all,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
    weights_in_words,
)
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.data.loader import DecodedImages
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.shared_images import find_shared_images
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.summaries import differences, summarise, summarise_rules
from iqa_zoo.identity import describe_origin
from iqa_zoo.reports.cards import load_cards, plugin_cards, published, published_only
from iqa_zoo.reports.comparison import comparison_tables, verdict
from iqa_zoo.reports.run import Script
from iqa_zoo.training.recipe import Recipe, list_recipes, load_recipe

CARDS = Path(__file__).resolve().parent.parent / "model_cards"
OWN = "own"  # each model on its own backbone


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    script = Script("compare", comparison_tables, sentences_of)
    return script.run(arguments, compare, lambda: run_folder(arguments, *map(label_of, arguments.models)))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="zoo names or config files (.yaml, .json)")
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is compared")
    add_data_options(what)
    what.add_argument(
        "--test", action="append", default=[], metavar="NAME", help="test on all images of this dataset as well"
    )
    what.add_argument(
        "--test-root",
        action="append",
        default=[],
        type=parse_path,
        metavar="PATH",
        help="where it lies, in the order of --test",
    )
    add_backbone_options(what)
    add_match_options(what)
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocol",
        choices=("frozen", "end-to-end"),
        default="frozen",
        help="decoders on frozen features, or whole models (default: frozen)",
    )
    add_training_options(how)
    how.add_argument(
        "--recipe",
        default="quick",
        metavar="NAME|FILE",
        help=f"end to end: {', '.join(list_recipes())} (default: quick)",
    )
    add_set_option(how, "--recipe-set", "replace values of the recipe, for example epochs=3 backbone_lr=1e-5")
    how.add_argument("--no-train", action="store_true", help="stop after the budgets")
    how.add_argument("--no-latency", action="store_true", help="do not time the published models")
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    if not arguments.models and arguments.run is None:
        parser.error("name the models to compare, for example lifeiqa deiqt, or --from RUN")
    check_models(parser, arguments.models)
    if len(arguments.test) != len(arguments.test_root):
        parser.error(f"{len(arguments.test)} --test and {len(arguments.test_root)} --test-root; give one root to each")
    if arguments.backbone is None and arguments.protocol == "end-to-end":
        arguments.backbone = OWN
    check_options(parser, arguments)
    if arguments.backbone == OWN:
        if arguments.protocol == "frozen":
            parser.error("--backbone own needs --protocol end-to-end: frozen decoders are compared on one backbone")
        arguments.match = "none"
    return arguments


def compare(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs = {label_of(name): load_config(name) for name in arguments.models}
    compared = list(configs)
    frozen = arguments.protocol == "frozen"
    if frozen and YARDSTICK not in configs:
        configs[YARDSTICK] = load_config(YARDSTICK)
    for cfg in configs.values():
        resolve_config(cfg)  # all names and keys, before any work
    trained, left_out = for_frozen_features(configs, console) if frozen else (configs, {})
    recipe = None if frozen else load_recipe(arguments.recipe, dict(arguments.recipe_set))
    started = time.perf_counter()

    with Bars(console) as report:
        placed, bench = trained, None
        if frozen or arguments.backbone != OWN:
            bench = Bench.of(arguments, list(trained.values()), report, console)
            placed = {name: bench.placed(cfg) for name, cfg in trained.items()}
        data = None if arguments.no_train and not arguments.dry_run else load_data(arguments, report)
        usual = None if frozen else 1
        splits = splits_of(arguments, data, usual) if data is not None else []
        results: dict[str, Any] = {
            "command": ["compare.py", *(Path(word).name if "/" in word else word for word in sys.argv[1:])],
            **describe_origin(["iqa_zoo.training.frozen.trainings" if frozen else "iqa_zoo.training.end_to_end.train"]),
            "threads": torch.get_num_threads(),
            "protocol": arguments.protocol,
            "yardstick": YARDSTICK if YARDSTICK in configs else None,
            "compared": compared,
            "backbone": arguments.backbone,
            "weights": weights_in_words(arguments),
            "match": arguments.match,
        }
        brought = match_all(placed, compared, arguments, report, console)
        matched, budgets = brought.configs, brought.budgets
        results.update(brought.results())
        if data is not None:
            if recipe is None:
                assert bench is not None
                bench.say_cost(matched, data, len(splits), every_rule=True)
            else:
                say_cost_end_to_end(console, splits, recipe, matched, budgets)
        if arguments.dry_run:
            return None
        results.update(published_models(arguments, {name: configs[name] for name in compared}, report))
        if data is not None:
            work = Work(arguments, matched, data, splits, left_out, report, console)
            if recipe is None:
                assert bench is not None
                results.update(train_frozen_all(work, bench))
            else:
                results.update(train_end_to_end_all(work, recipe))
    results["seconds"] = time.perf_counter() - started
    return results


def load_others(arguments: argparse.Namespace, data: RatedImages, report: Report) -> dict[str, RatedImages]:
    """The datasets of ``--test`` by their names, no two of which are the same, nor that of the data."""
    others: dict[str, RatedImages] = {}
    for kind, root in zip(arguments.test, arguments.test_root, strict=True):
        there = argparse.Namespace(data=kind, root=root, option=[], skip_unreadable=arguments.skip_unreadable)
        loaded = load_dataset(there, report(f"reading {kind}"))
        name = distinct_name(loaded.name, [data.name, *others])
        others[name] = replace(loaded, name=name)
    return others


def published_models(arguments: argparse.Namespace, configs: dict[str, Config], report: Report) -> dict[str, Any]:
    """Budgets, speed and published quality of the models as their authors built them."""
    tick = report("published models")
    models, rows = {}, []
    cards = plugin_cards() | (load_cards(CARDS) if CARDS.is_dir() else {})
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
            row["speed"] = asdict(speeds[str(row["model"])])
    only = published_only(CARDS, dataset) if CARDS.is_dir() else {}
    return {"published": rows, "published_on": dataset, "published_only": only}


@dataclass(frozen=True)
class Work:
    """What both protocols train: the matched models, on the splits of a dataset."""

    arguments: argparse.Namespace
    matched: dict[str, Config]
    data: RatedImages
    splits: list[Split]
    left_out: dict[str, list[str]]
    report: Report
    console: Console

    def results(self, records: list[dict[str, Any]], others: dict[str, RatedImages]) -> dict[str, Any]:
        """What the records say, whichever protocol they are of; ``others`` are the datasets of ``--test``."""
        done = succeeded(records)
        return {
            **conditions(self.arguments, self.data, self.splits, self.left_out),
            "protocol": self.arguments.protocol,
            "runs": records,
            "leaks": find_shared_images({self.data.name: self.data, **others}) if others else [],
            "summary": summarise(done),
            "rules": summarise_rules(done),
            "differences": differences(done, parts_ratio(self.splits[0]), self.data),
        }


def train_frozen_all(work: Work, bench: Bench) -> dict[str, Any]:
    others = load_others(work.arguments, work.data, work.report)
    records = bench.train(work.matched, work.data, work.splits, every_rule=True, elsewhere=others)
    return {**work.results(records, others), **cache_use(records, bench), "features": bench.bank(work.data).key}


def train_end_to_end_all(work: Work, recipe: Recipe) -> dict[str, Any]:
    from iqa_zoo.training.end_to_end.options import TrainingOptions
    from iqa_zoo.training.end_to_end.trainings import EndToEnd, train_all_end_to_end

    arguments = work.arguments
    folder = arguments.out or run_folder(arguments, *map(label_of, arguments.models))
    trainings = [
        EndToEnd(
            name,
            cfg,
            split,
            recipe,
            arguments.seed + number,
            folder / name,
            arguments.weights,
            arguments.pretrained,
            arguments.recipe,
        )
        for number, split in enumerate(work.splits)
        for name, cfg in work.matched.items()
    ]
    options = TrainingOptions(selection=arguments.selection, device=arguments.device)
    others = load_others(arguments, work.data, work.report)
    side = max(backbone_spec(cfg).image_size for cfg in work.matched.values())
    for name, other in others.items():  # they are read after the training: now, what is damaged costs no training
        decoded = DecodedImages(other, memory_bytes=0, smallest=side)
        check_images(other, range(len(other)), side, images=decoded, progress=work.report(f"checking {name}"))
    records = train_all_end_to_end(trainings, work.data, options, others, Steps(work))
    done = gather(records, list(work.matched), work.splits, work.report("trainings"), work.console)
    return {
        **work.results(done, others),
        **cache_use(done),
        "recipe": recipe.to_dict(),
        "recipe_name": arguments.recipe,
    }


class Steps:
    """The steps of one training after the other, each as a bar of its own."""

    def __init__(self, work: Work):
        self.work, self.last, self.count = work, 0, 0
        self.tick: Tick | None = None

    def __call__(self, words: str, done: int, total: int) -> None:
        if self.tick is None or done < self.last:
            name = list(self.work.matched)[self.count % len(self.work.matched)]
            self.count += 1
            self.tick = self.work.report(f"{name}, end to end")
        self.last = done
        self.tick(done, total)


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


def sentences_of(results: dict[str, Any]) -> list[str]:
    return verdict(results).splitlines()


if __name__ == "__main__":
    sys.exit(main())
