"""``iqa-zoo score``: scores of any images by a trained model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.corpus import add_corpus_options, is_corpus_output, refuse_corpus_options, score_to_parquet
from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.commands.hub_run import load_scorer, parse_run
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.score_text import COLUMNS, format_csv_line, format_heading, format_line, make_row
from iqa_zoo.commands.shared import (
    STDOUT,
    add_crops_option,
    add_device_option,
    add_json_option,
    add_output_option,
    console,
    parse_path,
    print_json,
    show_result,
)
from iqa_zoo.data.listing import gather_images
from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import check_writable
from iqa_zoo.program import find_exit_code
from iqa_zoo.row_file import RowFile
from iqa_zoo.trained.names import DEFAULT, list_trained

if TYPE_CHECKING:
    from iqa_zoo.inference.score import Score, ScoreMeaning


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "score",
        help="score images with a trained model",
        description="Score images of any size with a trained model. A score depends on the pixels of its image alone. It stands "
        "on the scale of the ratings that the model was trained on, with an interval, the percentage of the rated photographs "
        "that are of lower quality, a word of ITU-R BT.500, and flags: enlarged (smaller than the model's input), outside the "
        "range of the ratings, unlike the training photographs, look-alike of one of them. The last line says what the scores "
        "depend on, to be cited. An image that has no score (it cannot be read, or the model gives nan) is named on stderr, the "
        "others are scored, and the exit code is 1. What a folder holds that is no image is counted on stderr.",
    )
    parser.add_argument(
        "images",
        metavar="IMAGE|FOLDER",
        nargs="*",
        type=parse_path,
        help="image files, or folders of them; with Parquet output also tar files (WebDataset), Parquet files, and folders of these",
    )
    parser.add_argument(
        "--run",
        dest="trained",
        metavar="RUN",
        type=parse_run,
        default=DEFAULT,
        help=f"name of a trained model, the folder of a training, or hf://user/name@revision (default: {DEFAULT})",
    )
    add_deprecated(parser, "--weights", "--run")
    parser.add_argument("--models", action="store_true", help="list the trained models with names, and stop")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        type=parse_path,
        help="write to a new .csv or .json file; to a .parquet file or a folder of Parquet parts, shard by shard, which goes on where it was stopped",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="search the folders of a folder as well, linked ones included"
    )
    add_crops_option(parser)
    add_device_option(parser)
    add_corpus_options(parser)
    form = parser.add_mutually_exclusive_group()
    add_json_option(form)
    add_output_option(form, "--csv", "CSV")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    if args.models:
        return _list_models(args)
    if not args.images:
        args.parser.error("the following arguments are required: IMAGE|FOLDER")
    for target in (args.json, args.csv):
        if target not in (None, STDOUT):
            if args.output is not None:
                raise InputError(f"give one file: -o {args.output} or {target}")
            args.output = target
    if is_corpus_output(args.output):
        return score_to_parquet(args)
    refuse_corpus_options(args)
    if args.output is not None:
        if args.output.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"{args.output}: give a file that ends in .csv, .json or .parquet, or a folder")
        check_writable(args.output, new=True)
    listing = gather_images(args.images, args.recursive)
    scorer = load_scorer(args.trained, args.device, args.crops)
    for reason in listing.unreadable:
        print(f"iqa-zoo: not scored: {reason}", file=sys.stderr)
    if left_out := listing.describe_left_out():
        print(f"iqa-zoo: {left_out}", file=sys.stderr)
    without_score = done = 0
    bar = nullcontext() if _is_plain(args) else progress_bar("scoring")  # printed scores themselves show the progress
    with _writing(args, scorer.meaning) as write, bar as progress:
        try:
            for result in scorer.score_each(listing.paths):
                write(result)
                done += 1
                if progress is not None:
                    progress(done, len(listing.paths))
                if result.error:
                    without_score += 1
                    print(f"iqa-zoo: not scored: {result.error}", file=sys.stderr)
        except KeyboardInterrupt as interrupt:
            kept = f", kept in {args.output}" if args.output else ""
            print(f"iqa-zoo: interrupted: {done} of {len(listing.paths)} images are done{kept}", file=sys.stderr)
            return find_exit_code(interrupt)
    if args.output:
        print(
            f"{done - without_score} of {len(listing.paths)} images scored, written to {args.output}", file=sys.stderr
        )
    print(scorer.meaning.format_signature(), file=sys.stdout if _is_plain(args) else sys.stderr)
    return 1 if without_score or listing.unreadable else 0


def _list_models(args: argparse.Namespace) -> int:
    from iqa_zoo.commands.score_text import make_models_table
    from iqa_zoo.trained.entry import read_trained

    entries = [read_trained(name) for name in list_trained()]
    values = {"default": DEFAULT, "models": [entry.to_dict() for entry in entries]}
    show_result(args, values, lambda: console().print(make_models_table(entries).rich()))
    return 0


@contextmanager
def _writing(args: argparse.Namespace, meaning: ScoreMeaning) -> Iterator[Callable[[Score], None]]:
    """Yield a function that writes each result at once, so that results are kept whatever ends the work."""
    rows: list[dict[str, Any]] = []
    to_csv = args.output is not None and args.output.suffix.lower() == ".csv"
    with ExitStack() as opened:
        file: RowFile | None = None
        if args.output is not None:
            head = f'{{"scores": {to_json(meaning.to_dict())},\n"images": [\n'
            form = dict(head=format_csv_line(COLUMNS)) if to_csv else dict(head=head, separator=",\n", tail="\n]}\n")
            file = opened.enter_context(RowFile(args.output, **form))
        if args.csv == STDOUT:
            print(format_csv_line(COLUMNS), end="")
        if _is_plain(args):
            print(format_heading(meaning), flush=True)

        def write(result: Score) -> None:
            row = make_row(result)
            rows.append(row)
            if file is not None:
                file.add(format_csv_line(row.values()) if to_csv else to_json(row))
            if args.csv == STDOUT:
                print(format_csv_line(row.values()), end="", flush=True)
            if _is_plain(args) and not result.error:
                print(format_line(result, meaning), flush=True)

        try:
            yield write
        finally:
            if args.json == STDOUT:
                print_json({"scores": meaning.to_dict(), "images": rows})


def _is_plain(args: argparse.Namespace) -> bool:
    """Return whether the scores are printed as text, line by line."""
    return args.output is None and STDOUT not in (args.json, args.csv)
