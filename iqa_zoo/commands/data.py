"""``iqa-zoo data``: which datasets there are; download one; what is wrong with one on disk."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.commands import data_get
from iqa_zoo.commands.dataset_options import add_dataset_options, make_source
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import add_json_option, console, make_table, show_result
from iqa_zoo.data.loading import check_root, find_release, read_options
from iqa_zoo.errors import PluginError
from iqa_zoo.registry import DATASETS


def add(commands: Any) -> None:
    parser = commands.add_parser("data", help="list datasets, download one, or check one on disk", description=__doc__)
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="say what of a dataset is there, missing, unreadable and duplicated",
        description="Read a dataset's labels and decode every image; say what is there, missing, unreadable and "
        "duplicated, where to get the release and under which licence. Exit code 1 if it cannot be used as it is.",
    )
    add_dataset_options(check, skip_unreadable=False)
    add_json_option(check)
    check.set_defaults(run=run_check)
    data_get.add(actions)
    list_ = actions.add_parser(
        "list",
        help="list the datasets, their scores, licences and where to get them",
        description="List every dataset with its images, score scale, direction, licence and where to get it.",
    )
    add_json_option(list_)
    list_.set_defaults(run=run_list)


def run_check(args: argparse.Namespace) -> int:
    options, root = read_options(args.data, dict(args.option)), check_root(make_source(args))
    from iqa_zoo.cache import cache_folder
    from iqa_zoo.data.check import check_dataset

    release = find_release(args.data)
    if root is None and not (release and release.box):
        root = cache_folder()
    with progress_bar(f"checking {args.data}") as progress:
        report = check_dataset(args.data, root, progress=progress, **options)
    show_result(args, report.to_dict(), lambda: print("\n".join(report.format_lines())))
    return 0 if report.usable else 1


def run_list(args: argparse.Namespace) -> int:
    from iqa_zoo.data.download.sources import load_sources

    sources = load_sources()
    rows = [{**_row(name), "download": bool(name in sources and sources[name].files)} for name in DATASETS.names()]
    show_result(args, rows, lambda: _print_list(rows))
    return 0


def _print_list(rows: Sequence[Mapping[str, Any]]) -> None:
    table = make_table("dataset", "images", "contents", "scores", "better", "of the ratings")
    for row in rows:
        known = {key: "" if value is None else str(value) for key, value in row.items()}
        scores = f"{row['label']}, {row['score_range'][0]:g}..{row['score_range'][1]:g}" if row["score_range"] else ""
        better = {True: "higher", False: "lower", None: ""}[row["higher_is_better"]]
        ratings = ", ".join(["deviation"] * bool(row["deviations"]) + ["number"] * bool(row["ratings_note"]))
        table.add_row(known["name"], known["images"], known["contents"], scores, better, ratings)
    console().print(table)
    print("of the ratings: what is known of each score, its ratings' standard deviation and their number")
    for row in rows:  # a table would cut the addresses in two
        more = "" if row["note"] else f"; licence: {row['licence']}"
        more += f"; iqa-zoo data get {row['name']}" if row["download"] else ""
        more += "; without --root: features that come with the package" if row["box"] else ""
        print(f"{row['name']}: {row['note'] or row['source']}{more}")


def _row(name: str) -> dict[str, Any]:
    note = f"no release; see iqa-zoo describe {name}"
    try:
        release = find_release(name)
    except PluginError as error:
        release, note = None, str(error)
    keys = ("images", "contents", "label", "score_range", "higher_is_better", "deviations", "ratings", "ratings_note", "licence",
            "source")  # fmt: skip
    known = {key: getattr(release, key, None) for key in keys}
    return {"name": name, **known, "box": bool(release and release.box), "note": None if release else note}
