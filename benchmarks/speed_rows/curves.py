"""Curves of cost: seconds over images, splits, experts, the side of a photograph, and the size of the backbone.

Features are random numbers in files: time does not depend on their values. The sizes of a curve take turns, so that
a machine that slows down for a while slows all. An exponent is the slope of log(seconds) over log(size): 1 is linear growth,
0 none.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import iqa_zoo
from benchmarks.speed_rows.models import make_expert_job
from benchmarks.speed_rows.photographs import make_photographs
from benchmarks.speed_rows.row import Setup
from iqa_zoo.budgets.measure import MeasuredBackbone, measure_backbone
from iqa_zoo.config import Config, load_config
from iqa_zoo.data.splits import Split
from iqa_zoo.reports.table import Table, count
from iqa_zoo.training.frozen.decoder import train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe

Job = Callable[[], object]


@dataclass(frozen=True)
class Point:
    """One size of a curve: ``size`` on the x axis, ``label``, and the seconds of every round.

    Only points of one ``group`` are compared with each other.
    """

    size: float
    label: str
    seconds: list[float]
    group: str = ""


@dataclass(frozen=True)
class Curve:
    """Seconds over a size; ``conclusion`` is what it shows."""

    name: str
    title: str
    axis: str
    points: list[Point]
    conclusion: str
    linear: bool = False  # whether a straight line with a start-up is worth stating

    @property
    def exponents(self) -> list[float]:
        """The slope of log(seconds) over log(size) within the groups, per round; empty if no group has two sizes."""
        groups = [point.group for point in self.points]
        sizes = _centred(np.log([point.size for point in self.points]), groups)
        rounds = np.log([point.seconds for point in self.points]).T
        if not sizes.any():
            return []
        return [float(sizes @ _centred(seconds, groups) / (sizes @ sizes)) for seconds in rounds]

    @property
    def exponent(self) -> float | None:
        """The median over the rounds."""
        return statistics.median(self.exponents) if self.exponents else None

    def line(self) -> tuple[float, float, float]:
        """Fit the medians by start-up + size * slope with relative weights; return both and the largest relative error."""
        sizes = np.array([point.size for point in self.points])
        seconds = np.array([statistics.median(point.seconds) for point in self.points])
        slope, start = np.polyfit(sizes, seconds, 1, w=1 / seconds)
        return float(start), float(slope), float(np.abs((start + slope * sizes) / seconds - 1).max())

    def growth(self, point: Point) -> float:
        """The ratio of a point's time to that of the first point of its group, the median over the rounds."""
        first = next(other for other in self.points if other.group == point.group)
        return statistics.median(mine / its for mine, its in zip(point.seconds, first.seconds, strict=True))


def _centred(values: np.ndarray, groups: Sequence[str]) -> np.ndarray:
    """Subtract from each value the mean of its group."""
    means = {group: np.mean([v for v, g in zip(values, groups, strict=True) if g == group]) for group in set(groups)}
    return values - np.array([means[group] for group in groups])


# experts, photographs ----------------------------------------------------------------------------------------------


def measure_experts(setup: Setup) -> Curve:
    """Time a mixture of several numbers of experts at a fixed top k: the multiply-accumulates are the same for any number."""
    tokens, numbers = setup.choose(256, 4096), [4, 16] if setup.quick else [4, 8, 16, 32, 64]
    seconds = setup.time("curve.experts", [make_expert_job(number, tokens) for number in numbers], ROUNDS)
    points = [Point(e, f"{e} experts", found) for e, found in zip(numbers, seconds, strict=True)]
    title = f"A mixture of experts, top 2, {tokens} tokens, forward and backward"
    conclusion = "A token is processed by top_k experts whatever their number; only the router grows."
    return Curve("curve.experts", title, "experts", points, conclusion)


def measure_sides(setup: Setup) -> Curve:
    """Time the score of one photograph over its number of pixels."""
    sides = [256, 512] if setup.quick else [256, 384, 512, 768, 1024]
    scorer = iqa_zoo.load()
    folders = {side: setup.scratch / f"side-{side}" for side in sides}
    paths = [str(make_photographs(folder, 1, height=side, width=side).paths[0]) for side, folder in folders.items()]
    seconds = setup.time("curve.image_size", [lambda path=path: scorer.score(path) for path in paths], ROUNDS)
    points = [Point(side**2, f"{side} x {side}", found) for side, found in zip(sides, seconds, strict=True)]
    conclusion = (
        "Decoding, the hash and the backbone grow with the pixels; a photograph above 1,024 pixels is reduced first."
    )
    return Curve("curve.image_size", "The score of one photograph", "pixels", points, conclusion, linear=True)


