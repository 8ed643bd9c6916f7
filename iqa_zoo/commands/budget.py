"""``iqa-zoo budget``: parameters and MACs of models, per slot."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.shared import MODEL, add_json_option, add_set_option, console, load_model, show_result
from iqa_zoo.config import Config
from iqa_zoo.errors import BudgetError


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "budget",
        help="count parameters and MACs, per slot",
        description="Count the parameters (all, trainable, and active: those one token meets) and the MACs "
        "(multiply-accumulates of matrix products and convolutions for one image) of models, per slot.",
    )
    parser.add_argument("models", metavar="MODEL", nargs="+", help=MODEL)
    add_set_option(parser)
    parser.add_argument(
        "--image-size", type=int, metavar="N", help="input height and width; the model's where left out"
    )
    parser.add_argument(
        "--front",
        metavar="NAME",
        nargs="+",
        help="instead turn the model's knobs and show the settings that no other dominates: a gain, then what it "
        "costs, of params, active_params and macs of the decoder; the first may be a knob, such as depth",
    )
    add_set_option(
        parser,
        "--grid",
        "for --front: the values of a knob, for example 'depth=[1, 2, 4]'; the knobs not "
        "named stay. Where left out, every knob at half, once and twice what it is",
    )
    add_set_option(parser, "--at", "for --front: only settings of this size, for example 'params=[3000000, 4000000]'")
    add_json_option(parser, "JSON, with the MACs by operator")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    configs = {name: load_model(name, args.set) for name in args.models}
    if args.front:
        return _fronts(args, configs)
    if args.grid or args.at:
        raise BudgetError("--grid and --at belong to --front, for example --front params macs --grid 'depth=[1, 2, 4]'")
    from iqa_zoo.budgets import measure_budget
    from iqa_zoo.budgets.report import print_budgets

    budgets = {name: measure_budget(cfg, args.image_size) for name, cfg in configs.items()}
    values = {name: budget.to_dict() for name, budget in budgets.items()}
    show_result(args, values, lambda: print_budgets(console(), budgets))
    return 0


def _fronts(args: argparse.Namespace, configs: dict[str, Config]) -> int:
    if args.image_size is not None:
        raise BudgetError("--image-size is not for --front: give it as --set backbone.image_size=N")
    from iqa_zoo.budgets import make_front_table, pareto_front

    grid, at = dict(args.grid) or None, dict(args.at)
    fronts = {name: pareto_front(cfg, by=args.front, grid=grid, at=at) for name, cfg in configs.items()}
    values = {name: [point.to_dict() for point in front] for name, front in fronts.items()}
    tables = [make_front_table(name, front, args.front) for name, front in fronts.items()]
    show_result(args, values, lambda: console().print(*tables))
    return 0
