"""``iqa-zoo list``: what there is, and who brings it."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table

from iqa_zoo.commands.shared import console, print_json
from iqa_zoo.registry import REGISTRIES, registry_of


def add(commands: Any) -> None:
    parser = commands.add_parser("list", help="list parts, models and data sets", description=__doc__)
    parser.add_argument(
        "slot", nargs="?", default="all", metavar="SLOT", help=f"{', '.join(REGISTRIES)} or all (the default)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    registries = list(REGISTRIES.values()) if args.slot == "all" else [registry_of(args.slot)]
    components = [component for registry in registries for component in registry.components()]
    if args.json:
        print_json([component._asdict() for component in components])
        return 0
    table = Table("slot", "name", "origin", "summary")
    for registry in registries:
        for i, (slot, name, origin, summary) in enumerate(registry.components()):
            table.add_row(slot if i == 0 else "", name, origin, summary)
        table.add_section()
    console().print(table)
    return 0
