"""What several subcommands need: where they print, values of arguments, models, and the options that mean one thing everywhere."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console

from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.config import Config, load_config
from iqa_zoo.config_file import parse_value
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.errors import ConfigError, InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import check_writable, write_text

PIPE_WIDTH = 160  # a pipe or a file has no width of its own, and 80 columns would cut the tables
STDOUT = Path("-")
MOST_CROPS = 1000  # of an image: 600 MB at 224 pixels a side
MODEL = "a model: its name, a .yaml or .json file, or the folder of a training"


def console() -> Console:
    """Return a console on stdout that prints text as it is, without markup, colours only in a terminal."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else PIPE_WIDTH, markup=False, highlight=False, emoji=False)


def parse_path(text: str) -> Path:
    """Read the path of an argument; an empty one, as a shell variable without a value gives, is not the current folder.

    Raises:
        ArgumentTypeError: it is empty, or holds a null character.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path; write . for the current folder")
    return Path(text)


def parse_count(text: str) -> int:
    """Read a whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def parse_seed(text: str) -> int:
    """Read a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def parse_crops(text: str) -> int:
    """Read the number of crops of an image; all of them are in memory at once."""
    if (crops := parse_count(text)) > MOST_CROPS:
        raise argparse.ArgumentTypeError(f"{text} crops an image are too many; at most {MOST_CROPS}")
    return crops


def print_json(value: Any) -> None:
    """Print strict JSON: a number that is not finite is null."""
    print(to_json(value, indent=2))


def _parse_pair(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not KEY=VALUE, for example head.num_experts=8 (other arguments go before --set)"
        )
    try:
        return path.strip(), parse_value(value)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{path}: {'; '.join(error.problems)}") from error


SET = (
    "replace values of the config by dotted path, for example head.num_experts=8 "
    "'interactions.*.num_heads=8' 'backbone.stages=[2, 3]' memory=null"
)


def add_set_option(parser: argparse._ActionsContainer, flag: str = "--set", words: str = SET) -> None:
    """Add ``--set KEY=VALUE ...`` or another flag like it; ``dict(args.set)`` are the overrides."""
    parser.add_argument(flag, metavar="KEY=VALUE", nargs="+", action="extend", default=[], type=_parse_pair, help=words)


def load_model(name: str, overrides: Iterable[tuple[str, Any]] = (), backbone: str | None = None) -> Config:
    """Return the config of a model that a command names: a zoo name, a config file or the folder of a training.

    Args:
        name: of the model.
        overrides: of ``--set``.
        backbone: puts the model on another backbone, before the overrides.

    Raises:
        UnknownName: no such model.
        ConfigError: a file or an override with problems; names the model.
    """
    try:
        cfg = load_config(name)
        if backbone is not None:
            from iqa_zoo.placing import make_backbone_config

            cfg["backbone"] = make_backbone_config(backbone, [cfg])
        return apply_overrides(cfg, dict(overrides))
    except ConfigError as error:
        raise ConfigError(error.problems, title=f"{name}, {error.title}") from error


def add_crops_option(parser: argparse._ActionsContainer, words: str = "crops an image") -> None:
    parser.add_argument(
        "--crops", type=parse_crops, metavar="N", help=f"{words}; as many as in the training's test where left out"
    )


def add_device_option(parser: argparse._ActionsContainer, names: str = "cpu, cuda or cuda:N") -> None:
    parser.add_argument("--device", metavar="NAME", help=f"{names}; CUDA where there is one")


def add_run_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--run RUN``, a trained model; ``args.trained`` is its folder."""
    parser.add_argument(
        "--run", dest="trained", metavar="RUN", type=parse_path, required=True, help="the folder of a training"
    )
    add_deprecated(parser, "--weights", "--run")


def add_split_file_options(parser: argparse._ActionsContainer, words: str, which: str) -> None:
    """Add ``--split-file FILE`` and ``--split N``, the number of a split in it."""
    parser.add_argument(
        "--split-file", metavar="FILE", type=parse_path, help=f"splits that iqa-zoo splits wrote{words}"
    )
    add_deprecated(parser, "--splits", "--split-file")
    parser.add_argument("--split", type=parse_count, metavar="N", help=f"{which}, counted from 1 (default: 1)")


def add_json_option(parser: argparse._ActionsContainer, words: str = "JSON") -> None:
    """Add ``--json [FILE]``, for :func:`show_result`."""
    _add_output_option(parser, "--json", words)


def add_csv_option(parser: argparse._ActionsContainer, words: str) -> None:
    """Add ``--csv [FILE]``, for :func:`show_result`."""
    _add_output_option(parser, "--csv", words)


def _add_output_option(parser: argparse._ActionsContainer, flag: str, words: str) -> None:
    suffix = f".{flag.removeprefix('--')}"

    def parse_output(text: str) -> Path:
        path = parse_path(text)
        if path != STDOUT and path.suffix.lower() != suffix:  # a MODEL or a folder that follows the flag is not a FILE
            raise argparse.ArgumentTypeError(f"{text!r} does not end in {suffix} (other arguments go before {flag})")
        return path

    parser.add_argument(
        flag,
        nargs="?",
        const=STDOUT,
        type=parse_output,
        metavar="FILE",
        help=f"print {words}; with FILE, write it to this new file",
    )


def check_outputs(args: argparse.Namespace) -> None:
    """Check, before the work, that the files of ``--json`` and ``--csv`` can be written.

    Raises:
        InputError: a file exists or cannot be written, or both are to be printed.
    """
    targets = [getattr(args, name, None) for name in ("json", "csv")]
    if targets.count(STDOUT) > 1:
        raise InputError("only one of --json and --csv can go to stdout; give the other a FILE")
    for target in targets:
        if target not in (None, STDOUT):
            check_writable(target, new=True)


def show_result(
    args: argparse.Namespace, values: Any, print_text: Callable[[], object], make_csv: Callable[[], str] | None = None
) -> None:
    """Print a result: as JSON or CSV where ``--json`` or ``--csv`` asks for it, else as text. Write the files that they name.

    Args:
        args: parsed by a parser with :func:`add_json_option`, and :func:`add_csv_option` where ``make_csv`` is given.
        values: what is written as JSON.
        print_text: prints the result for a reader.
        make_csv: returns the result as CSV.

    Raises:
        InputError: a file cannot be written; the result was printed before.
    """
    outputs: list[tuple[Path | None, Callable[[], str]]] = [(args.json, lambda: to_json(values, indent=2) + "\n")]
    if make_csv is not None:
        outputs.append((args.csv, make_csv))
    printed = [make() for target, make in outputs if target == STDOUT]
    for text in printed:
        print(text, end="")
    if not printed:
        print_text()
    for target, make in outputs:
        if target is not None and target != STDOUT:
            write_text(target, make())
            print(f"written to {target}", file=sys.stderr if printed else sys.stdout)