# images, splits, backbones ------------------------------------------------------------------------------------------


ROUNDS = 5
BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def make_config(backbone: str) -> Config:
    """Return Life-IQA on a backbone."""
    return {**load_config("lifeiqa"), "backbone": dict(type="timm_features", name=backbone, stages=[3, 4])}


def make_job(folder: Path, images: int, *, splits: int = 1, backbone: str = BACKBONES[0]) -> Job:
    """Return a function that trains and measures a decoder for one epoch on ``splits`` splits of ``images`` images."""
    cfg = make_config(backbone)
    bank = make_random_bank(measure_backbone(cfg), images, 1, folder / f"{backbone}-{images}")
    rng = np.random.default_rng(0)
    mos = rng.uniform(0, 100, images)
    parts = [make_random_split(images, rng) for _ in range(splits)]

    def train() -> None:
        for seed, split in enumerate(parts):
            train_frozen(cfg, bank, mos, split, recipe=FrozenRecipe(epochs=1), seed=seed)

    return train


def make_random_bank(backbone: MeasuredBackbone, images: int, crops: int, folder: Path) -> FeatureBank:
    """Return random features of a backbone's shapes, in half precision and memory-mapped, as real ones are."""
    shapes: dict[str, tuple[int, ...]] = {
        f"map{s}": (height, width, channels) for s, (_, channels, height, width) in backbone.maps.items()
    }
    shapes["global"] = backbone.vector[1:]
    if backbone.spec.token_stage is None:
        shapes["tokens"] = backbone.tokens[1:]
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        if not (folder / f"{name}.npy").exists():
            values = rng.standard_normal((images, crops, *shape), dtype=np.float32)
            np.save(folder / f"{name}.npy", values.astype(np.float16))
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    return FeatureBank(backbone.spec, arrays, folder.name, folder)


