"""``iqa-zoo report``: a training's or a study's run folder as one HTML file."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.dataset_options import add_dataset_options
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_writable


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "report",
        help="a run folder as one HTML file",
        description="Write what a run folder holds, of iqa-zoo train or of a study, as one HTML file that needs no "
        "network. A run holds names and numbers of images, so give the dataset again to have the images in the page.",
    )
    parser.add_argument("folder", metavar="RUN", type=parse_path, help="the folder of a training or of a study")
    parser.add_argument("-o", "--output", metavar="FILE", type=parse_path, required=True, help="the HTML file")
    add_dataset_options(parser, "--data", default="", skip_unreadable=False)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if not args.folder.is_dir():
        raise InputError(f"{args.folder} is not a folder of iqa-zoo train or of a study")
    check_writable(args.output)
    from iqa_zoo.data.loading import DataSource
    from iqa_zoo.reports.html.page import write_page
    from iqa_zoo.reports.html.training import make_training_page
    from iqa_zoo.reports.html.training_folder import is_training
    from iqa_zoo.studies.page import make_run_page

    study = any((args.folder / name).is_file() for name in ("results.json", "tables.md"))
    if not study and not is_training(args.folder):
        raise InputError(f"{args.folder} holds neither a training (run.json) nor a study (results.json)")
    sources = [DataSource(args.data, args.root, tuple(args.option))] if args.data or args.root else []
    page = make_run_page(args.folder, sources) if study else make_training_page(args.folder, sources)
    size = write_page(page, args.output)
    print(f"{args.output}: {size / 1e6:.1f} MB")
    return 0
