"""The options of a dataset, and loading it, for several subcommands."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import parse_path, split_pair
from iqa_zoo.data.loading import DataSource
from iqa_zoo.data.loading import load_dataset as load_source

if TYPE_CHECKING:
    from iqa_zoo.data.look_alikes import LookAlikes
    from iqa_zoo.data.rated import RatedImages


def add_dataset_options(
    parser: argparse._ActionsContainer,
    flag: str | None = None,
    *,
    default: str | None = None,
    several: bool = False,
    skip_unreadable: bool = True,
) -> None:
    """Add the dataset's name, ``--root``, ``--option`` and ``--skip-unreadable``, for :func:`load_dataset`.

    Without ``flag`` the name is positional, and without ``default`` the flag is required. With ``several``, ``args.data`` is
    a list of names.
    """
    text = "a dataset, as iqa-zoo data list shows them"
    if flag is None:
        parser.add_argument("data", metavar="NAME", help=text)
    elif several:
        parser.add_argument(flag, dest="data", metavar="NAME", action="append", required=True, help=text)
    else:
        text += f" (default: {default})" if default else ""
        parser.add_argument(flag, dest="data", metavar="NAME", required=default is None, default=default, help=text)
    parser.add_argument(
        "--root", type=parse_path, metavar="PATH", help="the folder with the dataset; demo and livec need none"
    )
    parser.add_argument(
        "--option",
        metavar="KEY=VALUE",
        action="extend",
        nargs="+",
        default=[],
        type=_parse_option,
        help="options of the dataset itself, for example labels=scores.csv image=filename mos=score, "
        "higher_is_better=false or subset=true; may be given several times",
    )
    if skip_unreadable:
        parser.add_argument(
            "--skip-unreadable", action="store_true", help="leave out images that cannot be decoded, and name them"
        )


def add_split_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of a command that makes splits, without defaults, so that an option that does not count can be refused."""
    parser.add_argument(
        "--validation-fraction", type=float, metavar="F", help="of the training contents (default: 0.1)"
    )
    parser.add_argument(
        "--ignore-look-alikes",
        action="store_true",
        help="do not compare the images: those that look the same may be in different parts of a split",
    )


def make_source(args: argparse.Namespace) -> DataSource:
    """Return the dataset that the arguments name; ``args.data`` is one name."""
    return DataSource(args.data, args.root, tuple(args.option), getattr(args, "skip_unreadable", False))


def load_dataset(args: argparse.Namespace) -> RatedImages:
    """Load the dataset that the arguments name; each image that ``--skip-unreadable`` leaves out is a line on stderr.

    Raises:
        UnknownName: no such dataset or option.
        InputError: no root, or files that the dataset cannot use.
    """
    with progress_bar(f"reading {args.data}") as progress:
        return load_source(make_source(args), progress, warn)


def find_look_alikes(data: RatedImages) -> LookAlikes:
    """Compare the images of a dataset, with a progress bar."""
    from iqa_zoo.data.look_alikes import group_look_alikes

    with progress_bar("comparing images") as progress:
        return group_look_alikes(data, progress)


def warn(text: str) -> None:
    """Print a line on stderr."""
    print(f"iqa-zoo: {text}", file=sys.stderr)


def _parse_option(text: str) -> tuple[str, str]:
    return split_pair(text, "higher_is_better=false", "--option")
