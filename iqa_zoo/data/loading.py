"""Load a dataset by its name, folder and options."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.config_file import parse_value
from iqa_zoo.errors import ConfigError, InputError, not_one_of
from iqa_zoo.registry import DATASETS
from iqa_zoo.values import value_problem

if TYPE_CHECKING:
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.release import Release

GIVEN = ("root", "progress")  # arguments of a dataset that are no options


@dataclass(frozen=True)
class DataSource:
    """A dataset: its registered name, its folder (None where it makes its images, or has a box) and its own options, as text or values."""

    name: str
    root: Path | None = None
    options: tuple[tuple[str, Any], ...] = ()
    skip_unreadable: bool = False


def load_dataset(
    source: DataSource,
    progress: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> RatedImages:
    """Load a dataset.

    Args:
        source: what to load.
        progress: called with (done, total) while images are made or decoded.
        warn: called with a line for each image that ``skip_unreadable`` leaves out, and one for a dataset without pixels.

    Raises:
        UnknownName: no such dataset.
        InputError: no folder, an option that does not exist, or files that cannot be used.
    """
    load = DATASETS.get(source.name)
    options = read_options(source.name, dict(source.options))
    if "progress" in inspect.signature(load).parameters:
        options["progress"] = progress
    data: RatedImages = load(check_root(source), **options)
    if data.box is not None:
        if warn:
            warn(f"{data.name}: features of {len(data):,} photographs from the box; there are no pixels")
    elif source.skip_unreadable:
        from iqa_zoo.data.check import drop_unreadable

        data, reasons = drop_unreadable(data, progress)
        for reason in reasons:
            if warn:
                warn(f"left out: {reason}")
    return data


def check_root(source: DataSource) -> Path | None:
    """Return the folder of a dataset; None where it makes its images or has a box.

    Raises:
        InputError: it needs a folder.
    """
    parameters = inspect.signature(DATASETS.get(source.name)).parameters
    if source.root is None and next(iter(parameters.values())).default is inspect.Parameter.empty:
        raise InputError(f"{source.name}: give --root PATH, the folder with the dataset; only demo and livec need none")
    return source.root


def read_options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a dataset as it takes them; text is read as a value.

    Raises:
        InputError: the dataset has no such option, or the option cannot have this value.
    """
    load = DATASETS.get(name)
    known = [each for each in inspect.signature(load).parameters if each not in GIVEN]
    try:
        hints = typing.get_type_hints(load)
    except NameError:  # an annotation imported for type checkers only: its values are not checked here
        hints = {}
    options = {}
    for key, value in given.items():
        if key not in known:
            raise InputError(f"--option {key}: {not_one_of(key, known, 'option')} (of the dataset {name!r})")
        options[key] = _read_value(key, value, hints.get(key, Any))
    return options


def find_release(name: str) -> Release | None:
    """Return what the authors of a dataset published; None for a dataset without a release, such as your own table.

    Raises:
        UnknownName: no such dataset.
    """
    from iqa_zoo.data.release import Release

    release = getattr(sys.modules.get(DATASETS.get(name).__module__), "RELEASE", None)
    return release if isinstance(release, Release) else None


def _read_value(key: str, value: Any, hint: Any) -> Any:
    if isinstance(value, str) and not (hint is str or str in typing.get_args(hint)):  # a file called 2024 is no number
        try:
            value = parse_value(value)
        except ConfigError as error:
            raise InputError(f"--option {key}: {'; '.join(error.problems)}") from error
    if problem := value_problem(value, hint):
        raise InputError(f"--option {key}: {problem}")
    return tuple(value) if isinstance(value, list) else value
