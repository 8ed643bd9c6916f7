"""``iqa-zoo score`` with Parquet output: its options, and what it prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from iqa_zoo.commands.lean_timm import import_lean_timm
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import STDOUT, parse_count
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_folder_writable, check_writable
from iqa_zoo.program import find_exit_code


def add_corpus_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Parquet output")
    group.add_argument(
        "--shard-size",
        type=parse_count,
        metavar="N",
        help="images of a folder that are one shard, and the most that is lost when a process is killed (default: 1000)",
    )
    group.add_argument(
        "--column",
        metavar="NAME",
        help="column of Parquet files with the bytes or paths of images (default: the only one of bytes, or of a usual name)",
    )
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="score on a Ray cluster (auto, local, or ray://HOST:PORT), a shard on each core, or on each GPU with --device cuda; its "
        "machines share this environment, the images and the output",
    )


def is_corpus_output(output: Path | None) -> bool:
    """Return whether scores go to Parquet: a ``.parquet`` file or a folder."""
    if output is None or output.suffix.lower() in (".csv", ".json"):
        return False
    return output.suffix.lower() in (".parquet", "") or output.is_dir()


def refuse_corpus_options(args: argparse.Namespace) -> None:
    """Refuse what only Parquet output has.

    Raises:
        InputError: names the option or the archive, and what to do.
    """
    from iqa_zoo.inference.corpus.shards import is_archive

    given = [
        f"--{name.replace('_', '-')}" for name in ("shard_size", "column", "ray") if getattr(args, name) is not None
    ]
    given += [str(path) for path in args.images if is_archive(path) and path.is_file()]
    if given:
        raise InputError(f"{given[0]} needs Parquet output: give -o scores.parquet, or -o FOLDER")


def score_to_parquet(args: argparse.Namespace) -> int:
    """Score a corpus; return 1 where an image has no score or a shard is not done."""
    if STDOUT in (args.json, args.csv):
        raise InputError(f"scores go to {args.output}; leave out --{'csv' if args.csv else 'json'}")
    from iqa_zoo.inference.corpus.shards import SHARD_SIZE, find_shards
    from iqa_zoo.inference.find_model import find_model
    from iqa_zoo.trained.names import list_trained

    find_model(args.trained)  # before torch is imported
    listing = find_shards(
        args.images, recursive=args.recursive, shard_size=args.shard_size or SHARD_SIZE, column=args.column
    )
    import_lean_timm()
    from iqa_zoo.inference.corpus.score_corpus import Model, find_parts_folder, score_corpus

    folder = find_parts_folder(args.output)
    if folder != args.output:
        check_writable(args.output, new=not folder.is_dir())
    check_folder_writable(folder)
    for reason in listing.unreadable:
        print(f"iqa-zoo: not scored: {reason}", file=sys.stderr)
    if listing.left_out:
        print(f"iqa-zoo: {listing.left_out}", file=sys.stderr)
    named = str(args.trained) in list_trained()
    model = Model(str(args.trained) if named else args.trained.absolute(), args.device, args.crops)
    scorer = model.load()
    done = 0
    with progress_bar("scoring shards") as bar:

        def follow(count: int, total: int) -> None:
            nonlocal done
            done = count
            if bar is not None:
                bar(count, total)

        try:
            result = score_corpus(model, listing.shards, args.output, scorer=scorer, ray=args.ray, progress=follow)
        except KeyboardInterrupt as interrupt:
            print(
                f"iqa-zoo: interrupted: {done} of {len(listing.shards)} shards are done, kept in {folder}; the same command "
                "goes on",
                file=sys.stderr,
            )
            return find_exit_code(interrupt)
    for line in result.failed:
        print(f"iqa-zoo: not done: {line}", file=sys.stderr)
    if result.kept:
        print(f"{result.kept} of {result.shards} shards were done before", file=sys.stderr)
    if result.failed:
        print(
            f"{result.shards - len(result.failed)} of {result.shards} shards are done, kept in {folder}; the same command "
            "tries the others again",
            file=sys.stderr,
        )
    else:
        print(
            f"{result.rows - result.errors} of {result.rows} images scored, written to {args.output}", file=sys.stderr
        )
        if result.errors:
            print(f"{result.errors} images have no score; the column error says why", file=sys.stderr)
    print(scorer.meaning.format_signature(), file=sys.stderr)
    return 1 if result.errors or result.failed or listing.unreadable else 0
