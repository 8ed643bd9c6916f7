"""Does a decoder hold on other datasets? Train on each dataset that is on disk, test on all of them.

python benchmarks/cross_dataset.py --data livec=ChallengeDB_release --data koniq10k=KonIQ --backbone resnet18 --pretrained
python benchmarks/cross_dataset.py lifeiqa deiqt --data table=mine --data table=theirs,higher_is_better=false,name=theirs
python benchmarks/cross_dataset.py --from runs/cross-dataset-livec-koniq10k-1a2b3c4d
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from iqa_zoo.commands.dataset_options import add_look_alikes_option, dataset_root
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    YARDSTICK,
    Bars,
    Bench,
    Record,
    Report,
    add_backbone_options,
    add_match_options,
    add_result_options,
    add_training_options,
    cache_use,
    check_models,
    check_options,
    conditions,
    describe_data,
    describe_look_alikes,
    distinct_name,
    for_frozen_features,
    load_data,
    load_models,
    match_all,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
)
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import MissingImages
from iqa_zoo.data.shared_images import find_shared_images
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.summaries import adjust, differences
from iqa_zoo.errors import InputError
from iqa_zoo.reports.cross_dataset import cross_figures, cross_sentences, cross_tables
from iqa_zoo.reports.run import COLUMNS, Script
from iqa_zoo.stats.bootstrap import bootstrap_mean_difference
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.stats.summary import summarize_values

MODELS = ("lifeiqa", "deiqt", "vanilla_decoder")
CSV = ("model", "train", "test", *COLUMNS[1:])


SCRIPT = Script("cross_dataset", cross_tables, cross_sentences, cross_figures, CSV)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, study, lambda: run_folder(arguments, "cross-dataset"))


@dataclass(frozen=True)
class Source:
    """A dataset as ``--data`` names it: its name, where it lies (None where it makes itself) and its own options."""

    name: str
    root: Path | None
    options: tuple[tuple[str, str], ...] = ()


def source(text: str) -> Source:
    """Read NAME, NAME=ROOT or NAME=ROOT,KEY=VALUE,...

    >>> source("table=mine/labels.csv,score_range=[0, 10],name=mine").options
    (('score_range', '[0, 10]'), ('name', 'mine'))
    """
    name, equals, rest = text.partition("=")
    if not name or (equals and not rest):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=ROOT, for example livec=ChallengeDB_release")
    root, *options = re.split(r",(?=\w+=)", rest)
    pairs = tuple((key, value) for key, _, value in (option.partition("=") for option in options))
    return Source(name, Path(root) if root else None, pairs)


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
        "--data",
        dest="sources",
        action="append",
        default=[],
        type=source,
        metavar="NAME=ROOT[,KEY=VALUE]",
        help="a dataset, where it lies and its own options (higher_is_better=false); once for each; demo needs no root. "
        "One that is not there is left out",
    )
    what.add_argument("--images", type=int, help="use only so many images of each, for a quick look")
    add_look_alikes_option(what)
    what.add_argument("--splits", type=int, default=None, help="random 80/20 splits of each (default: 10; 5 for demo)")
    what.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="of the training part, held out of it to validate (default: 0.1; 0 with --selection last)",
    )
    what.add_argument(
        "--skip-unreadable", action="store_true", help="leave out images that cannot be decoded, and say which"
    )
    add_backbone_options(what)
    add_match_options(what)
    add_training_options(parser.add_argument_group("how"))
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    arguments.models = arguments.models or list(MODELS)
    check_models(parser, arguments.models)
    if len(arguments.sources) < 2 and arguments.run is None:
        parser.error("give two datasets or more, each as --data NAME=ROOT, or --from RUN")
    arguments.split_file = None
    arguments.data = "-".join(each.name for each in arguments.sources)
    check_options(parser, arguments)
    return arguments


def study(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs, compared = load_models(arguments.models)
    configs, left_out = for_frozen_features(configs, console)
    started = time.perf_counter()
    with Bars(console) as report:
        sets, skipped = load_all(arguments, report)
        for row in skipped:
            console.print(f"left out: {row['dataset']}: {row['reason']}", markup=False, highlight=False)
        splits = {name: splits_of(_of(arguments, name), data) for name, data in sets.items()}
        bench = Bench.of(arguments, list(configs.values()), report, console)
        placed = {name: bench.placed(cfg) for name, cfg in configs.items()}
        brought = match_all(placed, compared, arguments, report, console)
        matched = brought.configs
        for name, data in sets.items():
            console.print(f"{name} (the predictions of other datasets come on top):", highlight=False)
            bench.say_cost(matched, data, len(splits[name]))
        if arguments.dry_run:
            return None
        leaks = find_shared_images(sets)
        records, found = [], []
        for name, data in sets.items():
            others = {other: sets[other] for other in sets if other != name}
            mine = bench.train(matched, data, splits[name], elsewhere=others, words=f"training on {name}")
            records += mine
            found += differences_from(name, mine, sets, parts_ratio(splits[name][0]))
    succeeded(records)  # an error where none did; where all of one dataset failed, the others stand
    adjust(found)
    runs = cells_of(records, {split.id: name for name, some in splits.items() for split in some})
    first = next(iter(sets))
    shared = conditions(arguments, sets[first], splits[first], left_out)
    return {
        **{key: value for key, value in shared.items() if key not in ("data", "parts", "splits")},
        **cache_use(records, bench),
        "datasets": [
            {**describe_data(data), **describe_look_alikes(arguments, data), **_parts(splits[name])}
            for name, data in sets.items()
        ],
        "skipped": skipped,
        "leaks": leaks,
        "yardstick": YARDSTICK,
        "compared": compared,
        "match": arguments.match,
        **brought.results(),
        "runs": runs,
        "rows": medians(runs),
        "differences": found,
        "features": {name: bench.bank(data).key for name, data in sets.items()},
        "seconds": time.perf_counter() - started,
    }


def _of(arguments: argparse.Namespace, name: str) -> argparse.Namespace:
    return argparse.Namespace(**{**vars(arguments), "data": name})


def _parts(splits: Sequence[Split]) -> Record:
    parts = {part: len(getattr(splits[0], part)) for part in ("train", "validation", "test")}
    return {"parts": parts, "splits": [split.id for split in splits]}


def load_all(arguments: argparse.Namespace, report: Report) -> tuple[dict[str, RatedImages], list[Record]]:
    """The datasets by name, and those that are not on disk with the reason; of two of one name the second is called -2.

    Raises:
        UnknownName: no such dataset.
        InputError: files of a dataset that is there cannot be used, or fewer than two are there.
    """
    sets: dict[str, RatedImages] = {}
    skipped: list[Record] = []
    for each in arguments.sources:
        asked = argparse.Namespace(
            **{**vars(arguments), "data": each.name, "root": each.root, "option": list(each.options)}
        )
        try:
            dataset_root(asked)
        except InputError as error:
            raise InputError(f"--data {each.name}: give the folder with the dataset, {each.name}=ROOT") from error
        if each.root is not None and not each.root.exists():
            skipped.append({"dataset": each.name, "reason": f"there is no {each.root.name} where --data says"})
            continue
        try:
            data = load_data(asked, report)
        except MissingImages as error:
            skipped.append({"dataset": each.name, "reason": str(error).replace(f"{each.root}/", "")})
            continue
        name = distinct_name(data.name, sets)
        sets[name] = replace(data, name=name)
    if len(sets) < 2:
        reasons = "; ".join(f"{row['dataset']}: {row['reason']}" for row in skipped)
        raise InputError(
            f"{len(sets)} datasets are there, and two are needed to train on one and test on another ({reasons})"
        )
    return sets, skipped


def cells_of(records: Sequence[Record], trained_on: Mapping[str, str]) -> list[Record]:
    """A record for each training and dataset it was tested on, with ``train`` and ``test``; one that failed stays one.

    The predictions of whole other datasets are left out: they would be most of the file.
    """
    cells = []
    for record in records:
        own = {key: value for key, value in record.items() if key != "elsewhere"}
        train = trained_on[record["split"]]
        cells.append({**own, "train": train, "test": train})
        for test, measured in record.get("elsewhere", {}).items():
            metrics = {name: measured[name] for name in METRICS}
            told = {key: own[key] for key in ("model", "config", "split", "seed", "epoch", "seconds")}
            cells.append({**told, **metrics, "train": train, "test": test})
    return cells


def medians(cells: Sequence[Record]) -> list[Record]:
    """Of every model, training dataset and test dataset: median and quartiles over the splits."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for cell in cells:
        if "error" not in cell:
            groups.setdefault((cell["model"], cell["train"], cell["test"]), []).append(cell)
    return [
        {
            "model": model,
            "train": train,
            "test": test,
            "splits": len(mine),
            **{name: asdict(summarize_values([cell[name] for cell in mine])) for name in ("srocc", "plcc", "krocc")},
        }
        for (model, train, test), mine in groups.items()
    ]


