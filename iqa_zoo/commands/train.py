"""``iqa-zoo train``: a model trained end to end on one split of a dataset."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.dataset_options import (
    add_dataset_options,
    add_split_options,
    find_look_alikes,
    load_dataset,
    make_source,
)
from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.commands.progress import is_first_process, print_once, report_training
from iqa_zoo.commands.shared import (
    MODEL,
    add_device_option,
    add_json_option,
    add_set_option,
    add_split_file_options,
    load_model,
    parse_count,
    parse_path,
    parse_seed,
    show_result,
)
from iqa_zoo.commands.training_text import print_plan, print_training
from iqa_zoo.config import Config
from iqa_zoo.errors import InputError
from iqa_zoo.program import find_exit_code
from iqa_zoo.training.recipe import Recipe, choose_recipe, list_recipes, load_recipe
from iqa_zoo.training.selection import RULES, check_rule

if TYPE_CHECKING:
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import Split
    from iqa_zoo.training.end_to_end.options import TrainingOptions

# What --resume RUN reads from the run.
_BEGUN = """config data option skip_unreadable out recipe recipe_set set backbone weights pretrained seed selection peek split
split_file split_seed official validation_fraction ignore_look_alikes"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a model end to end",
        description="Train a model end to end and report the test part of its split. Each epoch leaves a checkpoint, so "
        "that --resume RUN goes on where a training stopped. Several processes share the work under torchrun "
        "--nproc-per-node N -m iqa_zoo.cli train ...",
    )
    parser.add_argument("config", metavar="CONFIG", nargs="?", help=MODEL)
    add_dataset_options(parser, "--data", default="")
    parser.add_argument("--out", metavar="FOLDER", type=parse_path, help="the run's folder; needed unless --dry-run")
    add_deprecated(parser, "--work-dir", "--out")
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"how to train: {', '.join(list_recipes())}, a .yaml or .json file, or the folder of a training; the model's own "
        "where there is one, else quick",
    )
    add_set_option(parser, "--recipe-set", "replace values of the recipe, for example epochs=3 lr=1e-4")
    add_set_option(parser)
    parser.add_argument("--backbone", metavar="NAME", help="put the model on another timm model or backbone")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--weights", metavar="FILE", type=parse_path, help="start from weights of the model or its backbone"
    )
    start.add_argument("--pretrained", action="store_true", help="fetch the backbone's ImageNet weights")
    parser.add_argument("--seed", type=parse_seed, metavar="N", help="of the training (default: 0)")
    parser.add_argument(
        "--selection",
        metavar="RULE",
        help="which epoch is kept (default: validation): "
        + "; ".join(f"{rule} ({description})" for rule, description in RULES.items()),
    )
    parser.add_argument(
        "--peek",
        action="store_true",
        help="measure the test part after every epoch too, to say what every rule would have reported",
    )
    # No defaults here: an option that was given and does not count must differ from one that was left out.
    add_split_file_options(parser, "", "which split")
    parser.add_argument(
        "--split-seed", type=parse_seed, metavar="N", help="of the splits, where no file is given (default: 0)"
    )
    parser.add_argument("--official", action="store_true", help="the split of the release")
    add_split_options(parser)
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        type=parse_path,
        metavar="RUN",
        help="go on with the run in a folder, with the arguments that it was begun with; without RUN, with those given here, "
        "if there is a run in --out FOLDER",
    )
    parser.add_argument("--save-steps", type=parse_count, metavar="N", help="a checkpoint every N steps as well")
    parser.add_argument(
        "--track", metavar="NAME", action="append", default=[], help="write scalars to tensorboard, wandb, ... as well"
    )
    add_device_option(parser, "cpu, cuda, cuda:N, mps or xpu")
    parser.add_argument(
        "--sharded",
        action="store_true",
        help="under torchrun: share out weights, gradients and optimizer state too (FSDP), where memory is short",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be trained and what it costs; write nothing"
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    shown = _take_arguments_of_run(args)
    _check_arguments(args)
    cfg = load_model(args.config, args.set, args.backbone)
    if args.recipe is not None:
        load_recipe(args.recipe, dict(args.recipe_set))  # before the data is read
    data = load_dataset(args)
    name = args.recipe or choose_recipe(args.config, data)
    recipe = load_recipe(name, dict(args.recipe_set))
    split = _choose_split(args, data)
    shown = shown or name
    if args.dry_run:
        if is_first_process():
            from iqa_zoo.budgets.training_plan import plan_training

            about = {"model": args.config, "recipe": shown, "recipe_is_default": args.recipe is None}
            plan = about | plan_training(cfg, data, split, recipe, args.weights, _make_options(args))
            show_result(args, plan, lambda: print_plan(plan))
        return 0
    return _train(args, cfg, data, split, shown, recipe)


def _take_arguments_of_run(args: argparse.Namespace) -> str | None:
    """Where ``--resume RUN`` is given, take the arguments of the run; return the name of its recipe."""
    if args.resume not in (None, True) and args.out is not None and args.config is None:
        args.config, args.resume = str(args.resume), True  # train --resume CONFIG --out FOLDER: the value is the model
    if args.resume in (None, True):
        args.resume, args.seed = bool(args.resume), args.seed or 0
        args.selection = args.selection or "validation"
        return None
    if given := [key for key in _BEGUN.split() if getattr(args, key) not in (None, False, "", [])]:
        flags = ", ".join("CONFIG" if key == "config" else f"--{key.replace('_', '-')}" for key in given)
        raise InputError(f"{flags} cannot be given with --resume RUN, which goes on as the run was begun")
    from iqa_zoo.training.begun import read_begun_run

    folder = args.resume
    begun = read_begun_run(folder)
    args.config = args.recipe = str(folder)  # the folder of a training names its model and its recipe
    args.out, args.split_file, args.resume = folder, folder / "split.json", True
    args.data, args.root = begun.source.name, args.root or begun.source.root
    args.option, args.skip_unreadable = list(begun.source.options), begun.source.skip_unreadable
    args.weights, args.pretrained = begun.weights, begun.pretrained
    args.seed, args.selection, args.peek = begun.seed, begun.selection, begun.peek
    args.save_steps, args.track = args.save_steps or begun.save_steps, args.track or list(begun.trackers)
    return begun.recipe_name


def _check_arguments(args: argparse.Namespace) -> None:
    check_rule(args.selection)
    if args.config is None or not args.data:
        raise InputError("give CONFIG and --data NAME, what to train on what; or --resume RUN")
    if args.out is None and not args.dry_run:
        raise InputError("give --out FOLDER, a folder for the run, or --dry-run")
    given = "--split-file" if args.split_file else "--official" if args.official else None
    if args.split_file and args.official:
        raise InputError("--official does not count with --split-file")
    unused = {"--split-file": ("split_seed", "validation_fraction"), "--official": ("split",)}.get(given or "", ())
    for key in unused:
        if getattr(args, key) is not None:
            raise InputError(f"--{key.replace('_', '-')} does not count with {given}")


def _choose_split(args: argparse.Namespace, data: RatedImages) -> Split:
    from iqa_zoo.data.choose_split import VALIDATION_FRACTION, SplitChoice, choose_split
    from iqa_zoo.training.end_to_end.checks import check_parts

    fraction = args.validation_fraction
    choice = SplitChoice(
        args.split_file,
        args.split or 1,
        args.split_seed or 0,
        args.official,
        VALIDATION_FRACTION if fraction is None else fraction,
        not args.ignore_look_alikes,
    )
    split = choose_split(data, choice, compare=find_look_alikes, notify=print_once)
    check_parts(data, split)  # for a dry run too
    return split


def _make_options(args: argparse.Namespace) -> TrainingOptions:
    from iqa_zoo.training.begun import note_arguments
    from iqa_zoo.training.end_to_end.options import TrainingOptions

    begun = {"weights": args.weights, "pretrained": args.pretrained, "save_steps": args.save_steps}
    return TrainingOptions(
        selection=args.selection,
        peek=args.peek,
        resume=args.resume,
        save_steps=args.save_steps,
        trackers=tuple(args.track),
        device=args.device,
        sharded=args.sharded,
        arguments=note_arguments(make_source(args), **begun, trackers=tuple(args.track)),
    )


def _train(args: argparse.Namespace, cfg: Config, data: RatedImages, split: Split, name: str, recipe: Recipe) -> int:
    from iqa_zoo.training.end_to_end.train import ResultNotWritten, train_model
    from iqa_zoo.training.run_folder import hold_run

    unwritten = None
    folder: Path = args.out
    print_once(
        f"{args.config} on {data.name} with the recipe {name}{'' if args.recipe else ' (the default)'}; split {split.id}: "
        f"{len(split.train)} images train, {len(split.validation)} validate, {len(split.test)} test"
    )
    try:
        only_one = hold_run(folder, wait=False) if is_first_process() else nullcontext()
        with only_one, report_training(recipe.epochs) as progress:
            result = train_model(
                cfg,
                data,
                split,
                recipe,
                folder,
                seed=args.seed,
                pretrained=args.pretrained,
                weights=args.weights,
                recipe_name=name,
                options=_make_options(args),
                progress=progress,
            )
    except ResultNotWritten as error:
        result, unwritten = error.result, error
    except KeyboardInterrupt as interrupt:
        print_once(
            f"interrupted; the same command with --resume goes on from the last checkpoint in {folder}, if there is one"
        )
        return find_exit_code(interrupt)
    if not is_first_process():
        return 0
    about = {"run": str(folder), "recipe": name, "dataset": data.name, "split": split.id}
    values = {**about, **{key: value for key, value in result.items() if key != "predictions"}}
    show_result(args, values, lambda: print_training(result, folder))
    if unwritten is not None:
        raise unwritten
    return 0
