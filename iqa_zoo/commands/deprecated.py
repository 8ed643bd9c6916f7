"""Old spellings of options: they go on working for a release, each with one line on stderr."""

from __future__ import annotations

import argparse
import sys
from typing import Any


class _Deprecated(argparse.Action):
    """Warns where an action is reached by an old spelling; mixed into the class of that action."""

    replaced: dict[str, str]

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if option in self.replaced:
            print(f"iqa-zoo: warning: {option} is deprecated; write {self.replaced[option]}", file=sys.stderr)
        super().__call__(parser, namespace, values, option)


def add_deprecated(parser: argparse._ActionsContainer, old: str, new: str) -> None:
    """Accept ``old`` as a spelling of the option ``new``, with a warning on stderr. ``--help`` shows ``new`` only.

    The value, the type, the group and ``required`` are those of ``new``, which must have been added before.

    >>> parser = argparse.ArgumentParser()
    >>> action = parser.add_argument("--out", required=True)
    >>> add_deprecated(parser, "--work-dir", "--out")
    >>> parser.parse_args(["--work-dir", "run"])  # and on stderr: --work-dir is deprecated; write --out
    Namespace(out='run')
    """
    action = parser._option_string_actions[new]
    if not isinstance(action, _Deprecated):
        action.__class__ = type("Deprecated", (_Deprecated, type(action)), {})
        action.replaced = {}  # type: ignore[attr-defined]
    action.replaced[old] = new  # type: ignore[attr-defined]
    parser._option_string_actions[old] = action
