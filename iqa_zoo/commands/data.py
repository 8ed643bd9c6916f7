"""``iqa-zoo data``: which datasets there are and where to get them; what is wrong with one on disk."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.table import Table

from iqa_zoo.commands.dataset_options import (
    add_dataset_options,
    dataset_options,
    dataset_root,
    progress_bar,
    release_of,
)
from iqa_zoo.commands.shared import console, print_json
from iqa_zoo.errors import PluginError
from iqa_zoo.registry import DATASETS

if TYPE_CHECKING:
    from iqa_zoo.data.check import DatasetReport


def add(commands: Any) -> None:
    parser = commands.add_parser("data", help="list datasets, or check one on disk", description=__doc__)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="say what of a dataset is there, missing, unreadable and duplicated",
        description="Read a dataset's labels and decode every image; say what is there, missing, unreadable and "
        "duplicated, where to get the release and under which licence. Exit code 1 if it cannot be used as it is.",
    )
    add_dataset_options(check, skip_unreadable=False)
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(run=run_check)
    list_ = actions.add_parser(
        "list",
        help="list the datasets, their scores, licences and where to get them",
        description="List every dataset with its images, score scale, direction, licence and where to get it.",
    )
    list_.add_argument("--json", action="store_true", help="print JSON")
    list_.set_defaults(run=run_list)


def run_check(args: argparse.Namespace) -> int:
    options, root = dataset_options(args), dataset_root(args)
    from iqa_zoo.cache import cache_folder
    from iqa_zoo.data.check import check_dataset

    with progress_bar(f"checking {args.data}") as progress:
        report = check_dataset(args.data, root or cache_folder(), progress=progress, **options)
    if args.json:
        print_json(_as_dict(report))
    else:
        for line in report.format_lines():
            print(line)
    return 0 if report.usable else 1


def run_list(args: argparse.Namespace) -> int:
    rows = [_row(name) for name in DATASETS.names()]
    if args.json:
        print_json(rows)
        return 0
    table = Table("dataset", "images", "contents", "scores", "better")
    for row in rows:
        known = {key: "" if value is None else str(value) for key, value in row.items()}
        scores = f"{row['label']}, {row['score_range'][0]:g}..{row['score_range'][1]:g}" if row["score_range"] else ""
        better = {True: "higher", False: "lower", None: ""}[row["higher_is_better"]]
        table.add_row(known["name"], known["images"], known["contents"], scores, better)
    console().print(table)
    for row in rows:  # a table would cut the addresses in two
        print(
            f"{row['name']}: {row['note'] or row['source']}" + ("" if row["note"] else f"; licence: {row['licence']}")
        )
    return 0


def _row(name: str) -> dict[str, Any]:
    note = f"no release; see iqa-zoo describe {name}"
    try:
        release = release_of(name)
    except PluginError as error:
        release, note = None, str(error)
    keys = ("images", "contents", "label", "score_range", "higher_is_better", "licence", "source")
    return {"name": name, **{key: getattr(release, key, None) for key in keys}, "note": None if release else note}


def _as_dict(report: DatasetReport) -> dict[str, Any]:
    data, found = report.data, None
    if data is not None:
        found = {
            "images": len(data),
            "label": data.label,
            "lowest": float(data.mos.min()),
            "highest": float(data.mos.max()),
            "score_range": data.score_range,
            "higher_is_better": data.higher_is_better,
            "contents": len(set(data.contents)),
            "distortions": sorted(set(data.distortions or ()) - {""}),
            "official_split": {part: data.official_split.count(part) for part in sorted(set(data.official_split))}
            if data.official_split is not None
            else None,
        }
    size, image = report.smallest or (None, None)
    return {
        "name": report.name,
        "root": str(report.root),
        "usable": report.usable,
        "expected": report.expected,
        "found": found,
        "missing": [str(path) for path in report.missing],
        "unreadable": report.unreadable,
        "duplicates": report.duplicates,
        "smallest": {"image": image, "height": size[0], "width": size[1]} if size else None,
        "problems": report.problems,
        "licence": report.licence,
        "source": report.source,
    }
