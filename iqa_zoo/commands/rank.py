"""``iqa-zoo rank``: photographs of one moment, the best first."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.hub_run import load_scorer, parse_run
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.score_text import format_csv_line
from iqa_zoo.commands.shared import (
    add_crops_option,
    add_device_option,
    add_json_option,
    add_output_option,
    console,
    parse_path,
    show_result,
)
from iqa_zoo.data.listing import escape_path, gather_images
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_folder_writable, make_folder
from iqa_zoo.trained.names import DEFAULT
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from iqa_zoo.inference.rank import Ranking
    from iqa_zoo.reports.table import Table

COLUMNS = ("group", "place", "image", "score", "low", "high", "probability", "flags", "time")
EXAMPLES = """\
examples:
  iqa-zoo rank holiday/                         groups of look-alikes and bursts, the best first
  iqa-zoo rank holiday/ --seconds 0             look-alikes only
  iqa-zoo rank holiday/ --recursive --csv r.csv every photograph, with its group and place
  iqa-zoo rank holiday/ --link best/            links to the best of each group and to the photographs that are alone

No photograph is moved or deleted.
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "rank",
        help="group photographs of one moment, the best first",
        description="Group photographs that look alike (perceptual hash) or that one camera took within seconds of each other "
        "(EXIF), and order each group by score, the best first, with the probability that the first is better than the second. "
        "The probability is Phi((s1 - s2) / sqrt(v1 + v2)): s are the scores, v the variances of normal errors whose intervals are those "
        "of the scores, taken as independent. Errors of one scene are correlated, which is ignored. Nothing is moved or deleted.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "images", metavar="FOLDER|IMAGE", nargs="+", type=parse_path, help="folders of photographs, or image files"
    )
    parser.add_argument(
        "--seconds",
        type=_parse_seconds,
        metavar="N",
        default=3.0,
        help="between two photographs of one moment; 0 groups look-alikes only (default: 3)",
    )
    parser.add_argument(
        "--run",
        dest="trained",
        metavar="RUN",
        type=parse_run,
        default=DEFAULT,
        help=f"name of a trained model, the folder of a training, or hf://user/name@revision (default: {DEFAULT})",
    )
    parser.add_argument(
        "--recursive", action="store_true", help="search the folders of a folder as well, linked ones included"
    )
    parser.add_argument(
        "--link",
        metavar="FOLDER",
        type=parse_path,
        help="make a new folder of links to the best photograph of each group, also of groups of one",
    )
    add_crops_option(parser)
    add_device_option(parser)
    add_json_option(parser)
    add_output_option(parser, "--csv", "CSV")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.link is not None:
        if args.link.is_dir() and any(args.link.iterdir()):
            raise InputError(f"{args.link} holds files; give a new folder for the links")
        check_folder_writable(args.link)
    listing = gather_images(args.images, args.recursive)
    scorer = load_scorer(args.trained, args.device, args.crops)
    from iqa_zoo.inference.rank import rank_images

    for reason in listing.unreadable:
        print(f"iqa-zoo: not ranked: {reason}", file=sys.stderr)
    if left_out := listing.describe_left_out():
        print(f"iqa-zoo: {left_out}", file=sys.stderr)
    with progress_bar("scoring") as progress:
        ranking = rank_images(scorer, listing.paths, seconds=args.seconds, progress=progress)
    for score in ranking.failed:
        print(f"iqa-zoo: not ranked: {score.error}", file=sys.stderr)
    values = {"scores": scorer.meaning.to_dict(), "groups": [moment.to_dict() for moment in ranking.moments]}
    show_result(args, values, lambda: _print_table(ranking), csv=lambda: _make_csv(ranking))
    if args.link is not None:
        count = link_best(ranking, args.link)
        print(f"{count_nouns(count, 'link')} in {args.link}", file=sys.stderr)
    print(scorer.meaning.format_signature(), file=sys.stderr)
    return 1 if ranking.failed or listing.unreadable else 0


def link_best(ranking: Ranking, folder: Path) -> int:
    """Make a link to the best photograph of each group; of equal names each further one gets a number. Return how many.

    Raises:
        InputError: a link cannot be made.
    """
    make_folder(folder)
    used: set[str] = set()
    for moment in ranking.moments:
        target = Path(moment.scores[0].path or "").absolute()
        name, number = target.name, 2
        while name.casefold() in used:
            name, number = f"{target.stem}_{number}{target.suffix}", number + 1
        used.add(name.casefold())
        try:
            (folder / name).symlink_to(target)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be made ({error.strerror or error})") from error
    return len(used)


def _print_table(ranking: Ranking) -> None:
    groups = [moment for moment in ranking.moments if len(moment.scores) > 1]
    alone = len(ranking.moments) - len(groups)
    if groups:
        console().print(make_table(ranking).rich())
    print(
        f"{count_nouns(len(groups), 'group')} of {count_nouns(sum(len(each.scores) for each in groups), 'photograph')}; "
        f"{count_nouns(alone, 'photograph')} alone"
    )


def make_table(ranking: Ranking) -> Table:
    """Return the groups of at least two photographs as a table."""
    from iqa_zoo.reports.table import Table

    rows = []
    groups = [moment for moment in ranking.moments if len(moment.scores) > 1]
    for number, moment in enumerate(groups, start=1):
        for place, score in enumerate(moment.scores, start=1):
            interval = "" if score.low is None else f"{score.low:.1f} to {score.high:.1f}"
            better = f"{moment.probability:.2f}" if place == 1 and moment.probability is not None else ""
            image = escape_path(score.path or "")
            rows.append([str(number), str(place), f"{float(score):.2f}", interval, better, image])
    note = "better: the probability that the first is better than the second, where errors are independent"
    return Table(
        "Photographs of one moment", ["group", "place", "score", "interval", "better", "image"], rows, [note], ["image"]
    )


def _make_csv(ranking: Ranking) -> str:
    lines = [format_csv_line(COLUMNS)]
    for number, moment in enumerate(ranking.moments, start=1):
        for place, row in enumerate(moment.to_dict()["images"], start=1):
            values = {**row, "group": number, "place": place, "image": row["path"]}
            values["probability"] = moment.probability if place == 1 else None
            lines.append(format_csv_line(values[column] for column in COLUMNS))
    return "".join(lines)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0")
    return seconds
