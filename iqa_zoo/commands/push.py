"""``iqa-zoo push``: send a trained model to a model hub."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from iqa_zoo.commands.shared import add_json_option, console, make_table, parse_path, show_result
from iqa_zoo.hub.address import SCHEME, check_repository, is_address, parse_address

EXAMPLES = """\
examples:
  iqa-zoo push run me/koniq-deiqt --licence cc-by-nc-4.0 --dry-run   what would be sent, and the card
  iqa-zoo push run me/koniq-deiqt --licence cc-by-nc-4.0 --private   send it to a private repository
  iqa-zoo score photo.jpg --run hf://me/koniq-deiqt                  score with it, on any machine
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "push",
        help="send a trained model to a model hub",
        description="Send a trained model to the Hugging Face Hub: weights as safetensors, config, scale of the labels, split, and a "
        "card with licences, data and test results. Before anything is sent, the model is loaded and the card must name "
        "the licences of weights and data. Checkpoints, predictions, logs and paths stay here. iqa-zoo score --run hf://USER/NAME and "
        'iqa_zoo.load("hf://USER/NAME") load it.',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "trained", metavar="RUN", type=parse_path, help="the folder of a training, or the name of a trained model"
    )
    parser.add_argument("repository", metavar="USER/NAME", help="where to; made if there is none")
    parser.add_argument(
        "--licence",
        metavar="ID",
        help="of the weights, as the hub names it: apache-2.0, cc-by-nc-4.0, ...; needed for a training",
    )
    parser.add_argument(
        "--data-licence", metavar="TEXT", help="of the training data; that of the release where it is left out"
    )
    parser.add_argument("--private", action="store_true", help="make the repository private")
    parser.add_argument("--dry-run", action="store_true", help="show the files and the card; send nothing")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    given = args.repository
    repository = parse_address(given).repository if is_address(given) else check_repository(given)
    if not args.dry_run:
        from iqa_zoo.hub.upload import check_token

        check_token()
    from iqa_zoo.hub.package import make_package

    package = make_package(args.trained, repository, licence=args.licence, data_licence=args.data_licence)
    files = [{"name": name, "bytes": size, "purpose": purpose} for name, size, purpose in package.list_files()]
    if args.dry_run:
        values = {"repository": repository, "private": args.private, "files": files, "card": package.card}
        show_result(args, values, lambda: _print_plan(repository, args.private, files, package.card))
        return 0
    from iqa_zoo.hub.upload import push_package

    pushed = push_package(package, repository, private=args.private, notify=_say)
    values = {"address": str(pushed.address), "url": pushed.url, "files": files}
    text = f"{pushed.url}\n{pushed.address}\nload it: iqa-zoo score photo.jpg --run {SCHEME}{repository}"
    show_result(args, values, lambda: print(text))
    return 0


def _print_plan(repository: str, private: bool, files: list[dict[str, Any]], card: str) -> None:
    from huggingface_hub import constants

    from iqa_zoo.hub.card import format_size

    table = make_table("file", "size", "content")
    for each in files:
        table.add_row(each["name"], format_size(each["bytes"]), each["purpose"])
    console().print(table)
    total = format_size(sum(each["bytes"] for each in files))
    kind = "private" if private else "public"
    print(
        f"{len(files)} files, {total}, would go to the {kind} repository {constants.ENDPOINT}/{repository}; nothing was sent"
    )
    print(f"\nThe card:\n\n{card}", end="")


def _say(line: str) -> None:
    print(f"iqa-zoo: {line}", file=sys.stderr, flush=True)
