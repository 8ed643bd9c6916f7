"""``iqa-zoo splits``: make, read and check the file that says which images train, validate and test."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset, progress_bar
from iqa_zoo.commands.shared import console, print_json
from iqa_zoo.errors import InputError

if TYPE_CHECKING:
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import Split

DEFAULTS = {"count": 10, "seed": 0, "test_fraction": 0.2, "validation_fraction": 0.1}
OFFICIAL = ("seed", "validation_fraction")  # what counts with --official


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "splits",
        help="make or check a file of train, validation and test parts",
        description="Split a dataset, all images of one content in one part, and write a file that names the images "
        "of each part; or check such a file against the data. Exit code 1 if images of two parts look the same.",
    )
    add_dataset_options(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to a new file (JSON)")
    where.add_argument("--read", metavar="FILE", type=Path, help="check an existing file and print it")
    # No defaults here: what was given and does not count must be told from what was left out.
    parser.add_argument("--count", type=int, metavar="N", help="how many splits (default: 10)")
    parser.add_argument("--seed", type=_seed, metavar="N", help="of the shuffles (default: 0)")
    parser.add_argument("--test-fraction", type=float, metavar="F", help="of the contents (default: 0.2)")
    parser.add_argument(
        "--validation-fraction", type=float, metavar="F", help="of the training contents (default: 0.1)"
    )
    parser.add_argument(
        "--official",
        action="store_true",
        help="the split of the release; the validation fraction counts where the release has no validation part",
    )
    parser.add_argument(
        "--check-duplicates", action="store_true", help="look for images of two parts that look the same"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    from iqa_zoo.data.release import some
    from iqa_zoo.data.splits import check_leaks, load_splits, save_splits

    with progress_bar(f"reading {args.data}") as progress:
        data = load_dataset(args, progress)
    splits = load_splits(args.read, data) if args.read else _make(args, data)
    # An official split, or the one of a user's table, may part images of one content; load_splits would refuse it.
    if leaks := [leak for split in splits for leak in check_leaks(data, split)]:
        raise InputError(f"{data.name}: the official split leaks and is not written: {some(leaks)}")
    pairs = _look_the_same(data) if args.check_duplicates else None
    found = {split.id: check_leaks(data, split, pairs or ()) for split in splits}
    if args.output:
        save_splits(args.output, data, splits)
    if args.json:
        print_json(_as_dict(args, data, splits, found))
    else:
        _print(args, data, splits, pairs, found)
    return 1 if any(found.values()) else 0


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
    if args.output is None:
        return
    if args.output.exists():
        raise InputError(f"{args.output}: exists already; choose another name or remove it")
    if not args.output.parent.is_dir():
        raise InputError(f"{args.output}: there is no folder {args.output.parent}")


def _make(args: argparse.Namespace, data: RatedImages) -> list[Split]:
    from iqa_zoo.data.splits import make_splits, official_split

    if args.official:
        return [official_split(data, args.validation_fraction, args.seed)]
    return make_splits(data, args.count, args.seed, args.test_fraction, args.validation_fraction)


def _look_the_same(data: RatedImages) -> list[tuple[str, str]]:
    import numpy as np

    from iqa_zoo.data.duplicates import near_duplicates, perceptual_hash
    from iqa_zoo.data.images import read_image

    hashes = []
    with progress_bar("looking for duplicates") as progress:
        for path in data.paths:
            hashes.append(perceptual_hash(read_image(path)))
            if progress is not None:
                progress(len(hashes), len(data))
    pairs = near_duplicates(np.array(hashes))
    # Distorted versions of one content look alike by design, and are in one part.
    return [(data.names[a], data.names[b]) for a, b in pairs if data.contents[a] != data.contents[b]]


def _sizes(data: RatedImages, split: Split) -> dict[str, int]:
    sizes = {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}
    return {**sizes, "unused": len(data) - sum(sizes.values())}


def _as_dict(
    args: argparse.Namespace, data: RatedImages, splits: Sequence[Split], found: dict[str, list[str]]
) -> dict[str, Any]:
    return {
        "dataset": data.name,
        "file": str(args.read or args.output),
        "images": len(data),
        "contents": len(set(data.contents)),
        "splits": [{"id": split.id, **_sizes(data, split), "leaks": found[split.id]} for split in splits],
    }


def _print(
    args: argparse.Namespace,
    data: RatedImages,
    splits: Sequence[Split],
    pairs: list[tuple[str, str]] | None,
    found: dict[str, list[str]],
) -> None:
    grouped = f" of {len(set(data.contents))} contents, each in one part" if data.references is not None else ""
    print(f"{data.name}: {len(data)} images{grouped}")
    table = Table("split", "id", "train", "validation", "test", "unused")
    for number, split in enumerate(splits, start=1):
        table.add_row(str(number), split.id, *map(str, _sizes(data, split).values()))
    console().print(table)
    if pairs is not None:
        apart = sum(map(len, found.values()))
        print(
            f"contents that look the same: {len(pairs)} pairs of images; in different parts, over all splits: {apart}"
        )
    for number, split in enumerate(splits, start=1):
        for leak in found[split.id]:
            print(f"split {number}: {leak}")
    print(f"{args.read}: fits the data" if args.read else f"written to {args.output}")


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
