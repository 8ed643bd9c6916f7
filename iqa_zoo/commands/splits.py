"""``iqa-zoo splits``: make, read and check a file with the images of the training, validation and test parts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.dataset_options import add_dataset_options, add_split_options, find_look_alikes, load_dataset
from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.commands.shared import add_json_option, console, make_table, parse_path, parse_seed, show_result
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_writable

if TYPE_CHECKING:
    from iqa_zoo.data.look_alikes import LookAlikes
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import Split

DEFAULTS = {"splits": 10, "seed": 0, "test_fraction": 0.2, "validation_fraction": 0.1}
OFFICIAL = ("seed", "validation_fraction")  # what counts with --official


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "splits",
        help="make or check a file of train, validation and test parts",
        description="Split a dataset, all images of one content in one part, and write a file that names the images "
        "of each part; or check such a file against the data. Images that look the same count as one content. Exit code "
        "1 if --check-duplicates finds images of two parts that look the same.",
    )
    add_dataset_options(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=parse_path, help="write to a new file (JSON)")
    where.add_argument(
        "--read",
        metavar="FILE",
        type=parse_path,
        help="check an existing file, or one of ARNIQA, LIQE or pyiqa, and print it",
    )
    # No defaults here: an option that was given and does not count must differ from one that was left out.
    parser.add_argument("--splits", type=int, metavar="N", help="how many splits (default: 10)")
    add_deprecated(parser, "--count", "--splits")
    parser.add_argument("--seed", type=parse_seed, metavar="N", help="of the shuffles (default: 0)")
    parser.add_argument("--test-fraction", type=float, metavar="F", help="of the contents (default: 0.2)")
    parser.add_argument(
        "--official",
        action="store_true",
        help="the split of the release; the validation fraction counts where the release has no validation part",
    )
    parser.add_argument("--check-duplicates", action="store_true", help="find images of two parts that look the same")
    add_split_options(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    from iqa_zoo.data.release import format_some
    from iqa_zoo.data.splits import check_leaks, load_splits, save_splits

    data = load_dataset(args)
    compared = args.check_duplicates or not (args.read or args.ignore_look_alikes)
    alike = find_look_alikes(data) if compared else None
    groups = None if args.ignore_look_alikes or alike is None else alike.groups
    splits = load_splits(args.read, data) if args.read else _make(args, data, groups)
    # An official split, or the one of a user's table, may part images of one content; load_splits would refuse it.
    if leaks := [leak for split in splits for leak in check_leaks(data, split)]:
        raise InputError(f"{data.name}: the official split leaks and is not written: {format_some(leaks)}")
    found = {split.id: check_leaks(data, split, alike.pairs if alike else ()) for split in splits}
    if args.output:
        save_splits(args.output, data, splits)
    values = _summarize(str(args.read or args.output), data, splits, alike, found)
    show_result(args, values, lambda: _print(args, data, splits, alike, found))
    return 1 if args.check_duplicates and any(found.values()) else 0


def _check_arguments(args: argparse.Namespace) -> None:
    counts = () if args.read else OFFICIAL if args.official else tuple(DEFAULTS)
    for key in DEFAULTS:
        if getattr(args, key) is not None and key not in counts:
            raise InputError(f"--{key.replace('_', '-')} does not count with --{'read' if args.read else 'official'}")
    if args.read and args.official:
        raise InputError("--official does not count with --read")
    for key, default in DEFAULTS.items():
        if getattr(args, key) is None:
            setattr(args, key, default)
    if args.output is not None:
        check_writable(args.output, new=True)


def _make(args: argparse.Namespace, data: RatedImages, groups: Sequence[str] | None) -> list[Split]:
    from iqa_zoo.data.splits import load_official_split, make_splits

    if args.official:
        return [load_official_split(data, args.validation_fraction, args.seed, groups)]
    return make_splits(data, args.splits, args.seed, args.test_fraction, args.validation_fraction, groups)


def _sizes(data: RatedImages, split: Split) -> dict[str, int]:
    sizes = {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}
    return {**sizes, "unused": len(data) - sum(sizes.values())}


def _summarize(
    file: str,
    data: RatedImages,
    splits: Sequence[Split],
    alike: LookAlikes | None,
    found: dict[str, list[str]],
) -> dict[str, Any]:
    return {
        "dataset": data.name,
        "file": file,
        "images": len(data),
        "contents": len(set(data.contents)),
        **({"look_alikes": alike.pairs} if alike and alike.pairs else {}),
        "splits": [{"id": split.id, **_sizes(data, split), "leaks": found[split.id]} for split in splits],
    }


def _print(
    args: argparse.Namespace,
    data: RatedImages,
    splits: Sequence[Split],
    alike: LookAlikes | None,
    found: dict[str, list[str]],
) -> None:
    grouped = f" of {len(set(data.contents))} contents, each in one part" if data.references is not None else ""
    print(f"{data.name}: {len(data)} images{grouped}")
    table = make_table("split", "id", "train", "validation", "test", "unused")
    for number, split in enumerate(splits, start=1):
        table.add_row(str(number), split.id, *map(str, _sizes(data, split).values()))
    console().print(table)
    if alike and args.check_duplicates:
        apart = sum(map(len, found.values()))
        print(
            f"contents that look the same: {len(alike.pairs)} pairs of images; in different parts, over all splits: {apart}"
        )
    elif alike and alike.pairs and not args.official:
        print(alike.describe())
    for number, split in enumerate(splits, start=1):
        for leak in found[split.id]:
            print(f"split {number}: {leak}")
    print(f"{args.read}: fits the data" if args.read else f"written to {args.output}")
