"""What several subcommands need: where they print, paths, and ``--set``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from iqa_zoo.config import parse_value
from iqa_zoo.errors import ConfigError
from iqa_zoo.jsonio import to_json

PIPE_WIDTH = 160  # a pipe or a file has no width of its own, and 80 columns would cut the tables


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


def print_json(value: Any) -> None:
    """Print strict JSON: a number that is not finite is null."""
    print(to_json(value, indent=2))


def _override(text: str) -> tuple[str, Any]:
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
    parser.add_argument(flag, metavar="KEY=VALUE", nargs="+", action="extend", default=[], type=_override, help=words)
