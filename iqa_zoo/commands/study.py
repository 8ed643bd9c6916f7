"""The commands of the studies: ``iqa-zoo compare`` and its siblings, made from the settings that each study declares."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

from iqa_zoo.commands.imports import add_import_option
from iqa_zoo.commands.shared import add_json_option, add_output_option, check_outputs, parse_path, show_result
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.outputs import check_folder_writable, check_writable
from iqa_zoo.registry import STUDIES

if typing.TYPE_CHECKING:
    from iqa_zoo.studies.results import StudyResult
    from iqa_zoo.studies.spec import StudySpec

TITLES = {
    "options": "this study",
    "data": "data",
    "backbone": "backbone",
    "budget": "budget",
    "protocol": "protocol",
    "training": "training",
    "statistics": "verdicts",
    "resources": "where it runs",
}
OUTPUTS = ("kept", "import", "json", "csv", "markdown", "latex", "figures", "html")  # arguments that are no settings


def add(commands: Any) -> None:
    """Add a line of help for each study; :func:`run` parses what follows its name, which needs the study's import."""
    for name in STUDIES.names():
        commands.add_parser(name.replace("_", "-"), help=STUDIES.summary(name), add_help=False)


def match_study(argv: Sequence[str]) -> str | None:
    """Return the study that a command line names; None where it names another command."""
    name = argv[0].replace("-", "_") if argv else ""
    return name if name in STUDIES.names() else None


def make_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one study."""
    from iqa_zoo.studies.study_settings import find_settings

    study = find_settings(name)
    prog = f"iqa-zoo {name.replace('_', '-')}"
    parser = argparse.ArgumentParser(prog=prog, description=STUDIES.summary(name), allow_abbrev=False)
    if study.takes_models[1] > 0:
        usual = f"; default: {', '.join(study.models)}" if study.models else ""
        parser.add_argument(
            "models", nargs="*", metavar="MODEL", help=f"zoo names or config files (.yaml, .json){usual}"
        )
    parser.add_argument(
        "--from", dest="kept", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    add_settings(parser, study.options, study.refused, study.defaults)
    add_import_option(parser)
    shown = parser.add_argument_group("results")
    add_json_option(shown, "everything: configs, hashes, versions, splits, predictions")
    add_output_option(shown, "--csv", "one row per training")
    add_output_option(shown, "--markdown", "the tables, to paste")
    add_output_option(
        shown, "--latex", "the tables for a paper (booktabs, verdicts marked, the protocol in the captions)"
    )
    shown.add_argument(
        "--figures", type=parse_path, metavar="FOLDER", help="write the figures there as PDF, SVG and PNG"
    )
    shown.add_argument(
        "--html",
        type=parse_path,
        metavar="FILE",
        help="everything as one page; with --from, give --data and --root again to have the images in it",
    )
    return parser


def add_settings(
    parser: argparse.ArgumentParser,
    options: type,
    without: Sequence[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> None:
    """Add the options of all settings that a study takes; see :func:`iqa_zoo.studies.make_spec.list_settings`."""
    from iqa_zoo.studies.make_spec import list_settings

    groups: dict[str, Any] = {}
    for group, each, hint in list_settings(options, without):
        if group not in groups:
            groups[group] = parser.add_argument_group(TITLES[group])
        _add_setting(groups[group], each, hint, (defaults or {}).get(each.name))


def _add_setting(parser: Any, each: Field[Any], hint: Any, default: Any) -> None:
    """Add the option of a setting. A setting that is left out is absent from the arguments."""
    flags = ["--" + each.name.replace("_", "-"), *each.metadata.get("also", ())]
    argument: dict[str, Any] = {"dest": each.name, "default": argparse.SUPPRESS}
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)] if _is_union(hint) else [hint]
    several = typing.get_origin(kinds[0]) is tuple
    usual = default if default is not None else each.default
    text = each.metadata["help"]
    if hint is bool:
        parser.add_argument(*flags, action="store_true", help=text, **argument)
        return
    if usual not in (None, dataclasses.MISSING, ()) and "default:" not in text:
        shown = " ".join(map(str, usual)) if isinstance(usual, tuple) else usual
        text += f" (default: {shown})"
    if typing.get_origin(kinds[0]) is typing.Literal:
        argument["choices"] = typing.get_args(kinds[0])
    else:
        kind = typing.get_args(kinds[0])[0] if several else kinds[0]
        argument["type"] = _wrap(each.metadata.get("parse") or (parse_path if kind is Path else kind))
        argument["metavar"] = each.metadata.get("metavar")
        argument["choices"] = each.metadata.get("choices")
    if several:
        argument |= {"action": "append"} if each.metadata.get("append") else {"action": "extend", "nargs": "+"}
    parser.add_argument(*flags, help=text.replace("%", "%%"), **argument)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _wrap(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the same function; what it cannot read is a usage error."""

    def read(text: str) -> Any:
        try:
            return parse(text)
        except IqaZooError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    read.__name__ = getattr(parse, "__name__", "value")  # argparse names it in its message
    return read


