"""What a page shows of a dataset's images: scatter plots, worst errors, disagreements and a table, each within limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iqa_zoo.reports.html.extremes import Row, disagreements, worst_errors
from iqa_zoo.reports.html.pictures import Pictures
from iqa_zoo.reports.html.predictions import Predictions
from iqa_zoo.reports.html.scatter import Scatter, scatters, shown_images
from iqa_zoo.reports.html.tables import TableView, view_of
from iqa_zoo.reports.table import Table

MOST_MODELS = 6
HOVER_BYTES = 6_000_000  # of images that appear beside a dot
HOVER_SIDE, HOVER_QUALITY = 128, 60


@dataclass(frozen=True)
class Gallery:
    """A dataset's part of the page; ``points`` is what its script shows beside a dot."""

    data: str
    notes: Sequence[str]
    scatters: Sequence[Scatter]
    worst: Sequence[Row]
    apart: Sequence[Row]
    table: TableView
    points: Mapping[str, Any]


def gallery_of(predictions: Predictions, pictures: Pictures, hover_bytes: int = HOVER_BYTES) -> Gallery:
    """Everything about single images of one dataset; an image that cannot be shown has its reason in its place."""
    models = list(predictions.scores)[:MOST_MODELS]
    notes = [predictions.note] if predictions.note else []
    if len(predictions.scores) > len(models):
        notes.append(f"Shown are {len(models)} of {len(predictions.scores)} models: {', '.join(models)}.")
    notes += [pictures.note] if pictures.note else []
    shown_S = shown_images(predictions)
    worst = worst_errors(predictions, models, pictures)
    apart = disagreements(predictions, models, pictures)
    points, said = _points(predictions, models, shown_S.tolist(), pictures, hover_bytes)
    notes += [said] if said else []
    if pictures.unreadable:
        named = "; ".join(f"{name}: {reason}" for name, reason in list(pictures.unreadable.items())[:5])
        more = f", and {len(pictures.unreadable) - 5} others" if len(pictures.unreadable) > 5 else ""
        notes.append(f"Images that cannot be read: {named}{more}.")
    plots = scatters(predictions, models, shown_S)
    return Gallery(predictions.data, notes, plots, worst, apart, view_of(image_table(predictions, models)), points)


def _points(
    predictions: Predictions, models: Sequence[str], shown: Sequence[int], pictures: Pictures, most_bytes: int
) -> tuple[dict[str, Any], str]:
    """Names, labels, scores and thumbnails of the dots; the largest errors get an image first."""
    images: dict[int, str] = {}
    whys: dict[int, str] = {}
    error_MI = np.stack([np.abs(predictions.scores[model] - predictions.mos_I) for model in models])
    largest_I = np.nan_to_num(error_MI, nan=-1).max(axis=0)
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
        "scores": {
            model: [None if np.isnan(predictions.scores[model][i]) else round(float(predictions.scores[model][i]), 2)
                    for i in shown]
            for model in models
        },
        "images": images,
        "whys": whys,
        "absent": "" if pictures.paths else "no image at hand",
    }  # fmt: skip
    said = f"{len(images)} of {len(shown)} dots have their image beside them, the largest errors first; the others would make the page too large."
    return points, said if spent else ""


def image_table(predictions: Predictions, models: Sequence[str], most: int = 1000) -> Table:
    """Every image with its label and scores, the largest error of any model first; of many, the first ``most``."""
    error_MI = np.stack([np.abs(predictions.scores[model] - predictions.mos_I) for model in models])
    largest_I = np.nan_to_num(error_MI, nan=-1).max(axis=0)
    order = np.argsort(-largest_I, kind="stable")
    rows = []
    for i in order[:most]:
        scores = [predictions.scores[model][i] for model in models]
        cells = ["-" if np.isnan(score) else f"{score:.1f}" for score in scores]
        rows.append([predictions.names[i], f"{predictions.mos_I[i]:.1f}", *cells, f"{largest_I[i]:.1f}"])
    notes = ["Largest error: of any model shown, in the units of the labels."]
    if len(order) > most:
        notes.append(
            f"The {most} images of the largest errors, of {len(order)}; all are in the results that this page was made from."
        )
    columns = ["image", predictions.axis, *models, "largest error"]
    return Table(f"Test images of {predictions.data}", columns, rows, notes, left=["image"])
