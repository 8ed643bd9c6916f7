"""``iqa-zoo score``: scores of any images by a trained model."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from iqa_zoo.commands.dataset_options import progress_bar
from iqa_zoo.commands.shared import print_json
from iqa_zoo.data.listing import gather_images, printable
from iqa_zoo.errors import CheckpointError, InputError, UnknownName, not_one_of

if TYPE_CHECKING:
    from iqa_zoo.engine.scoring import ScoredImage
    from iqa_zoo.engine.trainable import Trainable

COLUMNS = ("image", "score", "height", "width", "note")
INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "score",
        help="score images with a trained model",
        description="Score images of any size with a model that iqa-zoo train trained. A score depends on the pixels of "
        "its image alone. An image smaller than the model's input is enlarged, and its note says so. An image that "
        "cannot be read is named on stderr, the others are scored, and the exit code is 1. What a folder holds that is no "
        "image is counted on stderr.",
    )
    parser.add_argument("images", metavar="IMAGE|FOLDER", nargs="+", type=Path, help="image files, or folders of them")
    parser.add_argument("--weights", metavar="RUN", type=Path, required=True, help="the folder of a training")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help="write to a new .csv or .json file")
    parser.add_argument(
        "--recursive", action="store_true", help="search the folders of a folder as well, linked ones included"
    )
    parser.add_argument(
        "--crops", type=whole, metavar="N", help="crops an image; as many as in the training's test where left out"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N; CUDA where there is one")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.output is not None:
        if args.output.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"{args.output}: give a file that ends in .csv or .json")
        check_new(args.output)
    listing = gather_images(args.images, args.recursive)
    paths = listing.paths
    check_run(args.weights)
    from iqa_zoo.engine.scoring import score_images
    from iqa_zoo.engine.training import load_run

    trainable, trained = load_run(args.weights, args.device)
    crops = args.crops or trained["recipe"]["test_crops"]
    meaning = {**trained["data"], "model_hash": trained["model_hash"], "run": str(args.weights), "crops": crops}
    plain = _is_plain(args)
    print(in_words(trained, crops), file=sys.stdout if plain else sys.stderr, flush=True)
    for reason in listing.unreadable:
        print(f"iqa-zoo: not scored: {reason}", file=sys.stderr)
    if left_out := listing.describe_left_out():
        print(f"iqa-zoo: {left_out}", file=sys.stderr)
    unread = []
    done = 0
    with _writing(args, meaning) as write:
        try:
            for result in _scored(trainable, paths, crops, score_images, bar=not plain):
                write(result)
                done += 1
                if result.error:
                    unread.append(result.error)
                    print(f"iqa-zoo: not scored: {result.error}", file=sys.stderr)
        except KeyboardInterrupt:
            kept = f", kept in {args.output}" if args.output else ""
            print(f"iqa-zoo: interrupted: {done} of {len(paths)} images are done{kept}", file=sys.stderr)
            return INTERRUPTED
    if args.output:
        print(f"{done - len(unread)} of {len(paths)} images scored, written to {args.output}", file=sys.stderr)
    return 1 if unread or listing.unreadable else 0


def check_run(path: Path) -> None:
    """Refuse what is no folder of ``iqa-zoo train`` with weights.

    Raises:
        UnknownName: there is no such folder.
        CheckpointError: a file, or a folder of something else; says what to give.
    """
    from iqa_zoo.engine.run_folder import FORMAT, RunFolder

    if not path.exists():
        beside = [each.name for each in path.parent.iterdir() if each.is_dir()] if path.parent.is_dir() else []
        raise UnknownName(not_one_of(path.name, beside, "run") + f" (folders of {path.parent})")
    if not path.is_dir():
        raise CheckpointError(
            f"{path} is a file; give the folder that iqa-zoo train wrote: scores need its run.json as well, which says "
            "what the weights are of and on which scale their scores are"
        )
    run = RunFolder(path).read("run")
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a run of iqa-zoo train: run.json does not say {FORMAT!r} as its format")


def check_new(path: Path) -> None:
    """Refuse to write a file that exists already or whose folder does not.

    Raises:
        InputError: either.
    """
    if path.exists():
        raise InputError(f"{path}: exists already; choose another name or remove it")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")


def in_words(trained: Mapping[str, Any], crops: int) -> str:
    """What the scores of a run mean."""
    data = trained["data"]
    low, high = data["score_range"]
    better = "higher" if data["higher_is_better"] else "lower"
    return (
        f"Scores predict the labels of {data['name']} ({data['label']}), {low:g} to {high:g}, {better} is better; the "
        f"model was trained on split {trained['split']} of it. A score is the mean of {crops} crops of the image."
    )


def whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _scored(
    trainable: Trainable, paths: Sequence[Path], crops: int, score_images: Any, *, bar: bool
) -> Iterator[ScoredImage]:
    if not bar:  # the lines themselves show how far it is
        yield from score_images(trainable, paths, crops)
        return
    with progress_bar("scoring") as progress:
        for done, result in enumerate(score_images(trainable, paths, crops), start=1):
            yield result
            if progress is not None:
                progress(done, len(paths))


@contextmanager
def _writing(args: argparse.Namespace, meaning: Mapping[str, Any]) -> Iterator[Callable[[ScoredImage], None]]:
    """A function that takes each result where it is wanted; whatever ends the work, what it took is kept."""
    rows: list[dict[str, Any]] = []
    to_csv = args.output is not None and args.output.suffix.lower() == ".csv"
    with ExitStack() as open_files:
        streams: list[TextIO] = [sys.stdout] if args.csv else []
        if to_csv:
            streams.append(open_files.enter_context(args.output.open("w", encoding="utf-8", newline="")))
        tables = [(stream, csv.DictWriter(stream, COLUMNS, lineterminator="\n")) for stream in streams]
        for _, table in tables:
            table.writeheader()

        def write(result: ScoredImage) -> None:
            rows.append(_row(result))
            for stream, table in tables:  # line by line, so that a killed program has lost nothing
                table.writerow(rows[-1])
                stream.flush()
            if _is_plain(args) and not result.error:
                print(
                    f"{result.score:10.4f}  {printable(result.path)}" + (f"  ({result.note})" if result.note else ""),
                    flush=True,
                )

        try:
            yield write
        finally:
            content = {"scores": meaning, "images": rows}
            if args.output is not None and not to_csv:
                _write_json(args.output, content)
            if args.json:
                print_json(content)


def _is_plain(args: argparse.Namespace) -> bool:
    """Whether the scores are printed for a reader, line by line."""
    return args.output is None and not args.json and not args.csv


def _row(result: ScoredImage) -> dict[str, Any]:
    size = {"height": result.height, "width": result.width}
    return {"image": printable(result.path), "score": result.score, **size, "note": result.error or result.note}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, path)
