"""``iqa-zoo evaluate``: how well a trained model ranks rated images, of its own dataset or of another."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset, warn
from iqa_zoo.commands.hub_run import RUN_HELP, fetch_run, parse_run
from iqa_zoo.commands.metrics_text import format_metric, make_metrics_table
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import (
    add_crops_option,
    add_device_option,
    add_json_option,
    add_output_option,
    add_split_file_options,
    console,
    make_table,
    show_result,
)
from iqa_zoo.errors import InputError


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a trained model on rated images",
        description="Measure a model that iqa-zoo train trained: on the test part of its own split, or on any other "
        "dataset. Scores are turned where the other dataset's labels run the other way. An image smaller than the model's "
        "input is enlarged, and the result says so.",
    )
    parser.add_argument("trained", metavar="RUN", type=parse_run, help=RUN_HELP)
    add_dataset_options(parser, "--data")
    parser.add_argument(
        "--part",
        choices=("test", "validation", "train", "all"),
        help="of a split; test where left out, or all images of a dataset that the model was not trained on",
    )
    add_split_file_options(parser, ", in the place of the training's own split", "of the file")
    add_crops_option(parser)
    add_output_option(parser, "--csv", "label and score of each image as CSV")
    add_device_option(parser)
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.split is not None and args.split_file is None:
        raise InputError("--split is of a file of splits; give --split-file FILE as well")
    from iqa_zoo.inference.run import read_run

    args.trained = fetch_run(args.trained)
    read_run(args.trained)  # before the dataset is read
    from iqa_zoo.data.views import choose_crops
    from iqa_zoo.inference.evaluate_run import choose_images, evaluate_run
    from iqa_zoo.inference.load_run import load_run
    from iqa_zoo.inference.own_data import find_overlap

    data = load_dataset(args)
    scorer, trained = load_run(args.trained, args.device)
    crops = choose_crops(scorer.model.spec, args.crops, trained.test_crops)
    chosen = choose_images(trained, data, args.part, args.split_file, args.split or 1)
    warnings = find_overlap(trained, data, chosen.own, chosen.indices)
    for warning in warnings:
        warn(f"warning: {warning}")
    with progress_bar("scoring") as progress:
        found = evaluate_run(scorer, trained, data, chosen, crops, warnings, progress)
    show_result(args, found.values, lambda: _print(found.values, chosen.own is not None), csv=found.format_csv)
    return 0


def _print(result: Mapping[str, Any], own: bool) -> None:
    from iqa_zoo.data.release import format_some
    from iqa_zoo.inference.evaluate_run import FEWEST_CONTENTS
    from iqa_zoo.reports.ratings import make_rater_tables

    of = "all images" if result["part"] == "all" else f"the {result['part']} part of split {result['split']}"
    views = "the whole of each" if result["view"] == "whole" else f"{result['crops']} crops each"
    print(f"{result['dataset']}: {of}, {result['images']} images, {views}")
    recipe = f" with the recipe {result['recipe']}" if result["recipe"] else ""
    print(f"{result['run']}: trained on {result['trained_on']}{recipe}; {result['direction']}")
    if small := result["enlarged"]:
        size = result["image_size"]
        named = format_some([f"{name} ({note})" for name, note in small.items()])
        print(f"{len(small)} of {result['images']} images are smaller than the model's {size}x{size} pixels: {named}")
    undefined = result["undefined"]
    console().print(make_metrics_table({result["part"]: result["metrics"]}, undefined))
    if interval := result["srocc_interval"]:
        print(
            f"SROCC {result['metrics']['srocc']:.4f}, 95 % interval {interval['low']:.4f} to {interval['high']:.4f} "
            f"(bootstrap over {interval['count']} {interval['of']}; what differs from training to training is not in it)"
        )
    elif undefined:
        print(f"No interval: SROCC is undefined ({undefined}).")
    else:
        print(f"No interval: these images show fewer than {FEWEST_CONTENTS} contents.")
    if not own:
        print("No RMSE of raw scores: the labels of the two datasets are on different scales.")
    if kinds := result.get("srocc_by_distortion"):
        table = make_table("distortion", "SROCC")
        for kind, value in kinds.items():
            table.add_row(kind or "none named", format_metric(value))
        console().print(table)
    for each in make_rater_tables(result["raters"]):
        console().print(each.rich())
