"""``iqa-zoo budget``: parameters and MACs of models, per slot."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.shared import add_set_option


def add(commands: Any) -> None:
    parser = commands.add_parser("budget", help="count parameters and MACs, per slot", description=__doc__)
    parser.add_argument("models", metavar="MODEL", nargs="+", help="a model's name, or a .yaml or .json file")
    add_set_option(parser)
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="input height and width; the model's where left out"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    raise NotImplementedError
