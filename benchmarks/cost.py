"""Time training over the number of experts, images and splits, and over the size of the backbone.

    python benchmarks/cost.py                                # four curves, a few minutes on one idle core
    python benchmarks/cost.py --curves experts --rounds 9
    python benchmarks/cost.py --out results/cost             # CSV, JSON, Markdown, and a plot as PNG and SVG

experts    one mixture-of-experts head, forward and backward on a batch of tokens, at a fixed top k
images     training and measuring a decoder on frozen features, in the images of a dataset
splits     the same, in the splits of a dataset, one training each
backbones  the same, in the multiply-accumulates of the backbone that the features are declared to come from

Features are random numbers in files: time does not depend on their values. The sizes of a curve take turns, so that
a machine that slows down for a while slows all. A figure is the median over the rounds, an exponent the slope of
log(seconds) over log(size): 1 is linear growth, 0 none.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iqa_zoo.budgets.measure import MeasuredBackbone, measure_backbone
from iqa_zoo.budgets.timing import CLOCKS, time_in_turn
from iqa_zoo.commands.shared import console, parse_count, parse_path, print_json
from iqa_zoo.config import Config, load_config
from iqa_zoo.data.splits import Split
from iqa_zoo.heads.moe import MoEHead
from iqa_zoo.identity import describe_origin
from iqa_zoo.outputs import write_json
from iqa_zoo.program import run_program
from iqa_zoo.progress import Reporter, Terminal
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


@dataclass(frozen=True)
class Timing:
    """How jobs are timed."""

    rounds: int
    clock: Callable[[], float]
    progress: Reporter

    def time(self, name: str, jobs: Sequence[Job]) -> list[list[float]]:
        """Return the seconds of each job, one value per round, after one round that is not counted."""
        return time_in_turn(jobs, self.rounds, clock=self.clock, progress=self.progress.start(name))


# experts ------------------------------------------------------------------------------------------------------------


def measure_experts(experts: Sequence[int], tokens: int, top_k: int, timing: Timing) -> Curve:
    """Time a mixture of several numbers of experts at a fixed top k: the multiply-accumulates are the same for any number."""
    queries_BND = torch.randn(tokens, 1, 384).requires_grad_()
    heads = [MoEHead(dim=384, num_experts=number, top_k=top_k) for number in experts]
    seconds = timing.time("experts", [lambda head=head: _train_head(head, queries_BND) for head in heads])
    points = [Point(e, f"{e} experts", found) for e, found in zip(experts, seconds, strict=True)]
    title = f"A mixture of experts, top {top_k}, {tokens} tokens, forward and backward"
    conclusion = "A token is processed by top_k experts whatever their number; only the router grows."
    return Curve("experts", title, "experts", points, conclusion)


def _train_head(head: MoEHead, queries_BND: torch.Tensor) -> None:
    head(queries_BND).score_B.sum().backward()
    head.zero_grad()
    queries_BND.grad = None


# images, splits, backbones ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """What the three curves of training share: a decoder, how it is trained, and the folder of random features."""

    model: str
    epochs: int
    crops: int
    folder: Path
    timing: Timing

    def config(self, backbone: str) -> Config:
        return {**load_config(self.model), "backbone": dict(type="timm_features", name=backbone, stages=[3, 4])}

    def job(self, backbone: str, images: int, splits: int = 1) -> Job:
        """Train and measure the decoder on ``splits`` splits of ``images`` images."""
        cfg = self.config(backbone)
        bank = make_random_bank(measure_backbone(cfg), images, self.crops, self.folder / f"{backbone}-{images}")
        rng = np.random.default_rng(0)
        mos = rng.uniform(0, 100, images)
        parts = [make_random_split(images, rng) for _ in range(splits)]
        recipe = FrozenRecipe(epochs=self.epochs)

        def train() -> None:
            for seed, split in enumerate(parts):
                train_frozen(cfg, bank, mos, split, recipe=recipe, seed=seed)

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


def measure_images(training: Training, backbone: str, images: Sequence[int]) -> Curve:
    """Time one split over the size of the dataset."""
    seconds = training.timing.time("images", [training.job(backbone, number) for number in images])
    points = [Point(n, f"{n} images", found) for n, found in zip(images, seconds, strict=True)]
    title = f"Training the decoder of {training.model} on features of {backbone}, {training.epochs} epoch(s)"
    return Curve("images", title, "images", points, START_UP, linear=True)


def measure_splits(training: Training, backbone: str, images: int, splits: Sequence[int]) -> Curve:
    """Time a study over its splits."""
    seconds = training.timing.time("splits", [training.job(backbone, images, number) for number in splits])
    points = [Point(n, f"{n} split(s)", found) for n, found in zip(splits, seconds, strict=True)]
    title = f"Training the decoder of {training.model} on {images} images, one training a split"
    return Curve("splits", title, "splits", points, "One training follows another.", linear=True)


def measure_backbones(training: Training, backbones: Sequence[str], images: int) -> Curve:
    """Time one split over the size of a backbone that training does not run."""
    measured = [measure_backbone(training.config(name)) for name in backbones]
    seconds = training.timing.time("backbones", [training.job(name, images) for name in backbones])
    points = [
        Point(each.budget.macs, f"{name}, {count(each.budget.macs)}MACs", found, _format_shapes(each))
        for name, each, found in zip(backbones, measured, seconds, strict=True)
    ]
    title = f"Training the decoder of {training.model} on {images} images' features of several backbones"
    return Curve("backbones", title, "multiply-accumulates of the backbone, one image", points, GROUPS)


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


def plot(curves: Sequence[Curve], folder: Path) -> None:
    """Plot each curve in a panel with logarithmic axes, as cost.png and cost.svg."""
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
        write_figure(figure, folder / f"cost.{kind}")


def write(results: Mapping[str, Any], curves: Sequence[Curve], folder: Path) -> None:
    """Write cost.csv (a row per round), cost.json, cost.md, cost.png and cost.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "cost.json", results)
    how = f"{results['threads']} thread(s), {results['rounds']} rounds, {results['clock']} clock"
    markdown = [*(make_table(curve).markdown() for curve in curves), f"{how}, torch {results['versions']['torch']}."]
    (folder / "cost.md").write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
    with (folder / "cost.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["curve", "size", "label", "group", "round", "seconds"])
        for curve in curves:
            for point in curve.points:
                for number, seconds in enumerate(point.seconds):
                    writer.writerow([curve.name, point.size, point.label, point.group, number, seconds])
    plot(curves, folder)


CURVES = ("experts", "images", "splits", "backbones")


def measure(options: argparse.Namespace, progress: Reporter) -> list[Curve]:
    """Return the curves that the options name."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    timing = Timing(options.rounds, CLOCKS[options.clock], progress)
    first, fixed = options.backbones[0], min(options.images, key=lambda number: abs(number - 200))
    with tempfile.TemporaryDirectory() as scratch:
        training = Training(options.model, options.epochs, options.crops, Path(scratch), timing)
        curves = {
            "experts": lambda: measure_experts(options.experts, options.tokens, options.top_k, timing),
            "images": lambda: measure_images(training, first, options.images),
            "splits": lambda: measure_splits(training, first, fixed, options.splits),
            "backbones": lambda: measure_backbones(training, options.backbones, fixed),
        }
        return [curves[name]() for name in options.curves]


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES), metavar="NAME", help="which; all")
    parser.add_argument("--rounds", type=parse_count, default=5, help="more for a noisy machine")
    parser.add_argument("--threads", type=parse_count, default=1, help="of torch")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: the time of this process alone")
    parser.add_argument("--experts", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--tokens", type=parse_count, default=4096, help="in one batch of the experts")
    parser.add_argument("--top-k", type=parse_count, default=2, help="experts per token")
    parser.add_argument("--model", default="lifeiqa", help="whose decoder is trained: a zoo name or a config file")
    parser.add_argument("--images", type=int, nargs="+", default=[200, 400, 800, 1600])
    parser.add_argument("--splits", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument(
        "--backbones",
        nargs="+",
        default=["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
        help="timm's names; features of the first serve the curves of images and splits",
    )
    parser.add_argument("--epochs", type=parse_count, default=1, help="of a training")
    parser.add_argument("--crops", type=parse_count, default=1, help="cached crops an image")
    parser.add_argument("--json", action="store_true", help="print JSON, with the seconds of every round")
    parser.add_argument(
        "--out", type=parse_path, metavar="FOLDER", help="write CSV, JSON, Markdown and a plot (PNG, SVG)"
    )
    options = parser.parse_args(argv)
    for name in ("experts", "images", "splits"):
        if name in options.curves and len(set(getattr(options, name))) < 2:
            parser.error(f"--{name}: give two sizes or more, a curve needs them")
    if min(options.images) < 50:
        parser.error("--images: give 50 or more, so that each part of a split has enough to be measured on")
    return options


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)

    def work() -> int:
        with Terminal().running() as progress:
            curves = measure(options, progress)
        given = {name: value for name, value in vars(options).items() if name not in ("out", "json")}
        origin = describe_origin(["iqa_zoo.training.frozen.decoder"])
        results = {**given, **origin, "results": [to_dict(curve) for curve in curves]}
        if options.out:
            write(results, curves, options.out)
        if options.json:
            print_json(results)
        else:
            for curve in curves:
                console().print(make_table(curve).rich())
        return 0

    return run_program(work, lambda message: print(f"cost: {message}", file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
