"""``iqa-zoo evaluate``: how well a trained model ranks rated images, of its own dataset or of another."""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset, progress_bar
from iqa_zoo.commands.score import parse_crops, whole
from iqa_zoo.commands.shared import console, parse_path, print_json
from iqa_zoo.errors import InputError
from iqa_zoo.outputs import check_writable, write_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import Split
    from iqa_zoo.inference.run import TrainedRun

FEWEST_CONTENTS = 5  # that an interval over contents can rest on
PARTS = ("test", "validation", "train", "all")
WORDS = {
    "srocc": "SROCC",
    "plcc": "PLCC, raw scores",
    "plcc_logistic4": "PLCC, after a 4-parameter logistic",
    "krocc": "KROCC",
    "rmse": "RMSE, raw scores",
    "rmse_logistic4": "RMSE, after a 4-parameter logistic",
}  # in the order of the table


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure a trained model on rated images",
        description="Measure a model that iqa-zoo train trained: on the test part of its own split, or on any other "
        "dataset. Scores are turned where the other dataset's labels run the other way. An image smaller than the model's "
        "input is enlarged, and the result says so.",
    )
    parser.add_argument("model", metavar="RUN", type=parse_path, help="the folder of a training")
    add_dataset_options(parser, "--data")
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="of a split; test where left out, or all images of a dataset that the model was not trained on",
    )
    parser.add_argument(
        "--splits",
        metavar="FILE",
        type=parse_path,
        help="that iqa-zoo splits wrote, in the place of the training's own split",
    )
    parser.add_argument("--split", type=whole, metavar="N", help="of the file, counted from 1 (default: 1)")
    parser.add_argument(
        "--crops",
        type=parse_crops,
        metavar="N",
        help="crops an image; as many as in the training's test where left out",
    )
    parser.add_argument(
        "--csv", metavar="FILE", type=parse_path, help="write label and score of each image to a new file"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda or cuda:N; CUDA where there is one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.split is not None and args.splits is None:
        raise InputError("--split is of a file of splits; give --splits FILE as well")
    if args.csv is not None:
        check_writable(args.csv, new=True)
    from iqa_zoo.inference.run import read_run

    read_run(args.model)  # before the dataset is read
    from iqa_zoo.data.loader import DecodedImages
    from iqa_zoo.engine.evaluation import evaluate_scores
    from iqa_zoo.inference.load_run import load_run
    from iqa_zoo.inference.predict import predict
    from iqa_zoo.stats.metrics import explain_undefined

    with progress_bar(f"reading {args.data}") as progress:
        data = load_dataset(args, progress)
    scorer, trained = load_run(args.model, args.device)
    own = _own_split(args, data, trained)
    part, split, indices = _part(args, data, own)
    notes = _overlap(data, trained, own, indices)
    for note in notes:
        print(f"iqa-zoo: warning: {note}", file=sys.stderr)
    crops = args.crops or trained.test_crops
    size = scorer.model.spec.image_size
    images = DecodedImages(data, memory_bytes=0, smallest=size)
    with progress_bar("scoring") as progress:
        scores = predict(scorer, data, indices, crops=crops, images=images, progress=progress)
    same_direction = trained.data.higher_is_better == data.higher_is_better
    found = evaluate_scores(scores, data, indices, same_direction=same_direction)
    if own is None:  # an error on another scale means nothing; after a fit it is in the labels' units
        del found["metrics"]["rmse"]
    undefined = explain_undefined(scores, data.mos[indices])
    result = {
        "run": str(args.model),
        "trained_on": trained.data.name,
        "recipe": trained.recipe_name,
        "dataset": data.name,
        "part": part,
        "split": split.id if split is not None else None,
        "images": len(indices),
        "crops": crops,
        "direction": _direction(trained, data),
        "warnings": notes,
        "image_size": size,
        "enlarged": {name: images.notes[name] for name in (data.names[i] for i in indices) if name in images.notes},
        **found,
        "undefined": undefined,
        "srocc_interval": None if undefined else _interval(scores if same_direction else -scores, data, indices),
    }
    if args.json:
        print_json(result)
    else:
        _print(args, result, own is not None)
    if args.csv is not None:
        write_text(args.csv, _format_csv(data, indices, scores))
        print(f"written to {args.csv}", file=sys.stderr if args.json else sys.stdout)
    return 0


def read_split(path: Path, data: RatedImages, number: int) -> Split:
    """Split ``number`` of a file, counted from 1 as ``iqa-zoo splits`` prints them.

    Raises:
        InputError: not a split file of this data, or it has no such split.
    """
    from iqa_zoo.data.splits import load_splits

    splits = load_splits(path, data)
    if number > len(splits):
        raise InputError(f"{path} has {len(splits)} splits, from 1 to {len(splits)}; there is no split {number}")
    return splits[number - 1]


def _own_split(args: argparse.Namespace, data: RatedImages, trained: TrainedRun) -> Split | None:
    """The split that the model was trained on, if this is the dataset it was trained on."""
    if trained.data.name != data.name:
        return None
    try:
        return read_split(args.model / "split.json", data, 1)
    except InputError as error:
        raise InputError(
            f"{error}. The model was trained on a dataset called {data.name}, and these images are not the same; "
            "another dataset needs another name (for a table: --option name=NAME)"
        ) from error


def _part(
    args: argparse.Namespace, data: RatedImages, own: Split | None
) -> tuple[str, Split | None, NDArray[np.int64]]:
    import numpy as np

    split = read_split(args.splits, data, args.split or 1) if args.splits is not None else own
    part = args.part or ("test" if split is not None else "all")
    if part == "all":
        return part, split, np.arange(len(data))
    if split is None:
        raise InputError(
            f"--part {part}: the model was trained on another dataset, so that {data.name} has no parts here; give "
            "--splits FILE, or leave --part out for all images"
        )
    indices: NDArray[np.int64] = getattr(split, part)
    if not len(indices):
        raise InputError(f"{data.name}: the {part} part of split {split.id} is empty")
    return part, split, indices


def _overlap(data: RatedImages, trained: TrainedRun, own: Split | None, indices: NDArray[np.int64]) -> list[str]:
    """What of these images the training has met, and what of them changed since."""
    import numpy as np

    if own is None:
        return []
    from iqa_zoo.inference.own_data import find_changes

    notes = find_changes(trained, data, own, indices)
    if seen := len(np.intersect1d(indices, own.train)):
        notes.append(f"{seen} of {len(indices)} images were trained on: these numbers say nothing of new images")
    contents = {data.contents[i] for i in own.train}
    alike = sum(data.contents[i] in contents for i in np.setdiff1d(indices, own.train))
    if alike:
        notes.append(f"{alike} of {len(indices)} images show contents that were trained on")
    rule = trained.selection
    peeked = {"validation": own.validation, "test-oracle": own.test}.get(rule, indices[:0])
    if chosen := len(np.intersect1d(indices, peeked)):
        notes.append(f"{chosen} of {len(indices)} images chose the epoch (--selection {rule}): the numbers flatter it")
    return notes


def _direction(trained: TrainedRun, data: RatedImages) -> str:
    ways = {True: "higher is better", False: "lower is better"}
    model, labels = trained.data.higher_is_better, data.higher_is_better
    words = f"{ways[model]} in the model's scores ({trained.data.label}) and in the labels ({data.label})"
    if model != labels:
        words = (
            f"{ways[model]} in the model's scores ({trained.data.label}), {ways[labels]} in the labels "
            f"({data.label}): the scores were turned (negated) before they were compared"
        )
    return words


def _interval(scores: NDArray[np.float64], data: RatedImages, indices: NDArray[np.int64]) -> dict[str, Any] | None:
    from iqa_zoo.stats.bootstrap import bootstrap_interval

    groups = [data.contents[i] for i in indices]
    if len(set(groups)) < FEWEST_CONTENTS:
        return None
    grouped = data.references is not None
    interval = bootstrap_interval(scores, data.mos[indices], groups=groups if grouped else None)
    resampled = "contents" if grouped else "images"
    return {"low": interval.low, "high": interval.high, "confidence": 0.95, "of": resampled, "count": interval.count}


def _format_csv(data: RatedImages, indices: NDArray[np.int64], scores: NDArray[np.float64]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("image", "mos", "score"))
    table.writerows((data.names[i], float(data.mos[i]), float(s)) for i, s in zip(indices, scores, strict=True))
    return text.getvalue()


def _print(args: argparse.Namespace, result: Mapping[str, Any], own: bool) -> None:
    from iqa_zoo.data.release import some

    of = "all images" if result["part"] == "all" else f"the {result['part']} part of split {result['split']}"
    print(f"{result['dataset']}: {of}, {result['images']} images, {result['crops']} crops each")
    recipe = f" with the recipe {result['recipe']}" if result["recipe"] else ""
    print(f"{args.model}: trained on {result['trained_on']}{recipe}; {result['direction']}")
    if small := result["enlarged"]:
        size = result["image_size"]
        named = some([f"{name} ({note})" for name, note in small.items()])
        print(f"{len(small)} of {result['images']} images are smaller than the model's {size}x{size} pixels: {named}")
    undefined = result["undefined"]
    console().print(metrics_table({result["part"]: result["metrics"]}, undefined))
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
        table = Table("distortion", "SROCC")
        for kind, value in kinds.items():
            table.add_row(kind or "none named", _format_metric(value))
        console().print(table)


def metrics_table(columns: Mapping[str, Mapping[str, float | None]], undefined: str | None = None) -> Table:
    """Format metrics as a table with a column for each set of them.

    Args:
        columns: title -> name of a metric -> its value; nan or None where it is undefined.
        undefined: why it is.
    """
    table = Table("metric", *columns)
    for name, words in WORDS.items():
        if any(name in metrics for metrics in columns.values()):
            cells = [
                _format_metric(metrics[name], undefined) if name in metrics else "" for metrics in columns.values()
            ]
            table.add_row(words, *cells)
    return table


def _format_metric(value: float | None, undefined: str | None = None) -> str:
    if value is None or math.isnan(value):
        return f"undefined ({undefined})" if undefined else "undefined"
    return f"{value:.4f}"
