"""How does quality grow with the images to train on? Decoders at one budget, on nested shares of the training part.

python benchmarks/data_efficiency.py
python benchmarks/data_efficiency.py lifeiqa deiqt --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/data_efficiency.py lifeiqa deiqt --fractions 0.1 0.5 1 --equal epochs
python benchmarks/data_efficiency.py --from runs/data-efficiency-lifeiqa-deiqt-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console

from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    YARDSTICK,
    Bars,
    Bench,
    Record,
    add_backbone_options,
    add_data_options,
    add_match_options,
    add_result_options,
    add_training_options,
    cache_use,
    check_models,
    check_options,
    conditions,
    for_frozen_features,
    label_of,
    load_data,
    load_models,
    match_all,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
)
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.data.subsets import Subset, nested_subsets
from iqa_zoo.engine.summaries import adjust, differences
from iqa_zoo.reports.data_efficiency import efficiency_figures, efficiency_sentences, efficiency_tables
from iqa_zoo.reports.run import COLUMNS, Script
from iqa_zoo.stats.summary import summarize_values

MODELS = ("lifeiqa", "deiqt", "vanilla_decoder")
FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
CSV = ("model", "fraction", "images", "whole", "epochs", *COLUMNS[1:])


SCRIPT = Script("data_efficiency", efficiency_tables, efficiency_sentences, efficiency_figures, CSV)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(
        arguments, study, lambda: run_folder(arguments, "data-efficiency", *map(label_of, arguments.models))
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    names = ", ".join(MODELS)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"zoo names or config files (.yaml, .json); default: {names}"
    )
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is compared")
    what.add_argument(
        "--fractions",
        nargs="+",
        type=float,
        default=list(FRACTIONS),
        metavar="SHARE",
        help="of the training contents, above 0 and at most 1 (default: 0.2 0.4 0.6 0.8 1)",
    )
    what.add_argument(
        "--equal",
        choices=("steps", "epochs"),
        default="steps",
        help="what every share has as many of as the whole: steps, so that only the data differs, or epochs (default: steps)",
    )
    add_data_options(what)
    add_backbone_options(what)
    add_match_options(what)
    add_training_options(parser.add_argument_group("how"))
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    arguments.models = arguments.models or list(MODELS)
    check_models(parser, arguments.models)
    wrong = [fraction for fraction in arguments.fractions if not 0 < fraction <= 1]
    if wrong:
        parser.error(f"--fractions are shares above 0 and at most 1 (0.2 for 20 %), got {wrong[0]:g}")
    arguments.fractions = sorted(set(arguments.fractions))
    check_options(parser, arguments)
    return arguments


def study(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs, compared = load_models(arguments.models)
    configs, left_out = for_frozen_features(configs, console)
    started = time.perf_counter()
    with Bars(console) as report:
        bench = Bench.of(arguments, list(configs.values()), report, console)
        placed = {name: bench.placed(cfg) for name, cfg in configs.items()}
        data = load_data(arguments, report)
        splits = splits_of(arguments, data)
        parts = [nested_subsets(data, split, arguments.fractions) for split in splits]
        shares = [share_of(subset, splits[0], arguments) for subset in parts[0]]
        brought = match_all(placed, compared, arguments, report, console)
        matched = brought.configs
        say_cost(bench, matched, data, len(splits), console)
        if arguments.dry_run:
            return None
        trainings = [
            bench.training(
                name, cfg, subset.split, number, epochs=epochs_for(len(subset.split.train), len(split.train), arguments)
            )
            for number, (split, subsets) in enumerate(zip(splits, parts, strict=True))
            for subset in subsets
            for name, cfg in matched.items()
        ]
        flat = [subset.split for subsets in parts for subset in subsets]
        records = bench.run(trainings, data, list(matched), flat)
    return {
        **conditions(arguments, data, splits, left_out),
        **cache_use(records, bench),
        "yardstick": YARDSTICK,
        "compared": compared,
        "match": arguments.match,
        **brought.results(),
        "equal": arguments.equal,
        "shares": shares,
        **results_of(records, splits, parts, data, shares),
        "features": bench.bank(data).key,
        "seconds": time.perf_counter() - started,
    }


def steps_an_epoch(images: int, batch_size: int) -> int:
    """A batch is at most the images there are; what is left over waits for the next epoch."""
    return images // min(batch_size, images)


def epochs_for(images: int, whole: int, arguments: argparse.Namespace) -> int:
    """The epochs on a share of the training images: as asked for, or those that make as many steps as the whole does.

    >>> asked = argparse.Namespace(equal="steps", epochs=12, batch_size=32)
    >>> epochs_for(840, 840, asked), epochs_for(168, 840, asked)
    (12, 62)
    """
    if arguments.equal == "epochs":
        return arguments.epochs
    total = arguments.epochs * steps_an_epoch(whole, arguments.batch_size)
    return max(1, round(total / steps_an_epoch(images, arguments.batch_size)))


def share_of(subset: Subset, whole: Split, arguments: argparse.Namespace) -> Record:
    """What a share of the first split is, for tables: its images, epochs and steps."""
    images = len(subset.split.train)
    epochs = epochs_for(images, len(whole.train), arguments)
    steps = epochs * steps_an_epoch(images, arguments.batch_size)
    return {"fraction": subset.fraction, "images": images, "epochs": epochs, "steps": steps}


def results_of(
    records: Sequence[Record],
    splits: Sequence[Split],
    parts: Sequence[Sequence[Subset]],
    data: RatedImages,
    shares: Sequence[Record],
) -> dict[str, Any]:
    """The records with their shares, medians for each model and share, and differences at each share."""
    where = {
        (subset.split.id): (subset.fraction, split.id, len(subset.split.train))
        for split, subsets in zip(splits, parts, strict=True)
        for subset in subsets
    }
    runs = [
        {**record, **dict(zip(("fraction", "whole", "images"), where[record["split"]], strict=True))}
        for record in records
    ]
    done = succeeded(runs)
    rows, found = [], []
    for share in shares:
        here = [run for run in done if run["fraction"] == share["fraction"]]
        for model in dict.fromkeys(run["model"] for run in here):
            mine = [run for run in here if run["model"] == model]
            rows.append(
                {
                    "model": model,
                    "fraction": share["fraction"],
                    "images": int(np.median([run["images"] for run in mine])),
                    "srocc": asdict(summarize_values([run["srocc"] for run in mine])),
                    "plcc": asdict(summarize_values([run["plcc"] for run in mine])),
                    "splits": len(mine),
                }
            )
        found += [
            {**pair, "fraction": share["fraction"], "images": share["images"]}
            for pair in differences(here, parts_ratio(splits[0]), data)
        ]
    adjust(found)
    found.sort(key=lambda pair: (pair["first"], pair["second"]))  # stable: by share within a pair
    return {"runs": runs, "rows": rows, "differences": found}


def say_cost(bench: Bench, matched: dict[str, Any], data: RatedImages, splits: int, console: Console) -> None:
    """Print what the study would cost: at equal steps a share costs what the whole does, at equal epochs its part."""
    arguments = bench.arguments
    whole = len(arguments.fractions) if arguments.equal == "steps" else sum(arguments.fractions)
    console.print(
        f"{len(arguments.fractions)} shares of {splits} splits, as much training as {whole * splits:.0f} whole splits:",
        highlight=False,
        soft_wrap=True,
    )
    bench.say_cost(matched, data, max(1, round(whole * splits)))


if __name__ == "__main__":
    sys.exit(main())
