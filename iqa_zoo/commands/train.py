"""``iqa-zoo train``: a model trained end to end on one split of a dataset."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from iqa_zoo.commands.dataset_options import (
    add_dataset_options,
    add_look_alikes_option,
    load_dataset,
    progress_bar,
)
from iqa_zoo.commands.evaluate import metrics_table, read_split
from iqa_zoo.commands.score import INTERRUPTED, whole
from iqa_zoo.commands.shared import add_set_option, console, parse_path, print_json
from iqa_zoo.config import Config, apply_overrides, load_config
from iqa_zoo.engine.selection import RULES, check_rule
from iqa_zoo.errors import ConfigError, InputError
from iqa_zoo.training.recipe import Recipe, list_recipes, load_recipe

if TYPE_CHECKING:
    from iqa_zoo.data.look_alikes import LookAlikes
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import Split
    from iqa_zoo.engine.training import TrainingOptions

VALIDATION_FRACTION = 0.1
PEEKS = "peeks at the test part"
OFTEN = 30.0  # seconds between two lines about a training that nobody watches
SELDOM = 300.0  # seconds between two lines while images are tested


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a model end to end",
        description="Train a model end to end and report the test part of its split. Each epoch leaves a checkpoint, so "
        "that --resume goes on where a training stopped. Several processes share the work under torchrun "
        "--nproc-per-node N -m iqa_zoo.cli train ...",
    )
    parser.add_argument("config", metavar="CONFIG", help="a model's name, or a .yaml or .json file")
    add_dataset_options(parser, "--data")
    parser.add_argument("--work-dir", metavar="DIR", type=parse_path, help="the run's folder; needed unless --dry-run")
    parser.add_argument(
        "--recipe",
        metavar="NAME|FILE",
        help=f"how to train: {', '.join(list_recipes())}, or a .yaml or .json file; the model's own where there is one, "
        "else quick",
    )
    add_set_option(parser, "--recipe-set", "replace values of the recipe, for example epochs=3 lr=1e-4")
    add_set_option(parser)
    parser.add_argument("--backbone", metavar="NAME", help="put the model on another timm model or backbone")
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--weights", metavar="FILE", type=parse_path, help="start from weights of the model or its backbone"
    )
    start.add_argument("--pretrained", action="store_true", help="fetch the backbone's ImageNet weights")
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="of the training (default: 0)")
    parser.add_argument(
        "--selection",
        metavar="RULE",
        default="validation",
        help="which epoch is kept: " + "; ".join(f"{rule} ({words})" for rule, words in RULES.items()),
    )
    parser.add_argument(
        "--peek",
        action="store_true",
        help="measure the test part after every epoch too, to say what every rule would have reported",
    )
    # No defaults here: what was given and does not count must be told from what was left out.
    parser.add_argument("--split", type=whole, metavar="N", help="which split, counted from 1 (default: 1)")
    parser.add_argument("--splits", metavar="FILE", type=parse_path, help="splits that iqa-zoo splits wrote")
    parser.add_argument(
        "--split-seed", type=_seed, metavar="N", help="of the splits, where no file is given (default: 0)"
    )
    parser.add_argument("--official", action="store_true", help="the split of the release")
    parser.add_argument(
        "--validation-fraction", type=float, metavar="F", help="of the training contents (default: 0.1)"
    )
    add_look_alikes_option(parser)
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder, if there is one")
    parser.add_argument("--save-steps", type=whole, metavar="N", help="a checkpoint every N steps as well")
    parser.add_argument(
        "--track", metavar="NAME", action="append", default=[], help="write scalars to tensorboard, wandb, ... as well"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:N, mps or xpu; CUDA where there is one")
    parser.add_argument(
        "--sharded",
        action="store_true",
        help="under torchrun: share out weights, gradients and optimizer state too (FSDP), where memory is short",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be trained and what it costs; write nothing"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    _check_arguments(args)
    cfg = _config(args)
    if args.recipe is not None:
        load_recipe(args.recipe, dict(args.recipe_set))  # before the data is read
    with progress_bar(f"reading {args.data}") as progress:
        data = load_dataset(args, progress)
    name, recipe = _recipe(args, data)
    split = _split(args, data)
    if args.dry_run:
        if _is_first():
            from iqa_zoo.engine.plan import plan_training

            about = {"model": args.config, "recipe": name, "recipe_is_default": args.recipe is None}
            plan = about | plan_training(cfg, data, split, recipe, args.weights, _options(args))
            print_json(plan) if args.json else _print_plan(plan)
        return 0
    return _train(args, cfg, data, split, name, recipe)


def _check_arguments(args: argparse.Namespace) -> None:
    check_rule(args.selection)
    if args.work_dir is None and not args.dry_run:
        raise InputError("give --work-dir DIR, a folder for the run, or --dry-run")
    given = "--splits" if args.splits else "--official" if args.official else None
    if args.splits and args.official:
        raise InputError("--official does not count with --splits")
    unused = {"--splits": ("split_seed", "validation_fraction"), "--official": ("split",)}.get(given or "", ())
    for key in unused:
        if getattr(args, key) is not None:
            raise InputError(f"--{key.replace('_', '-')} does not count with {given}")


def _config(args: argparse.Namespace) -> Config:
    try:
        cfg = load_config(args.config)
        if args.backbone is not None:
            from iqa_zoo.placing import make_backbone_config

            cfg["backbone"] = make_backbone_config(args.backbone, [cfg])
        return apply_overrides(cfg, dict(args.set))
    except ConfigError as error:
        raise ConfigError(error.problems, title=f"{args.config}, {error.title}") from error


def _recipe(args: argparse.Namespace, data: RatedImages) -> tuple[str, Recipe]:
    name = args.recipe or default_recipe(args.config, data)
    return name, load_recipe(name, dict(args.recipe_set))


def default_recipe(model: str, data: RatedImages) -> str:
    """The recipe named as the model, or as it and the kind of the data's distortions; else ``quick``."""
    kind = "synthetic" if data.distortions is not None and data.references is not None else "authentic"
    return next((name for name in (model, f"{model}_{kind}") if name in list_recipes()), "quick")


