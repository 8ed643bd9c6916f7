"""Images per second of ``Scorer.score``, and of decoding and the backbone alone, in turn in one run.

    python benchmarks/scoring.py                                   # photographs of scikit-image
    python benchmarks/scoring.py --images FOLDER --count 100 --threads 2

The reference decodes ahead and passes each whole photograph through the backbone, in the memory layout that is faster: as a plain
loop does (all threads of torch share an image), and with one thread an image. Both are pipelined. The figure is the time of the
faster reference divided by that of scoring, which adds hashing, the decoder and the interpretation of each score.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
import torch
from torch import Tensor

import iqa_zoo
from iqa_zoo.budgets.timing import time_in_turn
from iqa_zoo.commands.shared import console, parse_count, parse_path
from iqa_zoo.data.images import read_image
from iqa_zoo.data.listing import gather_images
from iqa_zoo.data.prefetch import prefetch
from iqa_zoo.inference.predict import cut_image
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.inference.workers import use_one_thread
from iqa_zoo.reports.table import Table
from iqa_zoo.trained.names import DEFAULT

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
DECODING = "decoding alone"
SHARED = "decoding and backbone, threads share an image"
APART = "decoding and backbone, a thread an image"
SCORING = "scoring"


@dataclass(frozen=True)
class ScoringSpeed:
    """What :func:`measure_scoring` measured.

    Attributes:
        images: in a round.
        threads: of torch.
        seconds: of each way, one value a round.
        peak_bytes: the most memory of the process after each round.
    """

    images: int
    threads: int
    seconds: dict[str, list[float]]
    peak_bytes: list[int]

    def compute_ratios(self) -> list[float]:
        """Return of each round the speed of scoring divided by that of the faster reference; 1 is the reference's."""
        return [
            min(shared, apart) / scoring
            for shared, apart, scoring in zip(*(self.seconds[way] for way in (SHARED, APART, SCORING)), strict=True)
        ]

    @property
    def ratio(self) -> float:
        """Median over the rounds of :meth:`compute_ratios`."""
        return statistics.median(self.compute_ratios())


def find_photographs(folder: Path | None, count: int) -> list[Path]:
    """Return ``count`` images evenly spread over a folder; scikit-image's photographs, repeated, where there is no folder."""
    if folder is None:
        found = [Path(skimage.data.__file__).parent / name for name in PHOTOGRAPHS]
        return list(itertools.islice(itertools.cycle(found), count))
    paths = gather_images([folder]).paths
    return [paths[index] for index in np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)]


def measure_scoring(
    paths: Sequence[Path], *, scorer: Scorer | None = None, threads: int = 2, rounds: int = 5, warm_up: int = 1
) -> ScoringSpeed:
    """Time scoring and its references on a CPU, in turn.

    Args:
        paths: of images; all ways take all of them in each round.
        scorer: on the CPU; the default model where it is left out.
        threads: of torch; set back afterwards.
        rounds: that are counted.
        warm_up: rounds before them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = scorer or iqa_zoo.load(DEFAULT, "cpu")
        peaks: list[int] = []

        def score() -> None:
            model.score(list(paths))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)

        ways = {
            DECODING: lambda: [_decode(model, path) for path in paths],
            SHARED: lambda: _run_shared(model, paths),
            APART: lambda: _run_apart(model, paths, threads),
            SCORING: score,
        }
        times = time_in_turn(list(ways.values()), rounds, warm_up=warm_up)
        return ScoringSpeed(len(paths), threads, dict(zip(ways, times, strict=True)), peaks)
    finally:
        torch.set_num_threads(before)


def _decode(scorer: Scorer, path: Path) -> Tensor:
    return cut_image(read_image(path), scorer.model.model.spec, scorer.meaning.crops)[0]


@torch.inference_mode()
def _pass_backbone(scorer: Scorer, image_BCHW: Tensor) -> None:
    backbone = scorer.model.model.backbone
    getattr(backbone, "backbone", backbone)(scorer.model.normalise(image_BCHW))  # without the standardisation


def _run_shared(scorer: Scorer, paths: Sequence[Path]) -> None:
    for _, decoded in prefetch(lambda path: _decode(scorer, path), paths):
        _pass_backbone(scorer, decoded.result())


def _run_apart(scorer: Scorer, paths: Sequence[Path], threads: int) -> None:
    with ThreadPoolExecutor(threads, initializer=use_one_thread) as pool:
        list(pool.map(lambda path: _pass_backbone(scorer, _decode(scorer, path)), paths))


def make_table(speed: ScoringSpeed) -> Table:
    """Return the speeds as a table."""
    rows = []
    for way, seconds in speed.seconds.items():
        rates = [speed.images / second for second in seconds]
        rows.append([way, *(f"{value:.1f}" for value in (statistics.median(rates), min(rates), max(rates)))])
    low, high = min(speed.compute_ratios()), max(speed.compute_ratios())
    peaks = [f"{peak / 2**20:.0f}" for peak in speed.peak_bytes]
    return Table(
        f"{speed.images} images a round, {speed.threads} thread(s), {len(speed.peak_bytes)} rounds, the first to warm up",
        ["way", "images/s, median", "lowest", "highest"],
        rows,
        [
            f"Scoring runs at {speed.ratio:.2f} ({low:.2f} to {high:.2f}) of the faster reference.",
            f"Peak memory after the first and after the last round: {peaks[0]} and {peaks[-1]} MiB.",
        ],
        left=["way"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=parse_path, help="a folder of images; scikit-image's photographs if not given")
    parser.add_argument("--count", type=parse_count, default=30, help="images a round")
    parser.add_argument("--run", default=DEFAULT, help=f"name of a trained model, or its folder (default: {DEFAULT})")
    parser.add_argument("--threads", type=parse_count, default=2, help="of torch")
    parser.add_argument("--rounds", type=parse_count, default=5)
    options = parser.parse_args()
    paths = find_photographs(options.images, options.count)
    scorer = iqa_zoo.load(options.run, "cpu")
    speed = measure_scoring(paths, scorer=scorer, threads=options.threads, rounds=options.rounds)
    console().print(make_table(speed).rich())


if __name__ == "__main__":
    main()
