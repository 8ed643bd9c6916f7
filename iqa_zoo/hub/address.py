"""The address of a model on a hub: ``hf://user/name`` or ``hf://user/name@revision``. Imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from iqa_zoo.errors import HubError

SCHEME = "hf://"
MAIN = "main"  # the branch that an address without a revision means
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
HOW_TO_WRITE = f"write {SCHEME}user/name or {SCHEME}user/name@revision"


@dataclass(frozen=True)
class HubAddress:
    """A repository of models, and a revision of it.

    Attributes:
        repository: ``user/name``.
        revision: a branch, a tag or a commit.
    """

    repository: str
    revision: str = MAIN

    def __str__(self) -> str:
        return f"{SCHEME}{self.repository}@{self.revision}"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a whole commit hash, which always means the same files."""
        return _COMMIT.fullmatch(self.revision) is not None

    def pin(self, commit: str) -> HubAddress:
        """Return the address of one commit of the same repository."""
        return replace(self, revision=commit)


def is_address(text: object) -> bool:
    """Return whether a name of a model is the address of a hub. A path keeps one of the two slashes only.

    >>> is_address("hf://user/name"), is_address(Path("hf://user/name")), is_address("runs/hf")
    (True, True, False)
    """
    return isinstance(text, str | Path) and str(text).startswith("hf:/")


def parse_address(text: str | Path) -> HubAddress:
    """Read ``hf://user/name`` or ``hf://user/name@revision``.

    Raises:
        HubError: it is not written so; says which part is wrong.

    >>> print(parse_address("hf://user/name"), parse_address("hf://user/name@v1.0").revision)
    hf://user/name@main v1.0
    """
    where, at, revision = str(text).removeprefix("hf:").lstrip("/").partition("@")
    if at and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise HubError(
            f"{_show(text)}: {revision!r:.80} is not a revision; give a branch, a tag or a commit after the @"
        )
    return HubAddress(check_repository(where, _show(text)), revision if at else MAIN)


def check_repository(name: str, where: str | None = None) -> str:
    """Return ``user/name`` if it is written so.

    Raises:
        HubError: it is not; says what to write.

    >>> check_repository("user/name")
    'user/name'
    """
    shown, parts = where or _show(name), name.split("/")
    if len(parts) > 2 and parts[0] in ("datasets", "spaces"):
        raise HubError(f"{shown}: names one of the {parts[0]}; {HOW_TO_WRITE}, a model")
    if len(parts) != 2:
        raise HubError(f"{shown}: is not a user and a name; {HOW_TO_WRITE}")
    if wrong := [part for part in parts if not _PART.fullmatch(part) or ".." in part or part.endswith(".git")]:
        raise HubError(
            f"{shown}: {wrong[0]!r:.80} is not a name on the hub (letters, digits, '.', '_', '-'); {HOW_TO_WRITE}"
        )
    return name


def _show(text: str | Path) -> str:
    """Return an address as one short line."""
    line = str(text) if str(text).isprintable() else repr(str(text))
    return line if len(line) <= 200 else f"{line[:200]}..."
