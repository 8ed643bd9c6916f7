"""``iqa-zoo score``: scores of any images by a trained model."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import (
    STDOUT,
    add_crops_option,
    add_device_option,
    add_json_option,
    add_output_option,
    add_run_option,
    parse_path,
    print_json,
)
from iqa_zoo.data.listing import escape_path, gather_images
from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import check_writable
from iqa_zoo.program import INTERRUPTED
from iqa_zoo.row_file import RowFile

if TYPE_CHECKING:
    from iqa_zoo.inference.predict import ScoredImage

COLUMNS = ("image", "score", "height", "width", "note")


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "score",
        help="score images with a trained model",
        description="Score images of any size with a model that iqa-zoo train trained. A score depends on the pixels of "
        "its image alone. An image smaller than the model's input is enlarged, and its note says so. An image that "
        "has no score (it cannot be read, or the model gives nan) is named on stderr, the others are scored, and the exit "
        "code is 1. What a folder holds that is no image is counted on stderr.",
    )
    parser.add_argument(
        "images", metavar="IMAGE|FOLDER", nargs="+", type=parse_path, help="image files, or folders of them"
    )
    add_run_option(parser)
    parser.add_argument("-o", "--output", metavar="FILE", type=parse_path, help="write to a new .csv or .json file")
    parser.add_argument(
        "--recursive", action="store_true", help="search the folders of a folder as well, linked ones included"
    )
    add_crops_option(parser)
    add_device_option(parser)
    form = parser.add_mutually_exclusive_group()
    add_json_option(form)
    add_output_option(form, "--csv", "CSV")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    for target in (args.json, args.csv):
        if target not in (None, STDOUT):
            if args.output is not None:
                raise InputError(f"give one file: -o {args.output} or {target}")
            args.output = target
    if args.output is not None:
        if args.output.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"{args.output}: give a file that ends in .csv or .json")
        check_writable(args.output, new=True)
    listing = gather_images(args.images, args.recursive)
    paths = listing.paths
    from iqa_zoo.inference.run import read_run

    read_run(args.trained)  # before torch is imported
    from iqa_zoo.inference.load_run import load_run
    from iqa_zoo.inference.predict import score_images

    scorer, trained = load_run(args.trained, args.device)
    crops = args.crops or trained.test_crops
    plain = _is_plain(args)
    print(trained.describe_scores(crops), file=sys.stdout if plain else sys.stderr, flush=True)
    for reason in listing.unreadable:
        print(f"iqa-zoo: not scored: {reason}", file=sys.stderr)
    if left_out := listing.describe_left_out():
        print(f"iqa-zoo: {left_out}", file=sys.stderr)
    without_score = done = 0
    bar = nullcontext() if plain else progress_bar("scoring")  # printed scores themselves show the progress
    with _writing(args, trained.describe_meaning(crops)) as write, bar as progress:
        try:
            for result in score_images(scorer, paths, crops):
                write(result)
                done += 1
                if progress is not None:
                    progress(done, len(paths))
                if result.error:
                    without_score += 1
                    print(f"iqa-zoo: not scored: {result.error}", file=sys.stderr)
        except KeyboardInterrupt:
            kept = f", kept in {args.output}" if args.output else ""
            print(f"iqa-zoo: interrupted: {done} of {len(paths)} images are done{kept}", file=sys.stderr)
            return INTERRUPTED
    if args.output:
        print(f"{done - without_score} of {len(paths)} images scored, written to {args.output}", file=sys.stderr)
    return 1 if without_score or listing.unreadable else 0


@contextmanager
def _writing(args: argparse.Namespace, meaning: Mapping[str, Any]) -> Iterator[Callable[[ScoredImage], None]]:
    """Yield a function that writes each result at once, so that results are kept whatever ends the work."""
    rows: list[dict[str, Any]] = []
    to_csv = args.output is not None and args.output.suffix.lower() == ".csv"
    with ExitStack() as opened:
        file: RowFile | None = None
        if args.output is not None:
            head = f'{{"scores": {to_json(meaning)},\n"images": [\n'
            form = dict(head=_csv_line(COLUMNS)) if to_csv else dict(head=head, separator=",\n", tail="\n]}\n")
            file = opened.enter_context(RowFile(args.output, **form))
        if args.csv == STDOUT:
            print(_csv_line(COLUMNS), end="")

        def write(result: ScoredImage) -> None:
            row = _row(result)
            rows.append(row)
            if file is not None:
                file.add(_csv_line(tuple(row.values())) if to_csv else to_json(row))
            if args.csv == STDOUT:
                print(_csv_line(tuple(row.values())), end="", flush=True)
            if _is_plain(args) and not result.error:
                print(
                    f"{result.score:10.4f}  {escape_path(result.path)}" + (f"  ({result.note})" if result.note else ""),
                    flush=True,
                )

        try:
            yield write
        finally:
            if args.json == STDOUT:
                print_json({"scores": meaning, "images": rows})


def _is_plain(args: argparse.Namespace) -> bool:
    """Return whether the scores are printed as text, line by line."""
    return args.output is None and STDOUT not in (args.json, args.csv)


def _row(result: ScoredImage) -> dict[str, Any]:
    """Return the values of an image by ``COLUMNS``."""
    size = {"height": result.height, "width": result.width}
    return {"image": escape_path(result.path), "score": result.score, **size, "note": result.error or result.note}


def _csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