def read_spec(name: str, args: argparse.Namespace) -> StudySpec:
    """Return the checked spec of a study from the arguments of its command.

    Raises:
        InputError: settings or models that the study does not take.
    """
    from iqa_zoo.studies.study import plan_study

    settings = {key: value for key, value in vars(args).items() if key not in OUTPUTS}
    return plan_study(name, settings.pop("models", ()), **settings)


def run(name: str, argv: Sequence[str]) -> int:
    """Run a study's command; return the exit code."""
    args = make_parser(name).parse_args(argv)
    from iqa_zoo.progress import Terminal
    from iqa_zoo.studies.results import load_result, write_values
    from iqa_zoo.studies.study import run_study
    from iqa_zoo.studies.views import write_views

    check_outputs(args, new=False)
    if args.html:
        check_writable(args.html)
    if args.figures:
        check_folder_writable(args.figures)
    if args.kept and getattr(args, "tune", None) is not None:
        raise InputError("--tune trains, and --from prints a run that was kept; give one of them")
    if args.kept:
        return 0 if _show(load_result(args.kept, name), args, args.kept, None) else 2
    spec = read_spec(name, args)
    folder = spec.resources.out or spec.folder()
    check_folder_writable(folder)
    if folder.is_dir():
        check_writable(folder / "results.json")
    with Terminal().running() as progress:
        result = run_study(spec, progress, [f"iqa-zoo {name.replace('_', '-')}", *argv])
    if result is None:
        return 0
    kept = _try(lambda: write_values(result, folder))  # before anything is made of them
    written = _show(result, args, folder, spec) and kept
    if kept:
        written &= _try(lambda: write_views(result, folder))
        print(f"kept in {folder}; print it again with --from {folder}", file=sys.stderr)
    if not written and result.runs:
        print(
            "finished trainings are kept: the same command (without --fresh) writes the results without training again",
            file=sys.stderr,
        )
    return 0 if written else 2


def _show(result: StudyResult, args: argparse.Namespace, folder: Path, spec: StudySpec | None) -> bool:
    """Print the result and write every file that the arguments name; return whether all were written."""
    from iqa_zoo.studies.views import format_csv, format_latex, format_markdown, print_result, write_figures

    forms = {"markdown": lambda: format_markdown(result), "latex": lambda: format_latex(result)}
    if result.runs:
        forms["csv"] = lambda: format_csv(result)

    def write_page() -> None:
        from iqa_zoo.studies.page import write_html

        size = write_html(result, args.html, folder, list_sources(args, spec))
        print(f"page in {args.html}, {size:.1f} MB", file=sys.stderr)

    def draw() -> None:
        files = write_figures(result, args.figures)
        drawn = f"{len(files)} files in {args.figures}" if files else f"{result.study} has no figures of this result"
        print(drawn, file=sys.stderr)

    done = [_try(lambda: show_result(args, result.values, lambda: print_result(result), **forms))]
    done.append(not args.figures or _try(draw))
    done.append(not args.html or _try(write_page))
    return all(done)  # all were tried


def list_sources(args: argparse.Namespace, spec: StudySpec | None) -> list[Any]:
    """Return the datasets whose images a page can show: those of the study, or those given again with ``--from``."""
    from iqa_zoo.data.loading import DataSource

    if (several := getattr(args, "data", None)) and not isinstance(several, str):
        return list(several)
    if spec is not None:
        return [DataSource(spec.data.data, spec.data.root, spec.data.option)]
    if several or getattr(args, "root", None):
        return [DataSource(several or "", getattr(args, "root", None), tuple(getattr(args, "option", ())))]
    return []


def _try(write: Callable[[], object]) -> bool:
    """Return whether a write succeeded; one that failed is reported."""
    try:
        write()
    except InputError as error:
        print(f"iqa-zoo: {error}", file=sys.stderr)
        return False
    return True
