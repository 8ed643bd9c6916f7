"""The ``iqa-zoo`` command.

Every subcommand is a module of :mod:`iqa_zoo.commands` named in ``COMMANDS`` with one function, ``add``: it adds its
parser and sets ``run``, which gets the parsed arguments and returns the exit code. Neither module nor ``add``
imports torch, numpy or rich, and the command that is named is imported alone, so that ``iqa-zoo list`` and ``--help`` answer at
once.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from iqa_zoo import __version__
from iqa_zoo.commands.imports import add_import_option, take_imports
from iqa_zoo.program import run_program

STUDY = "study"  # stands for the studies, each a command of its own
COMMANDS = (
    "list",
    "describe",
    "validate",
    "config",
    "budget",
    "data",
    "splits",
    "power",
    STUDY,
    "train",
    "evaluate",
    "score",
    "rank",
    "serve",
    "export",
    "explain",
    "report",
    "push",
    "cite",
    "plugins",
    "new-plugin",
    "check-plugin",
)  # in the order of --help

EXAMPLES = """\
examples:
  iqa-zoo list                                      every part, model and data set, and who brings it
  iqa-zoo list heads                                one slot
  iqa-zoo describe moe                              a part: what it does, its keys and their defaults
  iqa-zoo config lifeiqa -o mine.yaml               a model as a file to edit
  iqa-zoo validate mine.yaml --set head.top_k=1     every problem at once, or the hash
  iqa-zoo budget lifeiqa deiqt                      parameters and MACs, per slot
  iqa-zoo data get koniq10k --root KonIQ-10k        download a release from its authors; run it again to go on
  iqa-zoo data check livec --root LIVEC             what is there, missing, unreadable and duplicated
  iqa-zoo splits livec --root LIVEC -o splits.json  ten splits, by content, in a file for others
  iqa-zoo power --data livec --data koniq10k        what SROCC gap can be detected, before training
  iqa-zoo claims lifeiqa                            the claims of its paper, which hold on these data and which do not
  iqa-zoo train deiqt --data demo --out run         end to end, resumable; with --dry-run, what it would cost
  iqa-zoo evaluate run --data livec --root LIVEC    on its own test part, or on another dataset
  iqa-zoo score photo.jpg                           any images of any size, by a model that comes with the package
  iqa-zoo score photos/ --run run -o s.csv          by a model of your own
  iqa-zoo score shards/ -o s.parquet                tar files, Parquet or folders of any size, resumable, on Ray with --ray
  iqa-zoo rank holiday/                             photographs of one moment, the best first
  iqa-zoo serve                                     a page on which photographs are dropped, and a JSON interface
  iqa-zoo export run -o model.onnx                  one file from pixels to scores, compared with the scorer
  iqa-zoo explain a.png --run run -o attention.png  attention of each query, expert routing
  iqa-zoo explain photo.jpg --map -o map.png        quality by region, by any trained model
  iqa-zoo report run -o report.html                 a training or a study as one page
  iqa-zoo push run me/name --licence mit --dry-run  what would go to the model hub, and its card
  iqa-zoo score a.jpg --run hf://me/name            by a model of the hub
  iqa-zoo cite --from run                           BibTeX of all that the results of a study rest on
  iqa-zoo new-plugin worst --slot head              a package of your own with a head, tests included
  iqa-zoo check-plugin iqa-zoo-worst                whether it holds to the contracts, and what to fix
  iqa-zoo list heads --import my_head.py            any command, with the parts of your own file

Exit codes: 0 done, 1 a check found problems, 2 a wrong argument, name or file, 130 interrupted (Ctrl-C), 143 terminated.
"""


def make_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of ``iqa-zoo`` with some subcommands, or with all of them."""
    parser = argparse.ArgumentParser(
        prog="iqa-zoo",
        description="Blind image quality assessment models as compositions of registered parts.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"iqa-zoo {__version__}")
    add_import_option(parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in commands:
        importlib.import_module(f"iqa_zoo.commands.{name.replace('-', '_')}").add(subparsers)
    return parser


def run_command(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; return its exit code. No other command is imported."""
    first = argv[0] if argv else ""
    named = [first] if first in COMMANDS and first != STUDY else [] if first == "--version" else None
    if named is None:
        from iqa_zoo.commands import study

        if name := study.match_study(argv):
            return study.run(name, argv[1:])
    args = make_parser(COMMANDS if named is None else named).parse_args(argv)
    from iqa_zoo.commands.shared import check_outputs

    check_outputs(args)
    code: int = args.run(args)
    return code


def _warn_in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"iqa-zoo: warning: {message}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``iqa-zoo`` and return its exit code; what the user gave and cannot be used is one message on stderr."""

    def work() -> int:
        with warnings.catch_warnings():
            warnings.showwarning = _warn_in_one_line
            given = take_imports(sys.argv[1:] if argv is None else argv)
            return run_command(given)

    return run_program(work, lambda message: print(f"iqa-zoo: {message}", file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
