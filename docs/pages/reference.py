"""The reference: parts, models, data sets, recipes, study options, commands and the keys of a result."""

from __future__ import annotations

import argparse
import inspect
import os
import typing
from collections.abc import Sequence
from dataclasses import fields
from unittest import mock

from iqa_zoo.cli import COMMANDS, STUDY, make_parser
from iqa_zoo.commands import study as study_command
from iqa_zoo.config import dump_config, model_config, part_parameters
from iqa_zoo.contracts import HANDED_DOWN
from iqa_zoo.data.loading import find_release
from iqa_zoo.registry import DATASETS, MODELS, SLOTS, STUDIES, PartRegistry
from iqa_zoo.studies.make_spec import GROUPS
from iqa_zoo.studies.study_settings import find_settings
from iqa_zoo.training.recipe import list_recipes, load_recipe
from iqa_zoo.values import annotation_in_words
from pages.result_keys import COMPARE_KEYS, DIFFERENCE_KEYS, RUN_KEYS, list_keys
from pages.results import load_record

WHAT = {
    "backbone": ("Backbones", "An image goes in, `Features` come out: stage maps, tokens and one global vector."),
    "queries": ("Queries", "`Features` go in, `queries_BND` come out: the vectors that the decoder refines."),
    "memory": ("Memories", "`Features` go in, `memory_BLD` comes out: the keys and values of cross-attention."),
    "interactions": ("Interactions", "Blocks that refine the queries, run in list order: `(queries_BND, memory_BLD)` to `queries_BND`."),
    "head": ("Heads", "`queries_BND` go in, a score for each query and one for the image come out."),
    "losses": ("Losses", "The output of a forward pass and the MOS go in, a scalar comes out."),
}  # fmt: skip
SHOWN = ("data", "backbone", "budget", "protocol", "training", "verdicts", "where it runs", "results")


def list_own(registry: PartRegistry) -> list[str]:
    """Return the names of this package; installed plugins do not change the documentation."""
    return [name for name in registry.names() if registry.origin(name) == "iqa_zoo"]


def list_reference() -> dict[str, str]:
    """Return the generated pages of the reference by file name."""
    slots = {f"reference/{slot}.md": format_slot(slot) for slot in SLOTS}
    return {
        "reference/parts.md": format_parts(),
        **slots,
        "reference/models.md": format_models(),
        "reference/datasets.md": format_datasets(),
        "reference/recipes.md": format_recipes(),
        "reference/studies.md": format_studies(),
        "reference/commands.md": format_commands(),
        "reference/result.md": format_result(),
    }


def format_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *map(line, rows)])


def format_code(value: object) -> str:
    return f"`{value}`" if value != "" else ""


def clean_summary(text: str) -> str:
    return text.replace("``", "`")


def format_parts() -> str:
    sections = [
        "# Parts",
        "A model config names one part per slot. `iqa-zoo describe NAME` prints the same keys, and those of installed plugins.",
    ]
    for slot, registry in SLOTS.items():
        rows = [
            [f"[`{name}`]({slot}.md#{name.replace('_', '-')})", clean_summary(registry.summary(name))]
            for name in list_own(registry)
        ]
        sections += [f"## `{slot}`", WHAT[slot][1], format_table(["part", "what it does"], rows)]
    sections.append("```{toctree}\n:hidden:\n\n" + "\n".join(SLOTS) + "\n```")
    return "\n\n".join(sections) + "\n"


def format_slot(slot: str) -> str:
    registry = SLOTS[slot]
    sections = [f"# {WHAT[slot][0]}", WHAT[slot][1]]
    sections.append(
        f"Handed down by the builder, never written in a config: {', '.join(map(format_code, HANDED_DOWN[slot]))}."
    )
    for name in list_own(registry):
        part = registry.get(name)
        keys = [
            [format_code(key), annotation_in_words(each.annotation), "required" if each.default is each.empty else format_code(repr(each.default))]
            for key, each in part_parameters(slot, name).items()
        ]  # fmt: skip
        sections += [f"## {name.replace('_', '-')}", f"`type: {name}`", format_autodoc(part)]
        sections.append(format_table(["key", "type", "default"], keys) if keys else "It has no keys.")
    return "\n\n".join(sections) + "\n"


def format_autodoc(part: object) -> str:
    kind = "autoclass" if inspect.isclass(part) else "autofunction"
    return f"```{{eval-rst}}\n.. {kind}:: {part.__module__}.{part.__qualname__}\n```"  # type: ignore[attr-defined]


def format_models() -> str:
    sections = [
        "# Models",
        "A model is a function that returns a complete config. `iqa-zoo config NAME -o my.yaml` writes it to a file. Its budget, its "
        "published results and its licences are on its [model card](../model_cards/index.md).",
    ]
    for name in list_own(MODELS):
        config = dump_config(model_config(name)).strip()
        sections += [f"## {name.replace('_', '-')}", clean_summary(MODELS.summary(name)), f"```yaml\n{config}\n```"]
    return "\n\n".join(sections) + "\n"


