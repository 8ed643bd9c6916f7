"""Scatter plots of predictions against labels: interactive dots, and for many images a density with a sample of dots."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from iqa_zoo.reports.html.pictures import format_data_uri
from iqa_zoo.reports.html.predictions import Predictions
from iqa_zoo.words import count_nouns

SIDE, LEFT, TOP = 360.0, 52.0, 12.0  # of the square plot, and its margins, in SVG units
MOST_DOTS = 2000
SAMPLED = 400
CELLS = 90
BLUE = (0, 114, 178)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    place: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """One model's plot in SVG units; ``dots`` are (index of the shown image, x, y)."""

    model: str
    alt: str
    x_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    dots: Sequence[tuple[int, float, float]]
    density: str
    caption: str


def choose_images(predictions: Predictions) -> NDArray[np.int64]:
    """Choose the images that get a dot: all, or if there are many, each model's worst errors and a random sample."""
    count = len(predictions.names)
    if count <= MOST_DOTS:
        return np.arange(count)
    kept = set(np.random.default_rng(0).choice(count, SAMPLED, replace=False).tolist())
    for scores_I in predictions.scores.values():
        error_I = np.nan_to_num(np.abs(scores_I - predictions.mos_I), nan=-1)
        kept |= set(np.argsort(-error_I)[:10].tolist())
    return np.array(sorted(kept))


def make_scatters(predictions: Predictions, models: Sequence[str], shown_S: NDArray[np.int64]) -> list[Scatter]:
    """Make one plot per model, all with the same axes."""
    stacked_MI = np.stack([predictions.scores[model] for model in models])
    everything = np.concatenate([predictions.mos_I, stacked_MI[np.isfinite(stacked_MI)]])
    low, high = float(everything.min()), float(everything.max())
    margin = 0.03 * (high - low) or 1.0
    low, high = low - margin, high + margin
    return [_make_scatter(predictions, model, shown_S, low, high) for model in models]


def _make_scatter(predictions: Predictions, model: str, shown_S: NDArray[np.int64], low: float, high: float) -> Scatter:
    scores_I, mos_I = predictions.scores[model], predictions.mos_I
    known_I = np.isfinite(scores_I)
    scale = SIDE / (high - low)
    dots = [
        (number, round(LEFT + (mos_I[i] - low) * scale, 1), round(TOP + (high - scores_I[i]) * scale, 1))
        for number, i in enumerate(shown_S)
        if known_I[i]
    ]
    places = [value for value in MaxNLocator(6).tick_values(low, high) if low <= value <= high]
    x_ticks = [Tick(round(LEFT + (value - low) * scale, 1), f"{value:g}") for value in places]
    y_ticks = [Tick(round(TOP + (high - value) * scale, 1), f"{value:g}") for value in places]
    count = int(known_I.sum())
    many = len(shown_S) < len(predictions.names)
    density, caption = "", f"{count_nouns(count, 'image')}."
    if many:
        density, most = _draw_density(mos_I[known_I], scores_I[known_I], low, high)
        caption = (
            f"{count} images as a density (logarithmic, up to {most} per cell) and {len(dots)} of them as "
            "dots: the largest errors and a random sample."
        )
    alt = f"Scatter plot of the predictions of {model} against {predictions.axis} for {count_nouns(count, 'image')} of {predictions.data}."
    if count > 2 and np.ptp(mos_I[known_I]) > 0 and np.ptp(scores_I[known_I]) > 0:
        alt += f" Their rank correlation is {spearmanr(mos_I[known_I], scores_I[known_I]).statistic:.3f}."
    return Scatter(model, alt, predictions.axis, x_ticks, y_ticks, dots, density, caption)


def _draw_density(
    mos_K: NDArray[np.float64], scores_K: NDArray[np.float64], low: float, high: float
) -> tuple[str, int]:
    """Draw a PNG of one colour whose opacity grows with the logarithm of the count per cell, for light and dark pages."""
    counts_XY, _, _ = np.histogram2d(mos_K, scores_K, bins=CELLS, range=((low, high), (low, high)))
    most = int(counts_XY.max())
    opacity_XY = np.where(counts_XY > 0, 45 + 210 * np.log1p(counts_XY) / np.log1p(max(most, 1)), 0)
    pixels_HWC = np.empty((CELLS, CELLS, 4), dtype=np.uint8)
    pixels_HWC[..., :3] = BLUE
    pixels_HWC[..., 3] = opacity_XY.T[::-1].clip(0, 255).astype(np.uint8)
    kept = io.BytesIO()
    Image.fromarray(pixels_HWC).save(kept, "PNG", optimize=True)
    return format_data_uri(kept.getvalue(), "image/png"), most
