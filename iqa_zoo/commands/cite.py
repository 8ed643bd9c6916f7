"""``iqa-zoo cite``: BibTeX of what models, data sets or the results of a study rest on."""

from __future__ import annotations

import argparse
from typing import Any

from iqa_zoo.commands.shared import parse_path
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_writable, write_text

EXAMPLES = """\
examples:
  iqa-zoo cite lifeiqa livec                 a model with its backbone, and a data set
  iqa-zoo cite --from run -o references.bib  all that the tables of a study rest on, the statistics too
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "cite",
        help="BibTeX of what models, data sets or results rest on",
        description="Print BibTeX entries: of models (from their cards), their backbones and data sets, or of all that the "
        "results of a study rest on.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a model, a data set or a backbone")
    parser.add_argument(
        "--from", dest="kept", type=parse_path, metavar="RUN", help="the run folder of a study, or its JSON"
    )
    parser.add_argument("-o", "--output", metavar="FILE", type=parse_path, help="write the entries there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from iqa_zoo.citations.collect import cite_names, cite_results

    if bool(args.names) == bool(args.kept):
        raise InputError("cite: give names, for example lifeiqa livec, or --from RUN; one of the two")
    if args.output:
        check_writable(args.output)
    if args.kept:
        from iqa_zoo.studies.results import load_result

        text = cite_results(load_result(args.kept).values).bibtex()
    else:
        text = cite_names(args.names).bibtex()
    if args.output:
        write_text(args.output, text)
        print(f"{text.count(chr(10) + '@')} entries in {args.output}")
    else:
        print(text, end="")
    return 0
