"""``iqa-zoo explain``: the attention and the expert routing of a trained model, on one image or over a dataset."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset, warn
from iqa_zoo.commands.deprecated import add_deprecated
from iqa_zoo.commands.explain_map import add_map_options, check_map, explain_map
from iqa_zoo.commands.hub_run import RUN_HELP, fetch_run, parse_run
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.commands.shared import (
    add_crops_option,
    add_device_option,
    add_json_option,
    parse_count,
    parse_path,
    show_result,
)
from iqa_zoo.errors import InputError
from iqa_zoo.explain.files import SUFFIXES
from iqa_zoo.hub.address import is_address
from iqa_zoo.outputs import check_folder_writable, check_writable

if TYPE_CHECKING:
    from iqa_zoo.explain.snapshots import Snapshots
    from iqa_zoo.inference.run import TrainedRun
    from iqa_zoo.inference.scaled_model import ScaledModel


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="show the attention and the expert routing of a trained model",
        description="Explain a model that iqa-zoo train trained. For one image: its score, the same that iqa-zoo score "
        "gives; for its centre crop the attention of each query, before, during and after the training, the scores by query "
        "and the experts. An image smaller than the model's input is enlarged. For a dataset (--data), by the centre crop of "
        "each image: experts by distortion and quality band, adjacencies, query similarity, on the test part of the "
        "training's split or on all images of another dataset. With --map: quality by region of one image, by any trained model.",
    )
    parser.add_argument("image", metavar="IMAGE", nargs="?", type=parse_path, help="one image file; or give --data")
    add_dataset_options(parser, "--data", default="")
    parser.add_argument("--run", dest="trained", metavar="RUN", type=parse_run, help=RUN_HELP)
    add_deprecated(parser, "--weights", "--run")
    add_map_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE|FOLDER",
        type=parse_path,
        help="of one image a new .png or .svg file; of a dataset a folder (default: RUN/explain), in which the figures of an "
        "earlier call are replaced",
    )
    parser.add_argument(
        "--images", type=parse_count, metavar="N", help="of a dataset, drawn at random; all where left out"
    )
    parser.add_argument(
        "--start-weights",
        metavar="FILE",
        type=parse_path,
        help="the weights that the training began from, to show its true start",
    )
    add_crops_option(parser, "of one image: crops its score is the mean of")
    add_device_option(parser)
    add_json_option(parser, "every number as JSON")
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    if args.trained is None and not args.map:
        args.parser.error("the following arguments are required: --run")
    check_map(args)
    _check(args)
    if args.map:
        explain_map(args)
        return 0
    from iqa_zoo.explain.snapshots import load_snapshots
    from iqa_zoo.inference.load_run import load_run

    args.trained = fetch_run(args.trained)
    scorer, trained = load_run(args.trained, args.device)
    snapshots = load_snapshots(trained, scorer.model, args.start_weights)
    if args.data:
        _explain_dataset(args, scorer, trained, snapshots)
    else:
        _explain_image(args, scorer, trained, snapshots)
    return 0


def _check(args: argparse.Namespace) -> None:
    if (args.image is None) == (not args.data):
        raise InputError("give one IMAGE, or a dataset with --data NAME")
    if args.data:
        if args.output is not None and args.output.is_file():
            raise InputError(f"{args.output} is a file; the figures of a dataset need a folder")
        if args.crops is not None:
            raise InputError("--crops is of one IMAGE: a dataset is explained by the centre crop of each image")
        if is_address(args.trained) and args.output is None:
            raise InputError(f"give -o FOLDER for the figures; {args.trained} is on a hub")
        if args.output is not None or Path(args.trained).is_dir():
            check_folder_writable(args.output or Path(args.trained) / "explain")
        return
    if args.images is not None or args.root is not None or args.option or args.skip_unreadable:
        raise InputError("--images, --root, --option and --skip-unreadable are of a dataset; give --data NAME as well")
    if args.output is None and args.json is None:
        raise InputError("give -o FILE for the figure (.png or .svg), or --json for the numbers")
    if args.output is not None:
        if args.output.suffix.lower() not in SUFFIXES:
            raise InputError(f"{args.output}: give a file that ends in .png or .svg")
        check_writable(args.output, new=True)


def _explain_image(args: argparse.Namespace, scorer: ScaledModel, trained: TrainedRun, snapshots: Snapshots) -> None:
    from iqa_zoo.data.views import choose_crops
    from iqa_zoo.explain.crop import read_crop
    from iqa_zoo.explain.image import assess_image, compute_attention, explain_image, summarize_image
    from iqa_zoo.explain.snapshots import SELECTED
    from iqa_zoo.inference.predict import describe_not_finite

    crops = choose_crops(scorer.model.spec, args.crops, trained.test_crops)
    crop = read_crop(args.image, scorer.model.spec.image_size)
    explanation = explain_image(scorer, crop, crops)
    if not math.isfinite(explanation.score):
        raise InputError(f"{args.image}: {describe_not_finite(explanation.score)}")
    earlier = {name: model for name, model in snapshots.models.items() if name != SELECTED}
    seen = {name: compute_attention(model, scorer, crop) for name, model in earlier.items()}
    observations = assess_image(explanation)
    notes = [note for note in (snapshots.about_start, snapshots.about_last) if note and explanation.attention]
    if args.output is not None:
        from iqa_zoo.explain.image_figure import draw_image_figure
        from iqa_zoo.reports.plots import write_figure

        label = _short(trained.data.label)
        write_figure(draw_image_figure(args.image.name, explanation, seen, observations, label), args.output)
    numbers = {"run": trained.shown, **summarize_image(args.image, explanation, seen, observations), "notes": notes}
    lines = [
        f"{args.image}: {trained.data.label} {explanation.score:.4f} predicted, {explanation.describe_views()}; "
        f"{explanation.crop_score:.4f} from the centre crop alone",
        f"Shown is {crop.describe()}",
        *map(str, observations),
        *notes,
        *([f"written to {args.output}"] if args.output is not None else []),
    ]
    show_result(args, numbers, lambda: print("\n".join(lines)))


def _explain_dataset(args: argparse.Namespace, scorer: ScaledModel, trained: TrainedRun, snapshots: Snapshots) -> None:
    from iqa_zoo.explain.adjacency import collect_adjacencies
    from iqa_zoo.explain.dataset import assess_dataset, explain_dataset, summarize_dataset
    from iqa_zoo.explain.dataset_figures import draw_dataset_figures
    from iqa_zoo.explain.files import write_dataset_files
    from iqa_zoo.explain.select_images import select_images

    folder = args.output or trained.folder / "explain"
    data = load_dataset(args)
    selected = select_images(trained, data, args.images)
    notes = selected.warnings
    for note in notes:
        warn(f"warning: {note}")
    with progress_bar("explaining") as progress:
        found = explain_dataset(scorer, data, selected.indices, progress)
    adjacencies = collect_adjacencies(scorer.model, snapshots.start)
    observations = assess_dataset(found, adjacencies)
    if any(adjacency.learned for adjacency in adjacencies) and snapshots.about_start:
        notes.append(snapshots.about_start)
    title = f"{data.name}, {selected.part}, {len(selected.indices)} images"
    figures = draw_dataset_figures(found, adjacencies, f"{trained.name}: {title}", _short(trained.data.label))
    numbers = {
        "run": trained.shown,
        "dataset": data.name,
        "part": selected.part,
        "crop": f"centre, {scorer.model.spec.image_size} pixels a side",
        **summarize_dataset(found, adjacencies, observations),
        "notes": notes,
    }
    text = "\n".join([f"{trained.shown}: {title}, the centre crop of each", *map(str, observations), *notes]) + "\n"
    write_dataset_files(folder, figures, numbers, text)
    written = f"written to {folder}: explain.txt, explain.json, and {', '.join(figures)} as .png and .svg"
    show_result(args, numbers, lambda: print(text + written))


def _short(label: str) -> str:
    """Return a label without its explanation, for an axis."""
    return label.split(":")[0]
