"""``iqa-zoo new-plugin``: a complete and tested package of your own."""

from __future__ import annotations

import argparse
import shlex
from typing import Any

from iqa_zoo.commands.shared import parse_path
from iqa_zoo.new_plugin import KINDS


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "new-plugin",
        help="write a package that adds a part of your own",
        description="Write a complete package that adds a part to the zoo: pyproject.toml with the entry point, the part "
        "with its docstring, tests that run the contract suite, README. Its tests pass as written; change the part from "
        "there. Nothing is overwritten.",
    )
    parser.add_argument("name", metavar="NAME", help="the plugin; the package is iqa-zoo-NAME")
    parser.add_argument(
        "--slot",
        action="append",
        required=True,
        metavar="SLOT",
        help=f"what it adds: {', '.join(KINDS)}; may be given several times",
    )
    parser.add_argument("--part", metavar="PART", help="the name that configs use; NAME where left out")
    parser.add_argument(
        "--folder", metavar="DEST", type=parse_path, help="where to write it; ./iqa-zoo-NAME where left out"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.new_plugin import new_plugin

    written = new_plugin(args.name, args.slot, part=args.part, folder=args.folder)
    print(
        f"{written.folder}: a plugin that adds " + ", ".join(f"{slot} {part}" for slot, part in written.parts.items())
    )
    for path in sorted(path for path in written.folder.rglob("*") if path.is_file()):
        print(f"  {path.relative_to(written.folder)}")
    print("Next:")
    print(f"  cd {shlex.quote(str(written.folder))}")
    print('  pip install -e ".[test]"')
    print("  pytest")
    for part in written.parts.values():
        print(f"  iqa-zoo describe {part}")
    print(f"  iqa-zoo check-plugin {written.distribution}")
    return 0
