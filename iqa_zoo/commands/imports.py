"""``--import FILE.py``, which every command accepts, before it and after it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from iqa_zoo.errors import InputError
from iqa_zoo.user_files import add_user_files

FLAG = "--import"


def add_import_option(parser: argparse.ArgumentParser) -> None:
    """Show ``--import`` in ``--help``; :func:`take_imports` reads it."""
    parser.add_argument(
        FLAG,
        metavar="FILE.py",
        help="execute your own file first, so that every command knows the parts that it registers; may be given several times",
    )


def take_imports(argv: Sequence[str]) -> list[str]:
    """Execute the files of ``--import`` and return the other arguments. The parts are then known while those are checked.

    Raises:
        InputError: a file that cannot be imported; names the file and the line.
    """
    files, rest, left = [], [], iter(argv)
    for argument in left:
        name, equals, value = argument.partition("=")
        if argument == "--":
            rest += [argument, *left]
        elif name == FLAG:
            files.append(value if equals else next(left, ""))
        else:
            rest.append(argument)
    if "" in files:
        raise InputError("--import needs a file, for example --import my_head.py")
    add_user_files(files)
    return rest
