"""``iqa-zoo list``: parts, models, data sets and recipes, with their origin."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.shared import add_json_option, console, make_table, show_result
from iqa_zoo.errors import UnknownName, closest, not_one_of
from iqa_zoo.registry import REGISTRIES, Component, registry_of
from iqa_zoo.training.recipe import RECIPES, list_recipes, load_recipe


def add(commands: Any) -> None:
    parser = commands.add_parser("list", help="list parts, models, data sets and recipes", description=__doc__)
    slots = ", ".join([*REGISTRIES, RECIPES])
    parser.add_argument("slot", nargs="?", default="all", metavar="SLOT", help=f"{slots} or all (the default)")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    slots = [*REGISTRIES, RECIPES] if args.slot == "all" else [args.slot]
    sections = [_list_slot(slot) for slot in slots]
    rows = [component._asdict() for section in sections for component in section]
    show_result(args, rows, lambda: _print(sections))
    return 0


def _list_slot(slot: str) -> list[Component]:
    if slot in (RECIPES, RECIPES.removesuffix("s")):
        return [Component(RECIPES, name, "iqa_zoo", load_recipe(name).summary) for name in list_recipes()]
    known = [*REGISTRIES, RECIPES]
    if closest(slot, known) == closest(slot, [RECIPES]) != "":
        raise UnknownName(not_one_of(slot, known, "slot"))
    return registry_of(slot).components()


def _print(sections: list[list[Component]]) -> None:
    table = make_table("slot", "name", "origin", "summary")
    for section in sections:
        for i, (slot, name, origin, summary) in enumerate(section):
            table.add_row(slot if i == 0 else "", name, origin, summary)
        table.add_section()
    console().print(table)
