"""``iqa-zoo describe``: one model with its resolved config, one part with its keys, or one recipe with its values."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.shared import add_set_option, console, load_model, make_table
from iqa_zoo.config import LISTS, Config, dump_config, is_run_folder, part_parameters, resolve_config, slots_inside
from iqa_zoo.config_file import FILES
from iqa_zoo.contracts import HANDED_DOWN, has_flag
from iqa_zoo.errors import InputError, UnknownName, not_one_of
from iqa_zoo.registry import MODELS, REGISTRIES, SLOTS
from iqa_zoo.training.recipe import RECIPES, list_recipes, load_recipe
from iqa_zoo.values import annotation_in_words

if TYPE_CHECKING:
    from rich.table import Table


def add(commands: Any) -> None:
    parser = commands.add_parser("describe", help="describe a model, a part or a recipe", description=__doc__)
    parser.add_argument(
        "name", metavar="NAME", help="a model, a part, a data set, a recipe, a config file, or the folder of a training"
    )
    add_set_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    found = [registry for registry in REGISTRIES.values() if args.name in registry.names()]
    is_recipe = args.name in list_recipes()
    is_file = Path(args.name).suffix.lower() in FILES
    if args.set and not (MODELS in found or is_file or is_run_folder(args.name)):
        raise InputError(f"--set is of a model; {args.name} is none")
    if is_file or not (found or is_recipe or not is_run_folder(args.name)):
        _describe_config(load_model(args.name, args.set))
        return 0
    if not (found or is_recipe):
        every = [name for registry in REGISTRIES.values() for name in registry.names()]
        raise UnknownName(not_one_of(args.name, [*every, *list_recipes()], "model or part"))
    for registry in found:
        about = registry.get(args.name)
        console().print(f"{registry.slot}: {args.name} ({registry.origin(args.name)})\n", style="bold")
        console().print(inspect.cleandoc(about.__doc__ or "No docstring."), end="\n\n")
        if registry is MODELS:
            _describe_config(load_model(args.name, args.set))
        elif registry.slot in SLOTS:
            _describe_keys(registry.slot, args.name)
    if is_recipe:
        _describe_recipe(args.name)
    return 0


def _describe_recipe(name: str) -> None:
    values: Mapping[str, Any] = load_recipe(name).to_dict()
    console().print(f"{RECIPES}: {name} (iqa_zoo)\n", style="bold")
    console().print(values["summary"], end="\n\n")
    console().print(dump_config({key: value for key, value in values.items() if key != "summary"}))


def _describe_config(cfg: Config) -> None:
    cfg = resolve_config(cfg)
    console().print(dump_config(cfg))
    table = make_table("config path", "type", "origin", "summary")
    for slot in SLOTS:
        for i, part in enumerate(cfg[slot] if slot in LISTS else [cfg[slot]]):
            _add_rows(table, slot, f"{slot}.{i}" if slot in LISTS else slot, part)
    console().print(table)


def _add_rows(table: Table, slot: str, path: str, part: Any) -> None:
    """Add a row for a part and for each part inside it."""
    if part is None:
        table.add_row(path, "none", "", "")
        return
    table.add_row(path, part["type"], SLOTS[slot].origin(part["type"]), SLOTS[slot].summary(part["type"]))
    for key, inside in slots_inside(slot, part).items():
        for i, inner in enumerate(part[key]):
            _add_rows(table, inside, f"{path}.{key}.{i}", inner)


def _describe_keys(slot: str, name: str) -> None:
    keys = part_parameters(slot, name)
    if keys:
        table = make_table("key", "type", "default")
        for key, parameter in keys.items():
            default = "required" if parameter.default is parameter.empty else repr(parameter.default)
            table.add_row(key, annotation_in_words(parameter.annotation), default)
        console().print(table)
    else:
        console().print("It has no keys.")
    taken = inspect.signature(SLOTS[slot].get(name)).parameters
    if handed := [key for key in HANDED_DOWN[slot] if key in taken]:
        console().print(f"Handed down, never written in a config: {', '.join(handed)}")
    if slot == "losses" and has_flag(SLOTS[slot].get(name), "needs_mirrored"):
        console().print("Reads the mirrored images: a training step runs the model twice; left out on frozen features.")
