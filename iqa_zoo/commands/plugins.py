"""``iqa-zoo plugins``: every plugin, what it adds, and what is wrong with it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

from iqa_zoo import plugins
from iqa_zoo.commands.shared import add_json_option, console, make_table, show_result
from iqa_zoo.errors import PluginError, closest
from iqa_zoo.registry import clashes


class Report(NamedTuple):
    """One entry point of a plugin: ``loads`` is None where it was not tried; ``problem`` is empty where all is well."""

    plugin: str
    version: str
    slot: str
    name: str
    target: str
    loads: bool | None
    problem: str


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "plugins",
        help="show plugins, what they add, and their errors",
        description="Show every installed plugin, its version and what it adds; try to load each part, and say what "
        "fails or clashes. IQA_ZOO_DISABLE_PLUGINS=1 switches all plugins off, a comma-separated list of "
        "distributions just those.",
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    reports = sorted(_reports())
    show_result(args, [report._asdict() for report in reports], lambda: _print(reports))
    return 0


def _print(reports: list[Report]) -> None:
    if not reports:
        print("No plugin is installed. A plugin is a package with entry points in a group such as iqa_zoo.heads.")
        return
    table = make_table("plugin", "slot", "name", "from", "state")
    for plugin, version, slot, name, target, _, problem in reports:
        table.add_row(f"{plugin} {version}", slot, name, target, problem or "ok")
    console().print(table)


def _reports() -> Iterator[Report]:
    for part in plugins.installed_parts():
        problems = clashes(part)
        try:
            plugins.load(part)
        except PluginError as error:
            problems.append(f"failed to load: {type(error.__cause__).__name__}: {error.__cause__}")
            loads = False
        else:
            loads = True
        yield _report(part, loads, "; ".join(problems))
    known = [plugins.GROUP_PREFIX + group for group in plugins.GROUPS]
    for part in plugins.misplaced_parts():
        group = plugins.GROUP_PREFIX + part.group
        yield _report(part, None, f"no slot has the entry-point group {group!r}{closest(group, known)}")
    for part in plugins.disabled_parts():
        yield _report(part, None, "switched off by IQA_ZOO_DISABLE_PLUGINS")


def _report(part: plugins.PluginPart, loads: bool | None, problem: str) -> Report:
    from iqa_zoo.check_plugin import find_slot

    return Report(part.distribution, part.version, find_slot(part), part.name, part.target, loads, problem)
