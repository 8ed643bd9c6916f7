"""``iqa-zoo config``: a model's config as YAML or JSON."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.shared import MODEL, add_json_option, add_set_option, load_model, parse_path, show_result
from iqa_zoo.config import check_config, dump_config, resolve_config
from iqa_zoo.config_file import FILES
from iqa_zoo.errors import ConfigError, InputError
from iqa_zoo.outputs import check_writable


def add(commands: Any) -> None:
    parser = commands.add_parser("config", help="print a model's config, or write it to a file", description=__doc__)
    parser.add_argument("name", metavar="NAME", help=MODEL)
    add_set_option(parser)
    parser.add_argument("--resolved", action="store_true", help="write out every default")
    add_json_option(parser, "JSON in place of YAML")
    parser.add_argument("-o", "--output", metavar="FILE", type=parse_path, help="write to a new .yaml or .json file")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    cfg = load_model(args.name, args.set)
    if problems := check_config(cfg):
        raise ConfigError(problems)
    cfg = resolve_config(cfg) if args.resolved else cfg
    if args.output is None:
        show_result(args, cfg, lambda: print(dump_config(cfg), end=""))
        return 0
    if args.output.suffix.lower() not in FILES:
        raise InputError(f"{args.output}: name it {args.output.name}.yaml or .json; other endings are not read back")
    check_writable(args.output, new=True)
    dump_config(cfg, args.output)
    return 0
