"""Options, values of arguments, models and outputs of several subcommands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.config import Config, load_config
from iqa_zoo.config_file import parse_value
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.errors import ConfigError, InputError
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import check_writable, write_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 160  # a pipe or a file has no width of its own, and 80 columns would cut the tables
STDOUT = Path("-")
SUFFIXES = {"json": ".json", "csv": ".csv", "markdown": ".md", "latex": ".tex"}
MOST_CROPS = 1000  # of an image: 600 MB at 224 pixels a side
MODEL = "a model: its name, a .yaml or .json file, the folder of a training, or hf://user/name@revision"


def console() -> Console:
    """Return a console on stdout that prints text as it is, without markup, colours only in a terminal."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if known else PIPE_WIDTH, markup=False, highlight=False, emoji=False)


def make_table(*columns: str) -> Table:
    """Return an empty table for :func:`console`."""
    from rich.table import Table

    return Table(*columns)


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


def split_pair(text: str, example: str, flag: str) -> tuple[str, str]:
    """Split KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not KEY=VALUE, for example {example} (other arguments go before {flag})"
        )
    return key.strip(), value


def _parse_override(text: str) -> tuple[str, Any]:
    path, value = split_pair(text, "head.num_experts=8", "--set")
    try:
        return path, parse_value(value)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{path}: {'; '.join(error.problems)}") from error


SET = (
    "replace values of the config by dotted path, for example head.num_experts=8 "
    "'interactions.*.num_heads=8' 'backbone.stages=[2, 3]' memory=null"
)


def add_set_option(parser: argparse._ActionsContainer, flag: str = "--set", text: str = SET) -> None:
    """Add ``--set KEY=VALUE ...`` or another flag like it; ``dict(args.set)`` are the overrides."""
    parser.add_argument(
        flag, metavar="KEY=VALUE", nargs="+", action="extend", default=[], type=_parse_override, help=text
    )


def load_model(name: str, overrides: Iterable[tuple[str, Any]] = (), backbone: str | None = None) -> Config:
    """Return the config of a model that a command names: a zoo name, a config file or the folder of a training.

    ``backbone`` puts it on another backbone, before the ``overrides`` of ``--set``.

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


def add_crops_option(parser: argparse._ActionsContainer, text: str = "crops an image") -> None:
    parser.add_argument(
        "--crops", type=parse_crops, metavar="N", help=f"{text}; as many as in the training's test where left out"
    )


def add_device_option(parser: argparse._ActionsContainer, names: str = "cpu, cuda or cuda:N") -> None:
    parser.add_argument("--device", metavar="NAME", help=f"{names}; CUDA where there is one")


def add_split_file_options(parser: argparse._ActionsContainer, purpose: str, which: str) -> None:
    """Add ``--split-file FILE`` and ``--split N``, the number of a split in it."""
    parser.add_argument(
        "--split-file",
        metavar="FILE",
        type=parse_path,
        help=f"splits that iqa-zoo splits wrote, or those of ARNIQA, LIQE or pyiqa{purpose}",
    )
    add_deprecated(parser, "--splits", "--split-file")
    parser.add_argument("--split", type=parse_count, metavar="N", help=f"{which}, counted from 1 (default: 1)")


def add_json_option(parser: argparse._ActionsContainer, content: str = "JSON") -> None:
    add_output_option(parser, "--json", content)


def add_output_option(parser: argparse._ActionsContainer, flag: str, content: str) -> None:
    """Add ``--json [FILE]``, ``--csv [FILE]``, ``--markdown [FILE]`` or ``--latex [FILE]``, for :func:`show_result`."""
    suffix = SUFFIXES[flag.removeprefix("--")]

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
        help=f"print {content}; with FILE, write it there",
    )


def check_outputs(args: argparse.Namespace, *, new: bool = True) -> None:
    """Check, before the work, that the files of ``--json``, ``--csv``, ``--markdown`` and ``--latex`` can be written.

    Raises:
        InputError: a file exists although it must be ``new``, or cannot be written, or two results are to be printed.
    """
    targets = {f"--{form}": getattr(args, form, None) for form in SUFFIXES}
    if len(printed := [flag for flag, target in targets.items() if target == STDOUT]) > 1:
        raise InputError(f"only one of {' and '.join(printed)} can go to stdout; give the others a FILE")
    for target in targets.values():
        if target not in (None, STDOUT):
            check_writable(target, new=new)


def show_result(
    args: argparse.Namespace, values: Any, print_text: Callable[[], object], **others: Callable[[], str]
) -> None:
    """Print a result in the form that an option asks for, else as text. Write the files that the options name.

    ``values`` are written as JSON; ``others`` return the result as ``csv``, ``markdown`` or ``latex``.

    Raises:
        InputError: files cannot be written; the result was printed before, and the other files are written.
    """
    forms: dict[str, Callable[[], str]] = {"json": lambda: to_json(values, indent=2) + "\n", **others}
    printed = [make() for form, make in forms.items() if getattr(args, form) == STDOUT]
    for text in printed:
        print(text, end="")
    if not printed:
        print_text()
    problems = []
    for form, make in forms.items():
        if (target := getattr(args, form)) not in (None, STDOUT):
            try:
                write_text(target, make())
                print(f"written to {target}", file=sys.stderr if printed else sys.stdout)
            except InputError as error:
                problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))
