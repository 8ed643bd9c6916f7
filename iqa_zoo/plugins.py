"""Parts of other distributions, found through entry points.

One entry-point group a slot (``iqa_zoo.heads``, ``iqa_zoo.models``, ...), each entry
``name = "package.module:object"``. Names are read from package metadata without importing anything; an object is
imported when it is first used. A plugin that fails breaks only its own names, and its error is kept for
``iqa-zoo plugins``. ``IQA_ZOO_DISABLE_PLUGINS=1`` switches all of them off, a comma-separated list of
distributions just those.
"""

import functools
import importlib.metadata
import os
import re
from dataclasses import dataclass

from iqa_zoo import __version__
from iqa_zoo.errors import PluginError

GROUP_PREFIX = "iqa_zoo."
IMPORTERS = "released"  # of released checkpoints, for iqa_zoo.import_released; no slot
GROUPS = (
    "backbones",
    "queries",
    "memories",
    "interactions",
    "heads",
    "losses",
    "models",
    "datasets",
    "studies",
    IMPORTERS,
)


@dataclass(frozen=True)
class PluginPart:
    """One entry point: the slot's group, the name it adds, where it points, who brings it, and which versions of iqa-zoo
    that asks for (``">=0.1"``)."""

    group: str
    name: str
    target: str
    distribution: str
    version: str
    summary: str
    built_for: str = ""

    @property
    def owner(self) -> str:
        return f"{self.distribution} {self.version}"


_failures: dict[PluginPart, Exception] = {}


def same_name(name: str) -> str:
    """Normalise the name of a distribution as packaging tools do: ``Foo_Bar`` is ``foo-bar``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _disabled() -> tuple[bool, frozenset[str]]:
    value = os.environ.get("IQA_ZOO_DISABLE_PLUGINS", "").strip()
    if value.lower() in ("", "0", "false", "no"):
        return False, frozenset()
    if value.lower() in ("1", "true", "yes", "all"):
        return True, frozenset()
    return False, frozenset(same_name(name.strip()) for name in value.split(",") if name.strip())


def _metadata(dist: importlib.metadata.Distribution | None, key: str, missing: str) -> str:
    return dist.metadata[key] if dist is not None and key in dist.metadata else missing


def _built_for(dist: importlib.metadata.Distribution | None) -> str:
    """Return the versions of iqa-zoo that a distribution requires; empty where it does not say or cannot be read."""
    named = [
        line
        for line in (dist.requires if dist is not None else None) or []
        if (name := re.match(r"\s*[\w.-]+", line)) and same_name(name[0].strip()) == "iqa-zoo"
    ]
    if not named:
        return ""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in named:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if not (requirement.marker and "extra" in str(requirement.marker)):
            return str(requirement.specifier)
    return ""


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
                built_for=_built_for(dist),
            )
        )
    return tuple(sorted(set(parts), key=lambda part: (part.distribution, part.group, part.name)))


def _is_off(part: PluginPart) -> bool:
    everything, names = _disabled()
    return everything or same_name(part.distribution) in names


def installed_parts() -> list[PluginPart]:
    """List every part that an installed and enabled plugin declares, without importing it."""
    return [part for part in _installed() if part.group in GROUPS and not _is_off(part)]


def misplaced_parts() -> list[PluginPart]:
    """List the entries of enabled plugins in a group that does not exist (``iqa_zoo.head`` for ``iqa_zoo.heads``)."""
    return [part for part in _installed() if part.group not in GROUPS and not _is_off(part)]


def disabled_parts() -> list[PluginPart]:
    """List the parts that ``IQA_ZOO_DISABLE_PLUGINS`` switches off."""
    return [part for part in _installed() if _is_off(part)]


def refresh() -> None:
    """Clear the cached entry points and failures, so that the next call reads the installed packages again."""
    _installed.cache_clear()
    _failures.clear()


def load(part: PluginPart) -> object:
    """Import the object behind an entry point.

    Raises:
        PluginError: the import failed; carries the plugin's own error, its distribution and version.
    """
    from packaging.specifiers import SpecifierSet

    if part not in _failures:
        try:
            if not SpecifierSet(part.built_for).contains(__version__, prereleases=True):
                raise ImportError(f"it is built for iqa-zoo {part.built_for}, and this is {__version__}")
            entry = importlib.metadata.EntryPoint(part.name, part.target, GROUP_PREFIX + part.group)
            found = entry.load()
            if callable(found):
                return found
            raise TypeError(f"{part.target} is a {type(found).__name__}, not a class or function")
        except Exception as error:  # no error of a plugin may break the rest
            _failures[part] = error
    failure = _failures[part]
    raise PluginError(
        f"{part.name!r} comes from the plugin {part.owner} ({part.target}), which failed to load: "
        f"{type(failure).__name__}: {failure}. {_advice(part, failure)}, or switch it off with "
        f"IQA_ZOO_DISABLE_PLUGINS={part.distribution}"
    ) from failure


def _advice(part: PluginPart, failure: Exception) -> str:
    from packaging.specifiers import SpecifierSet

    own = part.target.partition(":")[0].partition(".")[0]
    missing = failure.name if isinstance(failure, ModuleNotFoundError) else None
    if missing and missing.partition(".")[0] not in (own, "iqa_zoo"):
        return f"Install what it needs (pip install {missing.partition('.')[0]}, or whatever brings that module)"
    if not SpecifierSet(part.built_for).contains(__version__, prereleases=True):
        return f"Upgrade one of the two (pip install --upgrade iqa-zoo {part.distribution})"
    return "Fix or upgrade it"