def _split(args: argparse.Namespace, data: RatedImages) -> Split:
    from iqa_zoo.engine.checks import check_parts

    split = _chosen_split(args, data)
    check_parts(data, split)  # for a dry run too
    return split


def _chosen_split(args: argparse.Namespace, data: RatedImages) -> Split:
    from iqa_zoo.data.release import format_some
    from iqa_zoo.data.splits import check_leaks, load_official_split, make_splits

    if args.splits is not None:
        return read_split(args.splits, data, args.split or 1)
    alike = None if args.ignore_look_alikes else _look_alikes(data)
    groups = alike.groups if alike else None
    fraction = VALIDATION_FRACTION if args.validation_fraction is None else args.validation_fraction
    if args.official:
        split = load_official_split(data, fraction, args.split_seed or 0, groups)
        if leaks := check_leaks(data, split):
            raise InputError(f"{data.name}: the official split leaks: {format_some(leaks)}")
        for leak in check_leaks(data, split, alike.pairs if alike else ()):
            if _is_first():
                print(f"iqa-zoo: warning: the official split: {leak}", file=sys.stderr)
        return split
    if alike and alike.pairs and _is_first():
        print(f"iqa-zoo: {data.name}: {alike.describe()}", file=sys.stderr)
    number = args.split or 1
    return make_splits(data, number, args.split_seed or 0, validation_fraction=fraction, groups=groups)[number - 1]


def _look_alikes(data: RatedImages) -> LookAlikes:
    from iqa_zoo.data.look_alikes import group_look_alikes

    with progress_bar("comparing images") as progress:
        return group_look_alikes(data, progress)


def _options(args: argparse.Namespace) -> TrainingOptions:
    from iqa_zoo.engine.training import TrainingOptions

    return TrainingOptions(
        selection=args.selection,
        peek=args.peek,
        resume=args.resume,
        save_steps=args.save_steps,
        trackers=tuple(args.track),
        device=args.device,
        sharded=args.sharded,
    )


def _train(args: argparse.Namespace, cfg: Config, data: RatedImages, split: Split, name: str, recipe: Recipe) -> int:
    from iqa_zoo.engine.run_folder import hold_run
    from iqa_zoo.engine.training import ResultNotWritten, train_model

    unwritten = None
    _say(
        f"{args.config} on {data.name} with the recipe {name}{'' if args.recipe else ' (the default)'}; split {split.id}: "
        f"{len(split.train)} images train, {len(split.validation)} validate, {len(split.test)} test"
    )
    try:
        only_one = hold_run(args.work_dir, wait=False) if _is_first() else nullcontext()
        with only_one, _training_line(recipe.epochs) as progress:
            result = train_model(
                cfg,
                data,
                split,
                recipe,
                args.work_dir,
                seed=args.seed,
                pretrained=args.pretrained,
                weights=args.weights,
                recipe_name=name,
                options=_options(args),
                progress=progress,
            )
    except ResultNotWritten as error:
        result, unwritten = error.result, error
    except KeyboardInterrupt:
        _say(
            f"interrupted; the same command with --resume goes on from the last checkpoint in {args.work_dir}, if there is one"
        )
        return INTERRUPTED
    if not _is_first():
        return 0
    if args.json:
        shown = {key: value for key, value in result.items() if key != "predictions"}
        about = {"run": str(args.work_dir), "recipe": name, "dataset": data.name, "split": split.id}
        print_json({**about, **shown})
    else:
        _print(args, result)
    if unwritten is not None:
        raise unwritten
    return 0


