"""Parts that other distributions bring through entry points.

One entry-point group a slot (``iqa_zoo.heads``, ``iqa_zoo.models``, ...), each entry
``name = "package.module:object"``. Names are read from package metadata without importing anything; an object is
imported when it is asked for. A plugin that fails breaks only its own names, and its error is kept for
``iqa-zoo plugins``. ``IQA_ZOO_DISABLE_PLUGINS=1`` switches all of them off, a comma-separated list of
distributions just those.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
from dataclasses import dataclass

from iqa_zoo.errors import PluginError

GROUP_PREFIX = "iqa_zoo."
GROUPS = ("backbones", "queries", "memories", "interactions", "heads", "losses", "models", "datasets", "released")


@dataclass(frozen=True)
class PluginPart:
    """One entry point: the slot's group, the name it adds, where it points, and who brings it."""

    group: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str

    @property
    def owner(self) -> str:
        return f"{self.distribution} {self.version}"


_failures: dict[PluginPart, Exception] = {}


def _same_name(name: str) -> str:
    """Distribution names compare as packaging tools compare them: ``Foo_Bar`` is ``foo-bar``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _disabled() -> tuple[bool, frozenset[str]]:
    value = os.environ.get("IQA_ZOO_DISABLE_PLUGINS", "").strip()
    if value.lower() in ("", "0", "false", "no"):
        return False, frozenset()
    if value.lower() in ("1", "true", "yes", "all"):
        return True, frozenset()
    return False, frozenset(_same_name(name.strip()) for name in value.split(",") if name.strip())


def _metadata(dist: importlib.metadata.Distribution | None, key: str, missing: str) -> str:
    return dist.metadata[key] if dist is not None and key in dist.metadata else missing


@functools.cache
def _installed() -> tuple[PluginPart, ...]:
    parts = []
    found = importlib.metadata.entry_points()
    groups = [group for group in found.groups if group.startswith(GROUP_PREFIX)]
    for entry in (entry for group in groups for entry in found.select(group=group)):
        dist = entry.dist
        parts.append(
            PluginPart(
                group=entry.group.removeprefix(GROUP_PREFIX),
                name=entry.name,
                target=entry.value,
                distribution=_metadata(dist, "Name", "unknown distribution"),
                version=_metadata(dist, "Version", "?"),
                summary=_metadata(dist, "Summary", ""),
            )
        )
    return tuple(sorted(set(parts), key=lambda part: (part.distribution, part.group, part.name)))


def _is_off(part: PluginPart) -> bool:
    everything, names = _disabled()
    return everything or _same_name(part.distribution) in names


def installed_parts() -> list[PluginPart]:
    """Every part that an installed and enabled plugin declares, without importing it."""
    return [part for part in _installed() if part.group in GROUPS and not _is_off(part)]


def misplaced_parts() -> list[PluginPart]:
    """Entries of enabled plugins in a group that does not exist (``iqa_zoo.head`` for ``iqa_zoo.heads``)."""
    return [part for part in _installed() if part.group not in GROUPS and not _is_off(part)]


def disabled_parts() -> list[PluginPart]:
    """What ``IQA_ZOO_DISABLE_PLUGINS`` switches off."""
    return [part for part in _installed() if _is_off(part)]


def refresh() -> None:
    """Forget what was read and what failed; the next call reads the installed packages again."""
    _installed.cache_clear()
    _failures.clear()


def load(part: PluginPart) -> object:
    """Import the object behind an entry point.

    Raises:
        PluginError: the import failed; carries the plugin's own error, its distribution and version.
    """
    if part not in _failures:
        try:
            entry = importlib.metadata.EntryPoint(part.name, part.target, GROUP_PREFIX + part.group)
            found = entry.load()
            if callable(found):
                return found
            raise TypeError(f"{part.target} is a {type(found).__name__}, not a class or function")
        except Exception as error:  # whatever a stranger's module raises on import must not break the rest
            _failures[part] = error
    failure = _failures[part]
    raise PluginError(
        f"{part.name!r} comes from the plugin {part.owner} ({part.target}), which failed to load: "
        f"{type(failure).__name__}: {failure}. Fix or upgrade it, or switch it off with "
        f"IQA_ZOO_DISABLE_PLUGINS={part.distribution}"
    ) from failure
