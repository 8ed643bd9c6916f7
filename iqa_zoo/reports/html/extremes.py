"""Images with the largest errors, and images with the largest disagreement between two models."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.reports.html.pictures import Picture, Pictures
from iqa_zoo.reports.html.predictions import Predictions

CARDS = 8
MOST_PAIRS = 3


@dataclass(frozen=True)
class Card:
    """An image with its scores: (source, score) in order."""

    name: str
    picture: Picture
    scores: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """Cards under a heading."""

    title: str
    cards: Sequence[Card]


def find_worst_errors(predictions: Predictions, models: Sequence[str], pictures: Pictures) -> list[Row]:
    """Find the images with the largest errors of each model."""
    rows = []
    for model in models:
        scores_I = predictions.scores[model]
        gap_I = scores_I - predictions.mos_I
        cards = [_card(predictions, i, [model], f"{gap_I[i]:+.1f}", pictures) for i in _find_largest(np.abs(gap_I))]
        rows.append(Row(f"{model}: largest errors against {predictions.axis}", cards))
    return rows


def find_disagreements(predictions: Predictions, models: Sequence[str], pictures: Pictures) -> list[Row]:
    """Find the images with the largest score difference of each pair of models, without baselines."""
    rows = []
    compared = [model for model in models if model not in predictions.baselines]
    for first, second in itertools.islice(itertools.combinations(compared, 2), MOST_PAIRS):
        gap_I = predictions.scores[first] - predictions.scores[second]
        cards = [
            _card(predictions, i, [first, second], f"{gap_I[i]:+.1f}", pictures) for i in _find_largest(np.abs(gap_I))
        ]
        if cards:
            rows.append(Row(f"{first} and {second}: largest disagreements", cards))
    return rows


def _find_largest(values_I: NDArray[np.float64]) -> list[int]:
    order = np.argsort(-np.nan_to_num(values_I, nan=-1), kind="stable")[:CARDS]
    return [int(i) for i in order if np.isfinite(values_I[i])]


def _card(predictions: Predictions, i: int, models: Sequence[str], gap: str, pictures: Pictures) -> Card:
    scores = [(predictions.axis, f"{predictions.mos_I[i]:.1f}")]
    scores += [(model, f"{predictions.scores[model][i]:.1f}") for model in models]
    name = predictions.names[i]
    return Card(name, pictures.thumbnail(name), [*scores, ("difference", gap)])