def make_random_split(images: int, rng: np.random.Generator) -> Split:
    """Return a split: 70 % of the images train, 10 % validate, 20 % test."""
    order = rng.permutation(images)
    train, validation, test = (np.sort(part) for part in np.split(order, [images * 7 // 10, images * 8 // 10]))
    return Split(train, test, validation, "made up")


START_UP = "What does not depend on the images (the decoder is built, metrics are fitted) flattens the low end."
GROUPS = (
    "Compared are backbones whose features have the same shapes (a group): the decoder is then the same, and the backbone, "
    "which does not run, may be of any size. Between groups the shapes differ: wider features take longer to read and to "
    "project, whatever the backbone that made them costs."
)


def measure_images(setup: Setup) -> Curve:
    """Time one split over the size of the dataset."""
    numbers = [50, 100] if setup.quick else [200, 400, 800, 1600]
    seconds = setup.time("curve.images", [make_job(setup.scratch, number) for number in numbers], ROUNDS)
    points = [Point(n, f"{n} images", found) for n, found in zip(numbers, seconds, strict=True)]
    title = f"Training the decoder of lifeiqa on features of {BACKBONES[0]}, one epoch"
    return Curve("curve.images", title, "images", points, START_UP, linear=True)


def measure_splits(setup: Setup) -> Curve:
    """Time a study over its splits."""
    numbers, images = [1, 2] if setup.quick else [1, 2, 4, 8], setup.choose(50, 200)
    seconds = setup.time("curve.splits", [make_job(setup.scratch, images, splits=number) for number in numbers], ROUNDS)
    points = [Point(n, f"{n} split(s)", found) for n, found in zip(numbers, seconds, strict=True)]
    title = f"Training the decoder of lifeiqa on {images} images, one training a split"
    return Curve("curve.splits", title, "splits", points, "One training follows another.", linear=True)


def measure_backbones(setup: Setup) -> Curve:
    """Time one split over the size of a backbone that training does not run."""
    names, images = BACKBONES[: setup.choose(2, len(BACKBONES))], setup.choose(50, 200)
    measured = [measure_backbone(make_config(name)) for name in names]
    jobs = [make_job(setup.scratch, images, backbone=name) for name in names]
    seconds = setup.time("curve.backbones", jobs, ROUNDS)
    points = [
        Point(each.budget.macs, f"{name}, {count(each.budget.macs)}MACs", found, _format_shapes(each))
        for name, each, found in zip(names, measured, seconds, strict=True)
    ]
    title = f"Training the decoder of lifeiqa on {images} images' features of several backbones"
    return Curve("curve.backbones", title, "multiply-accumulates of the backbone, one image", points, GROUPS)


def _format_shapes(backbone: MeasuredBackbone) -> str:
    return ", ".join(f"{c} x {h} x {w}" for _, c, h, w in backbone.maps.values())


# results ------------------------------------------------------------------------------------------------------------


def make_table(curve: Curve) -> Table:
    """Return a curve as a table."""
    grouped = len({point.group for point in curve.points}) > 1
    rows = []
    for point in curve.points:
        least, middle, most = min(point.seconds), statistics.median(point.seconds), max(point.seconds)
        row = [point.label, f"{middle:.3f}", f"{least:.3f} to {most:.3f}", f"{curve.growth(point):.2f}"]
        rows.append([row[0], point.group, *row[1:]] if grouped else row)
    columns = ["size", *(["group"] if grouped else []), "seconds, median", "least to most", "times the first"]
    return Table(curve.title, columns, rows, [_format_exponent(curve), curve.conclusion], left=["size", "group"])


def _format_exponent(curve: Curve) -> str:
    if curve.exponent is None:
        return "No exponent: no two sizes can be compared."
    low, high = min(curve.exponents), max(curve.exponents)
    text = f"Exponent {curve.exponent:.2f} ({low:.2f} to {high:.2f} over the rounds)."
    if curve.linear:
        start, slope, miss = curve.line()
        text += f" A line: {start:.3g} s + {slope:.3g} s each, which misses no median by more than {miss:.1%}."
    return text


def to_dict(curve: Curve) -> dict[str, Any]:
    """Return a curve as JSON-ready data, with every round."""
    derived = {"exponents": curve.exponents, "exponent": curve.exponent, "line": curve.line() if curve.linear else None}
    return {**asdict(curve), **derived, "growth": [curve.growth(point) for point in curve.points]}


def plot_curves(curves: Sequence[Curve], folder: Path) -> None:
    """Plot each curve in a panel with logarithmic axes, as speed.png and speed.svg."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    from iqa_zoo.reports.plots import write_figure

    figure = Figure(figsize=(4.6 * len(curves), 4.2), layout="constrained")
    for curve, axes in zip(curves, figure.subplots(1, len(curves), squeeze=False)[0], strict=True):
        for group in dict.fromkeys(point.group for point in curve.points):
            points = [point for point in curve.points if point.group == group]
            middle = np.array([statistics.median(point.seconds) for point in points])
            ranges = np.abs(np.array([[min(p.seconds), max(p.seconds)] for p in points]).T - middle)
            axes.errorbar([p.size for p in points], middle, ranges, marker="o", capsize=3, label=group or None)
            if group:
                axes.legend(fontsize=7)
        sizes = sorted({point.size for point in curve.points})
        axes.set(xscale="log", yscale="log", xlabel=curve.axis, ylabel="seconds (median, least to most)")
        axes.set_xticks(sizes, [count(size) if size > 999 else f"{size:g}" for size in sizes], fontsize=8, rotation=45)
        axes.xaxis.set_minor_locator(NullLocator())
        low, high = axes.get_ylim()
        axes.set_ylim(low / 1.5, high * 1.5)  # so that a flat curve appears flat
        exponent = "" if curve.exponent is None else f": exponent {curve.exponent:.2f}"
        axes.set_title(f"{curve.name}{exponent}", fontsize=10)
        axes.grid(alpha=0.3)
    for kind in ("png", "svg"):
        write_figure(figure, folder / f"speed.{kind}")


CURVES: dict[str, tuple[Callable[[Setup], Curve], float]] = {  # and the minutes that each takes, about
    "curve.images": (measure_images, 1),
    "curve.splits": (measure_splits, 1),
    "curve.experts": (measure_experts, 1),
    "curve.image_size": (measure_sides, 0.5),
    "curve.backbones": (measure_backbones, 2),
}
