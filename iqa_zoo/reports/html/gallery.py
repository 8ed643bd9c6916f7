"""The images of a dataset on a page: scatter plots, worst errors, disagreements and a table, within size limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.jsonio import without_nan
from iqa_zoo.reports.html.extremes import Row, find_disagreements, find_worst_errors
from iqa_zoo.reports.html.pictures import Pictures
from iqa_zoo.reports.html.predictions import Predictions
from iqa_zoo.reports.html.scatter import Scatter, choose_images, make_scatters
from iqa_zoo.reports.html.tables import MOST_ROWS
from iqa_zoo.reports.table import Table

MOST_MODELS = 6
HOVER_BYTES = 6_000_000  # of the thumbnails that a dot shows
HOVER_SIDE, HOVER_QUALITY = 128, 60


@dataclass(frozen=True)
class Gallery:
    """One dataset's section of the page; ``points`` is the data that the script shows for a dot."""

    data: str
    notes: Sequence[str]
    scatters: Sequence[Scatter]
    worst: Sequence[Row]
    apart: Sequence[Row]
    table: Table
    points: Mapping[str, Any]


def make_gallery(predictions: Predictions, pictures: Pictures, hover_bytes: int = HOVER_BYTES) -> Gallery:
    """Make the section of one dataset; an image that cannot be shown is replaced by the reason."""
    models = list(predictions.scores)[:MOST_MODELS]
    notes = [predictions.note] if predictions.note else []
    if len(predictions.scores) > len(models):
        notes.append(f"{len(models)} of {len(predictions.scores)} models are shown: {', '.join(models)}.")
    notes += [pictures.note] if pictures.note else []
    shown_S = choose_images(predictions)
    worst = find_worst_errors(predictions, models, pictures)
    apart = find_disagreements(predictions, models, pictures)
    points, note = _collect_points(predictions, models, shown_S.tolist(), pictures, hover_bytes)
    notes += [note] if note else []
    if pictures.unreadable:
        named = "; ".join(f"{name}: {reason}" for name, reason in list(pictures.unreadable.items())[:5])
        more = f", and {len(pictures.unreadable) - 5} others" if len(pictures.unreadable) > 5 else ""
        notes.append(f"Images that cannot be read: {named}{more}.")
    plots = make_scatters(predictions, models, shown_S)
    table = make_image_table(predictions, models)
    return Gallery(predictions.data, notes, plots, worst, apart, table, points)


def _collect_points(
    predictions: Predictions, models: Sequence[str], shown: Sequence[int], pictures: Pictures, most_bytes: int
) -> tuple[dict[str, Any], str]:
    """Collect names, labels, scores and thumbnails of the dots, with thumbnails for the largest errors first."""
    images: dict[int, str] = {}
    whys: dict[int, str] = {}
    largest_I = _compute_largest_errors(predictions, models)
    used, spent = 0, False
    for number in sorted(range(len(shown)), key=lambda number: -largest_I[shown[number]]):
        if spent or not pictures.paths:
            break
        picture = pictures.thumbnail(predictions.names[shown[number]], HOVER_SIDE, HOVER_QUALITY)
        if picture.why:
            whys[number] = picture.why
            continue
        used += len(picture.uri)
        spent = used > most_bytes
        if not spent:
            images[number] = picture.uri
    points = {
        "axis": predictions.axis,
        "names": [predictions.names[i] for i in shown],
        "mos": [round(float(predictions.mos_I[i]), 2) for i in shown],
        "scores": without_nan({m: [round(float(predictions.scores[m][i]), 2) for i in shown] for m in models}),
        "images": images,
        "whys": whys,
        "absent": "" if pictures.paths else "image not available",
    }
    note = f"{len(images)} of {len(shown)} dots have a thumbnail, the largest errors first; more would make the page too large."
    return points, note if spent else ""


def make_image_table(predictions: Predictions, models: Sequence[str]) -> Table:
    """Make a table of images with label and scores, largest errors first, with at most ``MOST_ROWS`` rows."""
    largest_I = _compute_largest_errors(predictions, models)
    order = np.argsort(-largest_I, kind="stable")
    rows = []
    for i in order[:MOST_ROWS]:
        scores = [predictions.scores[model][i] for model in models]
        cells = ["-" if np.isnan(score) else f"{score:.1f}" for score in scores]
        rows.append([predictions.names[i], f"{predictions.mos_I[i]:.1f}", *cells, f"{largest_I[i]:.1f}"])
    notes = ["Largest error: of any model shown, in label units."]
    if len(order) > MOST_ROWS:
        notes.append(
            f"The {MOST_ROWS} images with the largest errors, of {len(order)}; the results behind this page hold all."
        )
    columns = ["image", predictions.axis, *models, "largest error"]
    return Table(f"Test images of {predictions.data}", columns, rows, notes, left=["image"])


def _compute_largest_errors(predictions: Predictions, models: Sequence[str]) -> NDArray[np.float64]:
    error_MI = np.stack([np.abs(predictions.scores[model] - predictions.mos_I) for model in models])
    largest_I: NDArray[np.float64] = np.nan_to_num(error_MI, nan=-1).max(axis=0)
    return largest_I
