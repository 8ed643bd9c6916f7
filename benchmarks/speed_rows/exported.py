"""The speed of an exported file in onnxruntime, against torch on the same decoded photographs and as many threads."""

from __future__ import annotations

import numpy as np
import torch

import iqa_zoo
from benchmarks.speed_rows.photographs import make_photographs
from benchmarks.speed_rows.row import Row, Setup, Timed
from iqa_zoo.data.images import read_image
from iqa_zoo.inference.export.export import record
from iqa_zoo.inference.export.formats import check_packages
from iqa_zoo.inference.export.onnx_file import OnnxRunner, add_metadata
from iqa_zoo.inference.predict import cut_image

MODEL = "mlp_lite0.livec"
THREADS = (1, 2)


def measure_onnx(setup: Setup, threads: int) -> Timed:
    """Time the scores of decoded photographs one by one: by the ONNX file of the default model, and by the model in torch.

    Both cut, normalise and compute; neither decodes a file. What the scorer adds to a score (interval, flags) is in neither.

    Raises:
        InputError: a package for ONNX is missing.
    """
    check_packages(".onnx")
    data = make_photographs(setup.scratch / f"onnx-{threads}", setup.choose(2, 16), height=384, width=512)
    images = [read_image(path) for path in data.paths]
    scorer = iqa_zoo.load(MODEL, "cpu")
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        run = OnnxRunner(add_metadata(record(scorer, to_onnx=True), {}))
        found: dict[str, list[float]] = {}

        def score_by_onnx() -> None:
            found["onnx"] = [float(run(image_HWC[None])[0]) for image_HWC in images]

        def score_by_torch() -> None:
            crops = (cut_image(image_HWC, scorer.model.model.spec, scorer.meaning.crops)[0] for image_HWC in images)
            found["torch"] = [scorer.model.score_crops(crops_BCHW).mean().item() for crops_BCHW in crops]

        times = setup.time(f"exported.onnx.{threads}", [score_by_onnx, score_by_torch], rounds=11)
    finally:
        torch.set_num_threads(usual)
    speeds = len(images) / np.median(times, 1)
    figures = {
        f"photographs a second by {run.name}": round(float(speeds[0]), 1),
        "by torch": round(float(speeds[1]), 1),
        "largest difference, points": float(f"{np.abs(np.subtract(found['onnx'], found['torch'])).max():.1e}"),
    }
    return Timed(*times, figures)


ROWS = [
    Row(
        f"exported.onnx.{threads}",
        f"scores of decoded photographs by the ONNX file of {MODEL}, {threads} thread{'s' if threads > 1 else ''}",
        "the model in torch, as many threads",
        "speed",
        None,
        0.6,
        lambda setup, threads=threads: measure_onnx(setup, threads),
    )
    for threads in THREADS
]
