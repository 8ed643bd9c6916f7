"""``iqa-zoo validate``: every problem of a config at once, or its hash."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from iqa_zoo.commands.shared import MODEL, add_set_option
from iqa_zoo.config_hash import config_hash
from iqa_zoo.errors import ConfigError


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "validate",
        help="check a config and build it",
        description="Check a config and build its model, without weights. Exit code 1 if it has problems, which are "
        "all listed, each with its config path.",
    )
    parser.add_argument("config", metavar="CONFIG", help=MODEL)
    add_set_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.build import build_model

    try:
        model = build_model(args.config, overrides=dict(args.set))
    except ConfigError as error:
        print(f"{args.config}: {error}", file=sys.stderr)
        return 1
    print(f"{args.config}: OK, hash {config_hash(model.config)}")
    if mirrored := model.mirrored_losses:
        print(
            f"{', '.join(mirrored)}: a training step runs the model on the mirrored images too; not on frozen features"
        )
    return 0
