"""Run the contract suites of :mod:`iqa_zoo.testing` on an installed plugin."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import io
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from iqa_zoo import plugins
from iqa_zoo.config import part_parameters
from iqa_zoo.contracts import HasExamples
from iqa_zoo.errors import PluginError, UnknownName, closest, not_one_of
from iqa_zoo.registry import SLOTS, clashes, registry_of

# Plugins and options that the environment holds for other tests do not count here.
ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "", "PYTEST_PLUGINS": ""}
MOST_LINES = 12  # of what a failure says


@dataclass(frozen=True)
class Check:
    """One check of one thing that a plugin adds: ``passed`` is None where it does not apply; ``fix`` says what to do."""

    slot: str
    name: str
    check: str
    passed: bool | None
    said: str = ""
    fix: str = ""


def check_plugin(distribution: str) -> list[Check]:
    """Check everything that an installed distribution adds to the zoo.

    Its entry points load and clash with no other name; every part, model and data set passes the suite of its slot, with the
    arguments that it declares in ``examples``: shapes, gradients, precision, batches, copies, the same numbers for the same
    seed, and a budget that torch's own counter confirms.

    Raises:
        UnknownName: no plugin of that name is installed; says the closest.
        PluginError: it is switched off or adds nothing, or pytest is not installed.
    """
    if importlib.util.find_spec("pytest") is None:
        raise PluginError(
            "check-plugin runs the contract suites with pytest, which is not installed: pip install pytest"
        )
    checks = []
    sound = []
    for part in _parts_of(distribution):
        first = _entry_point(part)
        checks.append(first)
        if first.passed and part.group == plugins.IMPORTERS:
            checks.append(_importer(part))
        elif first.passed and (problem := _examples(part)):
            checks.append(problem)
        elif first.passed:
            sound.append(part)
    checks += _suites(sound)
    order = list(dict.fromkeys((check.slot, check.name) for check in checks))
    return sorted(checks, key=lambda check: order.index((check.slot, check.name)))


def _parts_of(distribution: str) -> list[plugins.PluginPart]:
    def named(parts: Sequence[plugins.PluginPart]) -> list[plugins.PluginPart]:
        return [part for part in parts if plugins.same_name(part.distribution) == plugins.same_name(distribution)]

    if named(plugins.disabled_parts()):
        raise PluginError(f"{distribution} is switched off by IQA_ZOO_DISABLE_PLUGINS; unset it to check the plugin")
    everything = [*plugins.installed_parts(), *plugins.misplaced_parts()]
    if found := named(everything):
        return found
    try:
        version = importlib.metadata.version(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        known = {part.distribution for part in everything}
        raise UnknownName(
            f"{not_one_of(distribution, known, 'plugin')}. Install it first, for example with pip install -e ."
        ) from None
    raise PluginError(
        f"{distribution} {version} is installed and adds nothing: it has no entry point in a group such as iqa_zoo.heads. "
        'Add [project.entry-points."iqa_zoo.heads"] with NAME = "package.module:Class" to its pyproject.toml and install it again'
    )


def find_slot(part: plugins.PluginPart) -> str:
    """Return the slot of a part; of what fits no slot, its entry-point group."""
    is_part = part.group in plugins.GROUPS and part.group != plugins.IMPORTERS
    return registry_of(part.group).slot if is_part else part.group


def _entry_point(part: plugins.PluginPart) -> Check:
    def failed(said: str, fix: str) -> Check:
        return Check(find_slot(part), part.name, "loads", False, said, fix)

    if part.group not in plugins.GROUPS:
        group, known = plugins.GROUP_PREFIX + part.group, [plugins.GROUP_PREFIX + each for each in plugins.GROUPS]
        return failed(
            f"no slot has the entry-point group {group!r}{closest(group, known)}",
            f"Rename the group in pyproject.toml to one of {', '.join(known)}, and install it again.",
        )
    try:
        plugins.load(part)
    except PluginError as error:
        cause = error.__cause__ or error
        return failed(f"{type(cause).__name__}: {cause}", _how_to_load(part, cause))
    if problems := clashes(part):
        return failed(
            "; ".join(problems),
            f"Give it another name in pyproject.toml, such as my_{part.name}, and install it again.",
        )
    return Check(find_slot(part), part.name, "loads", True)


def _how_to_load(part: plugins.PluginPart, cause: BaseException) -> str:
    module, _, attribute = part.target.partition(":")
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        if module == cause.name or module.startswith(f"{cause.name}."):
            return (
                f"Is {module} spelt as its file is, and its package in [tool.setuptools] packages? Then install it again "
                "(pip install -e .)."
            )
        return f"Install what it needs (pip install {cause.name}) and list it under dependencies in pyproject.toml."
    if isinstance(cause, AttributeError) and attribute:
        names = vars(importlib.import_module(module)) if importlib.util.find_spec(module) else ()
        return f"Let the entry point name a class or function of {module}{closest(attribute, names)}"
    return f"python -c 'import {module}' shows where it fails."


def _examples(part: plugins.PluginPart) -> Check | None:
    """Return the problem of the arguments that a part declares for its tests, or None."""
    slot, name = find_slot(part), "declares what to test it with"
    loaded = plugins.load(part)
    examples: Any = loaded.examples if isinstance(loaded, HasExamples) else ({},)
    if (
        not isinstance(examples, list | tuple)
        or not all(isinstance(each, Mapping) for each in examples)
        or not examples
    ):
        fix = 'Write a tuple of dicts, one a variant: examples = ({}, {"hidden": 8}).'
        return Check(slot, part.name, name, False, f"its examples are {examples!r}", fix)
    keys = part_parameters(slot, part.name) if slot in SLOTS else {}
    required = [key for key, parameter in keys.items() if parameter.default is parameter.empty]
    if missing := [key for key in required if any(key not in each for each in examples)]:
        said = f"it requires {', '.join(missing)}, and its examples are {tuple(examples)}"
        fix = f'Give a default, or values to test it with: examples = ({{"{missing[0]}": ...}},).'
        return Check(slot, part.name, name, False, said, fix)
    return None


def _importer(part: plugins.PluginPart) -> Check:
    from iqa_zoo.released import ReleasedSystem

    name = "gives a ReleasedSystem"
    try:
        given = plugins.load(part)()  # type: ignore[operator]
    except Exception as error:  # whatever a stranger's function raises is what the check found
        said = f"{type(error).__name__}: {error}"
    else:
        if isinstance(given, ReleasedSystem):
            return Check(find_slot(part), part.name, name, True)
        said = f"it gives {given!r}"
    fix = "Let the entry point name a function without arguments that returns an iqa_zoo.released.ReleasedSystem."
    return Check(find_slot(part), part.name, name, False, said, fix)


def _suites(parts: Sequence[plugins.PluginPart]) -> list[Check]:
    """Run the suites on the parts, with one test class per slot."""
    lines = ["from iqa_zoo.testing import SUITES"]
    for slot in dict.fromkeys(map(find_slot, parts)):
        names = {part.name: None for part in parts if find_slot(part) == slot}
        lines += ["", f"class Test{slot.title()}(SUITES[{slot!r}]):", f"    parts = {names!r}"]
    if not parts:
        return []
    import pytest

    recorder = _Recorder()
    with tempfile.TemporaryDirectory(prefix="iqa-zoo-check-") as folder, mock.patch.dict(os.environ, ENVIRONMENT):
        test, settings = Path(folder, "test_iqa_zoo_plugin.py"), Path(folder, "pytest.ini")
        test.write_text("\n".join(lines) + "\n", encoding="utf-8")
        settings.write_text("[pytest]\n", encoding="utf-8")
        options = ["--rootdir", folder, "-c", str(settings), "--import-mode=importlib", "--tb=short"]
        without = [option for plugin in ("cacheprovider", "faulthandler") for option in ("-p", f"no:{plugin}")]
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown):
            code = pytest.main([*options, *without, str(test)], plugins=[recorder])
        sys.modules.pop(test.stem, None)  # or the next check would find this module again
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise PluginError(f"pytest could not run the suites:\n{shown.getvalue()}")
    return recorder.checks()


class _Recorder:
    """Record the tests that pytest runs and their outcomes."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.ended: dict[str, Any] = {}

    def pytest_itemcollected(self, item: Any) -> None:
        self.items[item.nodeid] = item

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.ended[report.nodeid] = report

    def checks(self) -> list[Check]:
        """Return one check per part and test; it failed if one of its variants failed."""
        grouped: dict[tuple[str, str, str], list[tuple[dict[str, Any], Any]]] = {}
        for nodeid, report in self.ended.items():
            item = self.items[nodeid]
            given = item.callspec.params
            key = (item.cls.slot, given["name"], item.originalname.removeprefix("test_"))
            grouped.setdefault(key, []).append(({k: v for k, v in given.items() if k != "name"}, report))
        return [_check(*key, reports) for key, reports in grouped.items()]


def _check(slot: str, name: str, test: str, reports: list[tuple[dict[str, Any], Any]]) -> Check:
    from iqa_zoo.testing.fixes import FIXES

    title = test.replace("_", " ")
    for given, report in reports:
        if report.outcome == "failed":
            arguments = given.pop("arguments", {})
            variant = [f"with {arguments}"] if arguments else []
            variant += [f"with {key} = {value}" for key, value in given.items()]
            said = "\n".join([*variant, *_crash(report).splitlines()[:MOST_LINES]])
            return Check(slot, name, title, False, said, FIXES.get(test, ""))
    if all(report.outcome == "skipped" for _, report in reports):
        return Check(slot, name, title, None, str(reports[0][1].longrepr[2]).removeprefix("Skipped: "))
    notes = [str(value) for _, report in reports for key, value in report.user_properties if key == "note"]
    return Check(slot, name, title, True, "; ".join(dict.fromkeys(notes)))


def _crash(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)
