"""``iqa-zoo power``: the SROCC gap that a dataset can detect, before training."""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

from iqa_zoo.cards import find_published, load_cards
from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import add_json_option, console, make_table, parse_count, show_result
from iqa_zoo.data.loading import find_release
from iqa_zoo.errors import InputError
from iqa_zoo.registry import DATASETS

TEST_FRACTION = 0.2
REFERENCE = "deiqt"  # its published SROCC is the base: a strong model of the kind built here. The gap depends on it.
ASSUMED = 0.85
SHARED = ("agiqa3k",)  # several images of one prompt, which splits keep together; the release does not say how many
POWERS = (0.5, 0.95)  # also shown, where there is one dataset


class Size(NamedTuple):
    """Images and contents of a dataset and of its test part; no number of contents where none is known.

    Where images do not share contents, each is its own.
    """

    images: int
    shared_contents: bool
    contents: int | None
    test_images: int
    test_contents: int | None


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "power",
        help="say what SROCC gap a dataset can detect, before training",
        description="Simulate what gap in SROCC between two models a test part of 20 % of a dataset can detect: by "
        "Williams' test on one split, by the corrected t interval over several. Needs no data where the size of the "
        "release is known. Test images are drawn anew; that training again gives another model comes on top.",
    )
    add_dataset_options(parser, "--data", several=True, skip_unreadable=False)
    parser.add_argument("--images", type=int, metavar="N", help="images in the dataset; those of the release, if not")
    parser.add_argument(
        "--splits", type=parse_count, default=1, metavar="N", help="random splits compared (default: 1)"
    )
    parser.add_argument(
        "--base",
        type=_share,
        metavar="SROCC",
        help=f"of the weaker model; the published one of DEIQT, or {ASSUMED} where there is none, if not given",
    )
    parser.add_argument(
        "--error-correlation",
        type=float,
        default=0.5,
        metavar="R",
        help="how alike both models err, 0 to below 1 (default: 0.5); decoders on one frozen backbone err alike",
    )
    parser.add_argument("--power", type=_share, default=0.8, metavar="P", help="chance to detect it (default: 0.8)")
    parser.add_argument("--level", type=_share, default=0.05, metavar="A", help="of the test (default: 0.05)")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    names = _names(args)
    if args.power <= args.level:
        raise InputError(
            f"--power {args.power} is not above --level {args.level}, the chance to find what is not there"
        )
    sizes = {name: _size(args, name) for name in names}
    powers = sorted(
        {args.power, *(power for power in POWERS if power > args.level)} if len(names) == 1 else [args.power]
    )
    results = []
    with progress_bar("simulating") as progress:
        for name, size in sizes.items():
            published = find_published(load_cards(), REFERENCE, name)
            if args.base is not None:
                base, source = args.base, "given"
            else:
                base, source = (published[0], "published, DEIQT") if published else (ASSUMED, "assumed")
            gaps = {power: _gap(args, size.test_images, base, power) for power in powers}
            results.append(
                {
                    "dataset": name,
                    **size._asdict(),
                    "splits": args.splits,
                    "base": base,
                    "base_from": source,
                    **{key: getattr(args, key) for key in ("error_correlation", "level", "power")},
                    "gap": gaps[args.power],
                    "gap_by_power": [{"power": power, "gap": gap} for power, gap in gaps.items()],
                }
            )
            if progress is not None:
                progress(len(results), len(names))
    show_result(args, results, lambda: _print(args, results))
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    every = [name for name in DATASETS.built_in() if find_release(name) is not None] if "all" in args.data else []
    names = list(dict.fromkeys(each for name in args.data for each in (every if name == "all" else [name])))
    for name in names:
        DATASETS.get(name)
    for flag, value in (("--root", args.root), ("--images", args.images)):
        if value is not None and len(names) > 1:
            raise InputError(f"{flag} is of one dataset; {len(names)} are given: {', '.join(names)}")
    if args.option and args.root is None:
        raise InputError("--option is for reading a dataset; give --root PATH as well")
    return names


def _size(args: argparse.Namespace, name: str) -> Size:
    release = find_release(name)
    contents = release.contents if release is not None else None
    if args.root is None and args.images is not None:
        images = args.images
    elif args.root is None and release is not None:
        images = release.images
    else:
        if args.root is None and name != "demo":
            raise InputError(f"{name}: its size is not known before it is read; give --root PATH or --images N")
        data = load_dataset(argparse.Namespace(**{**vars(args), "data": name}))
        images = args.images if args.images is not None else len(data)
        contents = len(set(data.references)) if data.references is not None else None
    if contents is None:
        return Size(images, name in SHARED and args.root is None, None, _tested(images), None)
    # Contents of one size, which those of the releases are, or nearly.
    return Size(images, True, contents, round(images * _tested(contents) / contents), _tested(contents))


def _tested(count: int) -> int:
    return count - round((1 - TEST_FRACTION) * count)  # as make_splits counts


def _gap(args: argparse.Namespace, test_images: int, base: float, power: float) -> float | None:
    """Return the gap detected with a power; None where even a perfect model cannot be distinguished from the base."""
    from iqa_zoo.stats.power import compute_gap_ratio, find_detectable_gap

    gap = find_detectable_gap(
        test_images, base, error_correlation=args.error_correlation, power=power, level=args.level
    )
    if args.splits > 1:
        gap *= compute_gap_ratio(args.splits, power, args.level, TEST_FRACTION)
    return gap if gap < 1 - base else None


def _print(args: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    splits = "one split" if args.splits == 1 else f"{args.splits} splits"
    powers = [each["power"] for each in results[0]["gap_by_power"]]
    gaps = [f"gap at {100 * power:g} %" for power in powers]
    table = make_table("dataset", "images", "contents", "test images", "test contents", "base SROCC", *gaps)
    for result in results:
        no_number = "not known" if result["shared_contents"] else "each image"
        sizes = [str(result[key] or no_number) for key in ("images", "contents", "test_images", "test_contents")]
        found = ["none" if each["gap"] is None else f"{each['gap']:.3f}" for each in result["gap_by_power"]]
        table.add_row(result["dataset"], *sizes, f"{result['base']:g} ({result['base_from']})", *found)
    console().print(table)
    if len(results) == 1:
        print(_sentence(results[0], splits))
    print(
        f"Test: two-sided, level {args.level:g}; {splits}, test part {100 * TEST_FRACTION:g} %; errors of the two models "
        f"correlate by {args.error_correlation:g}. What differs from training to training comes on top."
    )
    shared = [result for result in results if result["shared_contents"]]
    if shared:
        few = [f"{each['dataset']} ({each['test_contents'] or 'unknown'} contents in the test part)" for each in shared]
        print(f"Images share contents in {', '.join(few)} but count as independent here: the true gap is larger.")


def _sentence(result: dict[str, Any], splits: str) -> str:
    start = f"{splits[0].upper()}{splits[1:]} of {result['dataset']} ({result['test_images']} test images)"
    verb = "tells" if splits == "one split" else "tell"
    if result["gap"] is None:
        return f"{start} cannot {verb.removesuffix('s')} even a perfect model from one of SROCC {result['base']:g}."
    return (
        f"{start} {verb} a model of SROCC {result['base']:g} from one that is better by {result['gap']:.3f} in "
        f"{100 * result['power']:g} of 100 comparisons; a smaller gap more often stays undecided."
    )


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value
