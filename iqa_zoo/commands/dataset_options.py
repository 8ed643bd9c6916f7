"""What the subcommands that take a dataset share: its name, where it lies, its own options, and loading it."""

from __future__ import annotations

import argparse
import inspect
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from iqa_zoo.commands.shared import parse_path
from iqa_zoo.config import parse_value
from iqa_zoo.errors import ConfigError, InputError, not_one_of
from iqa_zoo.registry import DATASETS
from iqa_zoo.values import value_problem

if TYPE_CHECKING:
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.release import Release

NOT_OPTIONS = ("root", "progress")  # arguments of a dataset that a command gives itself


def add_dataset_options(
    parser: argparse._ActionsContainer,
    flag: str | None = None,
    *,
    also: str | None = None,
    default: str | None = None,
    several: bool = False,
    skip_unreadable: bool = True,
) -> None:
    """Add the dataset's name, ``--root``, ``--option`` and ``--skip-unreadable``, for :func:`load_dataset`.

    Args:
        parser: of the subcommand.
        flag: gives the name, for example ``"--data"``; a positional NAME where left out.
        also: another spelling of the flag.
        default: the dataset where the flag is left out; without one the flag is required.
        several: the flag may be given several times; ``args.data`` is a list then.
        skip_unreadable: leave out ``--skip-unreadable`` where False.
    """
    words = "a dataset, as iqa-zoo data list shows them"
    if flag is None:
        parser.add_argument("data", metavar="NAME", help=words)
    elif several:
        parser.add_argument(flag, dest="data", metavar="NAME", action="append", required=True, help=words)
    else:
        flags = [flag] + ([also] if also else [])
        words += f" (default: {default})" if default else ""
        parser.add_argument(*flags, dest="data", metavar="NAME", required=default is None, default=default, help=words)
    parser.add_argument("--root", type=parse_path, metavar="PATH", help="the folder with the dataset; demo needs none")
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action="extend",
        nargs="+",
        default=[],
        type=_option,
        help="options of the dataset itself, for example labels=scores.csv image=filename mos=score, "
        "higher_is_better=false or subset=true; may be given several times",
    )
    if skip_unreadable:
        parser.add_argument(
            "--skip-unreadable", action="store_true", help="leave out images that cannot be decoded, and say which"
        )


def add_look_alikes_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--ignore-look-alikes``, for a command that makes splits."""
    parser.add_argument(
        "--ignore-look-alikes",
        action="store_true",
        help="do not compare the images: those that look the same may be in different parts of a split",
    )


def load_dataset(args: argparse.Namespace, progress: Callable[[int, int], None] | None = None) -> RatedImages:
    """Load the dataset that the arguments name; each image that ``--skip-unreadable`` leaves out is told on stderr.

    Args:
        args: parsed by a parser with :func:`add_dataset_options`; ``args.data`` is one name.
        progress: called with (done, total) while images are made or decoded.

    Raises:
        UnknownName: no such dataset or option.
        InputError: no root, or what the dataset says is wrong with its files.
    """
    load = DATASETS.get(args.data)
    options = dataset_options(args)
    if "progress" in inspect.signature(load).parameters:
        options["progress"] = progress
    data: RatedImages = load(dataset_root(args), **options)
    if getattr(args, "skip_unreadable", False):
        from iqa_zoo.data.check import drop_unreadable

        data, reasons = drop_unreadable(data, progress)
        for reason in reasons:
            print(f"iqa-zoo: left out: {reason}", file=sys.stderr)
    return data


def dataset_root(args: argparse.Namespace) -> Path | None:
    """Where the dataset lies; None where it makes itself and no ``--root`` was given.

    Raises:
        InputError: it needs a root.
    """
    parameters = inspect.signature(DATASETS.get(args.data)).parameters
    if args.root is None and next(iter(parameters.values())).default is inspect.Parameter.empty:
        raise InputError(f"{args.data}: give --root PATH, the folder with the dataset; only demo needs none")
    return args.root


def dataset_options(args: argparse.Namespace) -> dict[str, Any]:
    """What ``--option`` gave, as the dataset takes it.

    Raises:
        UnknownName: the dataset has no such option; says the closest and all.
        InputError: a value that the option cannot take.
    """
    load = DATASETS.get(args.data)
    known = [name for name in inspect.signature(load).parameters if name not in NOT_OPTIONS]
    try:
        hints = typing.get_type_hints(load)
    except NameError:  # an annotation imported for type checkers only: its values are not checked here
        hints = {}
    options = {}
    for key, text in args.option:
        if key not in known:
            raise InputError(f"--option {key}: {not_one_of(key, known, 'option')} (of the dataset {args.data!r})")
        options[key] = _value(key, text, hints.get(key, Any))
    return options


def release_of(name: str) -> Release | None:
    """What the authors of a dataset published; None for a dataset without a release, such as your own table."""
    from iqa_zoo.data.release import Release

    release = getattr(sys.modules.get(DATASETS.get(name).__module__), "RELEASE", None)
    return release if isinstance(release, Release) else None


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr, as the function (done, total) that moves it; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _option(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not KEY=VALUE, for example higher_is_better=false (other arguments go before --option)"
        )
    return key.strip(), value


def _value(key: str, text: str, hint: Any) -> Any:
    if hint is str or str in typing.get_args(hint):  # a file called 2024 is no number
        return text
    try:
        value = parse_value(text)
    except ConfigError as error:
        raise InputError(f"--option {key}: {'; '.join(error.problems)}") from error
    if problem := value_problem(value, hint):
        raise InputError(f"--option {key}: {problem}")
    return tuple(value) if isinstance(value, list) else value