def differences_from(
    train: str, records: Sequence[Record], sets: Mapping[str, RatedImages], test_train_ratio: float
) -> list[Record]:
    """The differences of every two models that were trained on one dataset, on its test part and on every other.

    Trainings that failed do not count."""
    done = [record for record in records if "error" not in record]
    found = [{**pair, "train": train, "test": train} for pair in differences(done, test_train_ratio, sets[train])]
    by_model: dict[str, dict[str, Record]] = {}
    for record in done:
        by_model.setdefault(record["model"], {})[record["split"]] = record
    for test in [name for name in sets if name != train]:
        data = sets[test]
        sign = 1 if data.higher_is_better == sets[train].higher_is_better else -1
        groups = data.contents if data.references is not None else None
        for first, second in itertools.combinations(by_model, 2):
            splits = [split for split in by_model[first] if split in by_model[second]]
            if not splits:
                continue
            scores_a, scores_b = (
                np.array([_scores(by_model[model][split]["elsewhere"][test], data, sign) for split in splits])
                for model in (first, second)
            )
            difference, wins, defined = bootstrap_mean_difference(
                scores_a, scores_b, data.mos, test_train_ratio=test_train_ratio, groups=groups
            )
            found.append(
                {
                    "first": first,
                    "second": second,
                    "wins": wins,
                    "splits": defined,
                    "undefined": len(splits) - defined,
                    "test": test,
                    **asdict(difference),
                    "tie": difference.is_undecided,
                    "why": "" if difference.is_defined else f"all scores of a model are equal on {test}",
                    "train": train,
                }
            )
    return found


def _scores(measured: Record, data: RatedImages, sign: int) -> list[float]:
    return [sign * measured["predictions"][name] for name in data.names]


if __name__ == "__main__":
    sys.exit(main())
