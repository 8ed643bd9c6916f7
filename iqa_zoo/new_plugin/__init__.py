"""Write a plugin: a package with a part of each given slot, its tests and its declaration."""

import importlib.util
import keyword
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from iqa_zoo import __version__, plugins
from iqa_zoo.errors import ConfigError, InputError, UnknownName
from iqa_zoo.outputs import check_folder_writable, make_folder, write_text
from iqa_zoo.registry import REGISTRIES, registry_of

TEMPLATES = Path(__file__).parent / "templates"
PREFIX = "iqa-zoo-"


class Kind(NamedTuple):
    """What the part of a slot is called, what the template's is, and how to try it (``$$part`` stands for its name)."""

    suffix: str
    what: str
    use: str


KINDS = {
    "backbone": Kind(
        "Backbone",
        "five convolutions of stride 2, from random weights",
        "iqa-zoo budget lifeiqa_tiny --set backbone='{type: $part, stages: [3, 4]}'",
    ),
    "queries": Kind(
        "Queries",
        "learned queries, moved by the backbone's global vector",
        "iqa-zoo budget deiqt --set queries='{type: $part, num_queries: 6}'",
    ),
    "memory": Kind(
        "Memory", "every cell of a stage map", "iqa-zoo budget lifeiqa_tiny --set memory='{type: $part, stage: 3}'"
    ),
    "interactions": Kind(
        "Block",
        "a perceptron across the queries",
        "iqa-zoo budget deiqt --set interactions='[{type: $part}, {type: cross_attention}]'",
    ),
    "head": Kind(
        "Head", "the mean of the lowest linear scores", "iqa-zoo budget deiqt --set head='{type: $part, lowest: 2}'"
    ),
    "losses": Kind(
        "Loss",
        "RankNet: which of two images is better",
        "iqa-zoo validate deiqt --set losses='[{type: l1}, {type: $part, weight: 0.1}]'",
    ),
    "models": Kind("Model", "ResNet-18 and a transformer decoder of built-in parts", "iqa-zoo budget $part deiqt"),
    "datasets": Kind("Dataset", "a folder of images with a table of scores", "iqa-zoo data check $part --root FOLDER"),
}


class NewPlugin(NamedTuple):
    """What was written: where, what the distribution is called, and slot -> name of each part."""

    folder: Path
    distribution: str
    parts: dict[str, str]


def new_plugin(
    name: str, slots: Sequence[str], *, part: str | None = None, folder: str | Path | None = None
) -> NewPlugin:
    """Write a plugin whose tests pass as they are.

    Args:
        name: of the distribution; ``iqa-zoo-`` is put before it where it is not there.
        slots: a part of each is written: ``"head"``, ``"losses"``, ``"models"``, ``"datasets"`` ...
        part: the name that configs use; the plugin's where left out. With several slots each part's name ends in what
            it is: ``worst_head``, ``worst_loss``.
        folder: where to; ``./DISTRIBUTION`` where left out.

    Raises:
        UnknownName: no such slot; says the closest.
        ConfigError: names that cannot be or are taken; all are listed, with a name that is free.
        InputError: the folder is not empty, or cannot be written.
    """
    kinds = list(dict.fromkeys(registry_of(slot).slot for slot in slots))
    for slot in kinds:
        if slot not in KINDS:
            raise UnknownName(f"there is no template for {slot}; new-plugin writes {', '.join(KINDS)}")
    distribution = PREFIX + name.removeprefix(PREFIX)
    package = distribution.replace("-", "_")
    stem = distribution.removeprefix(PREFIX).replace("-", "_") if part is None else part
    parts = {slot: stem if len(kinds) == 1 else _ending(stem, KINDS[slot].suffix.lower()) for slot in kinds}
    if problems := _wrong_names(name, distribution, package, stem, parts):
        raise ConfigError(problems, title="the names of the plugin")
    target = Path(distribution if folder is None else folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} exists and is not an empty folder; nothing is overwritten: give another with --folder"
        )
    check_folder_writable(target)
    try:
        for path, text in _files(distribution, package, parts).items():
            make_folder((target / path).parent)
            write_text(target / path, text)
    except InputError:
        shutil.rmtree(target, ignore_errors=True)  # it was empty: no half of a plugin stays
        raise
    return NewPlugin(target, distribution, parts)


