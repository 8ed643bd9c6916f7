"""``iqa-zoo data get``: download a release from its authors, check it and unpack it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.dataset_options import warn
from iqa_zoo.commands.progress import progress_bar, report_bytes
from iqa_zoo.commands.shared import add_json_option, parse_path, show_result
from iqa_zoo.errors import InputError

if TYPE_CHECKING:
    from iqa_zoo.data.check import DatasetReport
    from iqa_zoo.data.download.get import DownloadPlan

EXAMPLES = """\
examples:
  iqa-zoo data get koniq10k --root KonIQ-10k --dry-run         what would be downloaded, the disk it takes, the licence
  iqa-zoo data get koniq10k --root KonIQ-10k                   asks for the licence; run it again to go on after a break
  iqa-zoo data get koniq10k --root KonIQ-10k --accept-licence  without a question, for scripts

Some releases need a form or a browser; then it says what to do. Exit code 1 if the dataset is not complete yet.
"""


def add(actions: Any) -> None:
    parser = actions.add_parser(
        "get",
        help="download a release from its authors, resumable, check it and unpack it",
        description="Download a release from its authors, compare its checksums where they are known, unpack it, and check the "
        "dataset. An interrupted download goes on where it ended. The licence is shown and has to be accepted.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", metavar="NAME", help="a dataset, as iqa-zoo data list shows them")
    parser.add_argument(
        "--root", type=parse_path, metavar="PATH", required=True, help="the folder for it, new or begun before"
    )
    parser.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence of the release and accept it"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be downloaded; write nothing")
    parser.add_argument("--remove-archives", action="store_true", help="remove each archive after it was unpacked")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.data.download.get import plan_download

    plan = plan_download(args.data, args.root)
    if args.dry_run:
        show_result(args, plan.to_dict(), lambda: print("\n".join(plan.format_lines())))
        return 0
    print("\n".join(plan.format_lines()), file=sys.stderr)
    left = _download(args, plan)
    report = _check(args.data, args.root)
    values = {**plan.to_dict(), "left_to_do": left, "check": report.to_dict()}
    show_result(args, values, lambda: _print(left, report))
    return 0 if report.usable else 1


def _download(args: argparse.Namespace, plan: DownloadPlan) -> tuple[str, ...]:
    if not plan.files:
        return (plan.by_hand,)
    if not args.accept_licence:
        _ask(plan)
    from iqa_zoo.data.download.get import download

    try:
        with report_bytes() as progress:
            return download(plan, progress=progress, notify=warn, remove_archives=args.remove_archives)
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)("what arrived is kept; run the command again to go on") from None


def _ask(plan: DownloadPlan) -> None:
    """Get the licence accepted by a person.

    Raises:
        InputError: the input is not a terminal, or the answer is not yes.
    """
    if not sys.stdin.isatty():
        raise InputError(f"read the licence of {plan.name} ({plan.page}: {plan.licence}) and give --accept-licence")
    print("Do you accept the licence of the release? [yes/no] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().casefold() not in ("y", "yes"):
        raise InputError(f"the licence of {plan.name} was not accepted; nothing was downloaded")


def _check(name: str, root: Path) -> DatasetReport:
    from iqa_zoo.data.check import check_dataset

    with progress_bar(f"checking {name}") as progress:
        return check_dataset(name, root, progress=progress)


def _print(left: tuple[str, ...], report: DatasetReport) -> None:
    if not report.usable:
        for line in left:
            print(f"to do: {line}")
    print("\n".join(report.format_lines()))