def _print(args: argparse.Namespace, result: Mapping[str, Any]) -> None:
    rule = result["selection"]
    label = f", which {PEEKS}" if rule == "test-oracle" else ""
    print(f"epoch {result['epoch']} of {result['epochs']} is kept, by the rule {rule}{label}: {RULES[rule]}")
    columns = {f"test ({PEEKS})" if label else "test": result["metrics"]}
    if result["validation"]:
        columns["validation"] = result["validation"]
    console().print(metrics_table(columns))
    if result["every_rule"]:
        table = Table("rule", "epoch", "test SROCC", "test PLCC", "")
        for other, reported in result["every_rule"].items():
            numbers = [f"{reported[metric]:.4f}" for metric in ("srocc", "plcc")]
            table.add_row(other, str(reported["epoch"]), *numbers, PEEKS if other == "test-oracle" else "")
        print("What every rule would have reported:")
        console().print(table)
    else:
        print("What the other rules would have reported was not measured: that takes --peek.")
    if enlarged := result.get("enlarged"):
        print(f"{len(enlarged)} images were smaller than the model's input and were enlarged.")
    for problem in result.get("log_problems", ()):
        print(f"Of the log: {problem}")
    print(f"{_duration(result['seconds'])}; weights, predictions and history are in {args.work_dir}")


def _print_plan(plan: Mapping[str, Any]) -> None:
    images = plan["images"]
    frozen = plan["parameters"] - plan["trainable"]
    default = " (the default)" if plan["recipe_is_default"] else ""
    steps = f"{plan['epochs']} epochs of {plan['steps_an_epoch']} steps, {plan['steps']} steps in all"
    crops = f"{plan['crops_a_step']} crops of {plan['image_size']}x{plan['image_size']} pixels"
    lines = {
        "model": f"{plan['model']} ({plan['model_hash']})",
        "parameters": f"{plan['trainable']:,} trainable, {frozen:,} frozen",
        "recipe": f"{plan['recipe']}{default}: {plan['recipe_values']['summary']}",
        "data": f"{plan['dataset']}, split {plan['split']}: {images['train']} images train, {images['validation']} "
        f"validate, {images['test']} test",
        "training": f"{steps}, each of {crops}, {plan['crops_an_image']} an image and epoch"
        + (f"; {plan['enlarged']} smaller images are enlarged" if plan["enlarged"] else ""),
        "disk": f"{_megabytes(plan['checkpoint_bytes'])} a checkpoint (one is kept, two while the next is written) and "
        f"{_megabytes(plan['weights_bytes'])} of weights",
        "time": f"about {_duration(plan['seconds'])} on {plan['device']}, from one timed step; reading images and other "
        "processes not counted",
    }
    for key, line in lines.items():
        print(f"{key + ':':12}{line}")
    print("Nothing was trained and nothing was written.")


@contextmanager
def _training_line(epochs: int) -> Iterator[Callable[[str, int, int], None]]:
    """A progress line on stderr; where that is no terminal, a line now and then: four an epoch and few between epochs."""
    if sys.stderr.isatty() and _is_first():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda words, done, total: bar.update(task, description=words, completed=done, total=total)
        return
    began = said_at = time.perf_counter()
    first = said = last = None

    def say(words: str, done: int, total: int) -> None:
        nonlocal began, first, said, said_at, last
        now = time.perf_counter()
        if not done:
            began = now  # images are checked before the first step
        elif first is None:
            first = done
        quarter = 4 * epochs * done // total
        stands, last = done == last, done  # images are tested between two steps
        if now - said_at < SELDOM if stands else done < total and (quarter == said or now - said_at < OFTEN):
            return
        said, said_at = quarter, now
        left = (now - began) / (done - first + 1) * (total - done) if first else 0
        _say(f"{words}, step {done} of {total}" + (f", about {_duration(left)} left" if left else ""))

    yield say


def _say(words: str) -> None:
    if _is_first():
        print(f"iqa-zoo: {words}", file=sys.stderr, flush=True)


def _is_first() -> bool:
    """Whether this process speaks for all those of torchrun."""
    return os.environ.get("RANK", "0") == "0"


def _duration(seconds: float) -> str:
    """A time in words.

    >>> [_duration(each) for each in (4.2, 95, 7260)]
    ['4 s', '1 min 35 s', '2 h 1 min']
    """
    whole_seconds = round(seconds)
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    minutes, rest = divmod(whole_seconds, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)