def format_datasets() -> str:
    rows = []
    details = []
    for name in list_own(DATASETS):
        release = find_release(name)
        summary = clean_summary(DATASETS.summary(name))
        if release is None:
            rows.append([format_code(name), "-", "-", "-", "-"])
            details.append(f"**`{name}`**: {summary}")
            continue
        low, high = release.score_range
        better = "higher" if release.higher_is_better else "lower"
        scale = f"{release.label}, {low:g} to {high:g}"
        rows.append([format_code(name), f"{release.images:,}", release.contents or "-", scale, better])
        details.append(f"**`{name}`**: {summary} Source: {release.source}. Licence: {release.licence}.")
    return (
        "\n\n".join(
            [
                "# Data sets",
                "Give a data set with `--data NAME --root FOLDER`, the folder being the release as it is unpacked. "
                "`iqa-zoo data check NAME --root FOLDER` says what is there, missing, unreadable and duplicated. `demo` needs no folder, "
                "and `livec` without one is the features that come with the package.",
                format_table(["name", "images", "contents", "scores", "better"], rows),
                *details,
            ]
        )
        + "\n"
    )


def format_recipes() -> str:
    sections = [
        "# Recipes",
        "A recipe says how to train end to end: `iqa-zoo train MODEL --recipe NAME`, with `--recipe-set KEY=VALUE` for single values. "
        "Your own is a YAML file with the same keys.",
    ]
    for name in list_recipes():
        values = load_recipe(name).to_dict()
        summary = values.pop("summary")
        sections += [f"## {name.replace('_', '-')}", f"{summary}.", f"```yaml\n{dump_config(values).strip()}\n```"]
    return "\n\n".join(sections) + "\n"


def list_options(group: typing.Any) -> list[list[str]]:
    """Return a row per option of an argument group: its flags with the value that follows, and its help."""
    rows = []
    for action in group._group_actions:
        flags = ", ".join(action.option_strings) or action.dest
        shown = action.metavar or ""
        if action.choices and not action.metavar:
            shown = "{" + ",".join(map(str, action.choices)) + "}"
        text = (action.help or "") % {"default": action.default, "prog": ""}
        rows.append([format_code(f"{flags} {shown}".strip()), text.replace("<", "\\<")])
    return rows


def format_studies() -> str:
    names = list_own(STUDIES)
    parsers = {name: study_command.make_parser(name) for name in names}
    groups = {name: {group.title: group for group in parser._action_groups} for name, parser in parsers.items()}
    sections = [
        "# Study options",
        "Each option is also a keyword of the Python call: `--batch-size 32` is `batch_size=32`. The options of all studies are in "
        "[Shared options](#shared-options).",
    ]
    for name in names:
        command = name.replace("_", "-")
        settings = find_settings(name)
        sections += [f"## iqa-zoo {command}", STUDIES.summary(name)]
        rows = list_options(groups[name]["this study"]) if "this study" in groups[name] else []
        sections.append(format_table(["option", "meaning"], rows) if rows else "It has no options of its own.")
        held = {each.name for kind in GROUPS.values() for each in fields(kind)}
        refused = [f"`--{each.replace('_', '-')}`" for each in settings.refused if each in held and each not in GROUPS]
        refused += [f"the group *{study_command.TITLES[each]}*" for each in settings.refused if each in GROUPS]
        if refused:
            sections.append(f"Of the shared options it does not take {', '.join(refused)}.")
        if settings.defaults:
            usual = ", ".join(f"`--{key.replace('_', '-')} {value}`" for key, value in settings.defaults.items())
            sections.append(f"Other defaults: {usual}.")
    sections.append("## Shared options")
    general = [row for row in list_options(groups["compare"]["options"]) if "--help" not in row[0]]
    sections.append(format_table(["option", "meaning"], general))
    for title in SHOWN:
        rows = list_options(groups["compare"][title])
        sections += [f"### {title.capitalize()}", format_table(["option", "meaning"], rows)]
    return "\n\n".join(sections) + "\n"


def format_commands() -> str:
    """Return the help of every command that is no study, as it is printed."""
    sections = [
        "# Commands",
        "The help of each command, as `iqa-zoo COMMAND --help` prints it. The commands of studies are under [Study options](studies.md).",
    ]
    with mock.patch.dict(os.environ, {"COLUMNS": "88", "NO_COLOR": "1"}):
        actions = [
            each for each in make_parser([c for c in COMMANDS if c != STUDY])._actions if hasattr(each, "choices")
        ]
        parsers = next(each.choices for each in actions if isinstance(each, argparse._SubParsersAction))
        for name, parser in parsers.items():
            sections += [f"## iqa-zoo {name}", f"```text\n{parser.format_help().strip()}\n```"]
    sections += ["## Exit codes"]
    sections.append(
        "0 done, 1 a check found problems, 2 a wrong argument, name or file, 130 interrupted (Ctrl-C), 143 terminated."
    )
    return "\n\n".join(sections) + "\n"


def format_result() -> str:
    """Return the page of the schema of results, from the record of the first command."""
    result = load_record("livec_box")
    return (
        "\n\n".join(
            [
                "# Result schema",
                f"A study writes `results.json` into its run folder. `iqa_zoo.load_result(FOLDER)` reads it as a "
                f"{{class}}`~iqa_zoo.studies.results.StudyResult`. The schema is version {result.schema}; results of earlier versions "
                "are migrated when they are read. An undefined number is `null`.",
                "## Keys of a comparison",
                "Other studies hold the same keys where they apply, and keys of their own.",
                format_table(["key", "type", "meaning"], list_keys(result.values, COMPARE_KEYS)),
                "## Keys of a training",
                "`runs` has one entry per training. `--csv` writes one row for each.",
                format_table(["key", "type", "meaning"], list_keys(result.runs[0], RUN_KEYS)),
                "## Keys of a difference",
                format_table(["key", "type", "meaning"], list_keys(result.differences[0], DIFFERENCE_KEYS)),
                "## Columns of the CSV",
                ", ".join(map(format_code, result.columns)) + ".",
            ]
        )
        + "\n"
    )