def _ending(stem: str, suffix: str) -> str:
    return stem if stem.endswith(f"_{suffix}") else f"{stem}_{suffix}"


def _wrong_names(name: str, distribution: str, package: str, stem: str, parts: dict[str, str]) -> list[str]:
    problems = []
    rest = distribution.removeprefix(PREFIX)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rest):
        free = re.sub(r"[^a-z0-9]+", "-", rest.lower()).strip("-") or "mine"
        problems.append(
            f"{name!r} is no name of a plugin: lower-case letters, digits and single hyphens; take {free!r}"
        )
    elif importlib.util.find_spec(package) is not None:
        problems.append(f"{name!r}: a package {package} is installed already; take {f'my-{rest}'!r}")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", stem) or keyword.iskeyword(stem):
        free = re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_")
        free = free if free[:1].isalpha() and not keyword.iskeyword(free) else f"my_{free}".rstrip("_")
        problems.append(
            f"{stem!r} is no name of a part: lower-case letters, digits and single underscores, a letter first; "
            f"take --part {free}"
        )
        return problems
    for slot, part in parts.items():
        registry = REGISTRIES[slot]
        if part in registry.names():
            problems.append(f"{registry.kind} {part!r} is taken by {registry.origin(part)}; take --part my_{stem}")
    return problems


def _files(distribution: str, package: str, parts: dict[str, str]) -> dict[str, str]:
    """The text of every file, by its path in the folder."""

    def filled(template: str, **values: str) -> str:
        text = (TEMPLATES / f"{template}.template").read_text(encoding="utf-8")
        return Template(text).substitute(distribution=distribution, package=package, **values)

    names = {slot: _class_name(part, KINDS[slot].suffix) for slot, part in parts.items()}
    groups = []
    for slot, part in parts.items():
        target = f"{package}.{part}:{part if slot in ('models', 'datasets') else names[slot]}"
        group = plugins.GROUP_PREFIX + registry_of(slot).group
        groups.append(f'[project.entry-points."{group}"]\n{part} = "{target}"\n')
    what = ", ".join(f"{part} ({registry_of(slot).kind})" for slot, part in parts.items())
    files = {
        "pyproject.toml": filled(
            "pyproject.toml",
            description=f"Adds to iqa-zoo: {what}",
            minimum=".".join(__version__.split(".")[:2]),
            entry_points="\n".join(groups),
        ),
        "README.md": filled(
            "README.md",
            table="\n".join(f"| {slot} | `{part}` | {KINDS[slot].what} |" for slot, part in parts.items()),
            describe="\n".join(f"    iqa-zoo describe {part}" for part in parts.values()),
            uses="\n".join("    " + Template(KINDS[slot].use).substitute(part=part) for slot, part in parts.items()),
        ),
        f"{package}/__init__.py": filled("__init__.py"),
        f"{package}/py.typed": "",
    }
    for slot, part in parts.items():
        files[f"{package}/{part}.py"] = filled(f"{slot}.py", part=part, class_name=names[slot])
        files[f"tests/test_{part}.py"] = filled(f"test_{slot}.py", part=part, class_name=names[slot])
    return files


def _class_name(part: str, suffix: str) -> str:
    """The name of a part as a class.

    >>> _class_name("worst", "Head"), _class_name("worst_head", "Head")
    ('WorstHead', 'WorstHead')
    """
    return "".join(word.capitalize() for word in part.split("_")).removesuffix(suffix) + suffix
