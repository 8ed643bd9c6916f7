"""``iqa-zoo check-plugin``: check a plugin against the contracts."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.shared import add_json_option, console, show_result

if TYPE_CHECKING:
    from iqa_zoo.check_plugin import Check

MARKS = {True: "ok", False: "FAIL", None: "skip"}


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "check-plugin",
        help="check what a plugin adds against the contracts",
        description="Check everything that an installed plugin adds: its entry points load, and every part, model and data "
        "set passes the suite of its slot (shapes, gradients, batches, precision, copies), gives the same for the same "
        "seed, and is counted as torch's own counter counts it. A failure says what to fix. Needs pytest. Exit code 1 "
        "where something fails.",
    )
    parser.add_argument(
        "distribution", metavar="DIST", help="the plugin as it was installed, for example iqa-zoo-example"
    )
    parser.add_argument("--failures", action="store_true", help="show failures only")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.check_plugin import check_plugin

    started = time.perf_counter()
    checks = check_plugin(args.distribution)
    seconds = time.perf_counter() - started
    failed = [check for check in checks if check.passed is False]
    values = {
        "plugin": args.distribution,
        "passed": not failed,
        "seconds": seconds,
        "checks": [asdict(c) for c in checks],
    }
    show_result(args, values, lambda: _print(args, checks, failed, seconds))
    return 1 if failed else 0


def _print(args: argparse.Namespace, checks: Sequence[Check], failed: Sequence[Check], seconds: float) -> None:
    out = console()
    heading = None
    for check in failed if args.failures else checks:
        if heading != (check.slot, check.name):
            heading = check.slot, check.name
            out.print(f"{check.slot}: {check.name}", style="bold")
        more = f"  ({check.said})" if check.passed is not False and check.said else ""
        out.print(f"  {MARKS[check.passed]:<4}  {check.check}{more}", style="red" if check.passed is False else None)
        if check.passed is False:
            for line in check.said.splitlines():
                out.print(f"        {line}")
            if check.fix:
                out.print(f"        fix: {check.fix}")
    passed = sum(check.passed is True for check in checks)
    out.print(f"{args.distribution}: {passed} checks passed, {len(failed)} failed, in {seconds:.0f} s")
