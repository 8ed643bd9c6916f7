"""The error types a user can meet. All are ``ValueError``s; a message says where, what was given,
the closest valid choice, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class IqaZooError(ValueError):
    """Base of every error this package raises about what it was given."""


class PartError(IqaZooError):
    """A part cannot be made from the values it was given (a stage the backbone lacks, sizes that do
    not divide). Parts raise it from their constructor; the builder adds the config path."""


class NestedPartError(PartError):
    """Parts that stand inside another part cannot be made; the builder adds the config path of the outer one.

    Attributes:
        problems: one line of text per problem, each with the config path inside the outer part.
    """

    def __init__(self, problems: Sequence[str]):
        self.problems = list(problems)
        super().__init__("; ".join(self.problems))


class ConfigError(IqaZooError):
    """A config has one or more problems; all of them are listed, each with its config path.

    Attributes:
        problems: one line of text per problem.
    """

    def __init__(self, problems: Sequence[str], title: str = "the config"):
        self.problems = list(problems)
        self.title = title
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{count} in {title}:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


class UnknownName(IqaZooError):
    """A name that no registry, model or dataset knows."""


class PluginError(IqaZooError):
    """A plugin's part cannot be used; names the distribution and its version."""


class InputError(IqaZooError):
    """An image, a folder or a label file cannot be used; names the file."""


class CheckpointError(IqaZooError):
    """Weights that do not belong to the model, or a file that is not a plain state dict."""


class HubError(IqaZooError):
    """A model hub cannot be reached or refuses, or an address there holds something else; names the address."""


class BudgetError(IqaZooError):
    """A budget that cannot be counted (unknown operator) or cannot be matched (closest miss)."""


class ExportError(IqaZooError):
    """A model that cannot be exported as a graph, or whose exported file gives other scores."""


def closest(given: object, choices: Iterable[object]) -> str:
    """Return ``"; did you mean 'x'?"`` for the choice most like ``given``, or an empty string.

    >>> closest("mo", ["moe", "linear"])
    "; did you mean 'moe'?"
    >>> closest("zzz", ["moe", "linear"])
    ''
    """
    names = [str(choice) for choice in choices]
    found = difflib.get_close_matches(str(given), names, n=1, cutoff=0.5)
    if not found:
        found = [name for name in names if name.casefold() == str(given).casefold()]
    return f"; did you mean {found[0]!r}?" if found else ""


def not_one_of(given: object, choices: Iterable[object], what: str) -> str:
    """The standard sentence for a name outside a list: given, closest, all.

    >>> not_one_of("mo", ["linear", "moe"], "head")
    "unknown head 'mo'; did you mean 'moe'? Known: linear, moe"
    """
    names = sorted({str(choice) for choice in choices})
    hint = closest(given, names)
    return f"unknown {what} {given!r}{hint or '.'} Known: {', '.join(names) or 'none'}"
