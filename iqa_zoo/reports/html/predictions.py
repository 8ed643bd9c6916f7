"""Predictions of test images, collected from a study's results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.reports.shared import HUMAN_LABELS

ONCE = "Each image appears once, with its prediction from the first split whose test part contains it."


@dataclass(frozen=True)
class Predictions:
    """Predictions of models for the test images of one dataset; nan where a model has none.

    Args:
        data: name of the dataset.
        label: "MOS", "DMOS" or "proxy: ...".
        higher_is_better: direction of the labels.
        names: names of the images.
        mos_I: labels of the images.
        scores: scores by model, one per image.
        baselines: models that are shown last and not paired.
        note: how one of several predictions is chosen.
    """

    data: str
    label: str
    higher_is_better: bool
    names: Sequence[str]
    mos_I: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    baselines: Collection[str] = ()
    note: str = ONCE

    @property
    def axis(self) -> str:
        """A short name of the labels, which says if they are a proxy."""
        kind = self.label if self.label in HUMAN_LABELS else f"{self.label.split(':')[0]} label"
        return kind if self.higher_is_better else f"{kind} (lower is better)"


def collect_predictions(results: Mapping[str, Any]) -> list[Predictions]:
    """Collect the predictions for each test dataset whose results keep them.

    >>> runs = [dict(model="a", predictions={"1.png": 2.5}), dict(model="a", predictions={"1.png": 9.9, "2.png": 1.0})]
    >>> results = {"runs": runs, "data": dict(name="two", label="MOS", higher_is_better=True, mos={"1.png": 3.0, "2.png": 1.5})}
    >>> [found] = collect_predictions(results)
    >>> found.scores["a"].tolist()
    [2.5, 1.0]
    """
    found = []
    for data in list_datasets(results):
        first: dict[str, dict[str, float]] = {}
        plain: dict[str, str] = {}
        for run in results.get("runs", []):
            if "error" in run or run.get("test", data["name"]) != data["name"]:
                continue
            label = format_run_label(run)
            plain[label] = str(run.get("decoder", run["model"]))
            kept = first.setdefault(label, {})
            for name, score in run.get("predictions", {}).items():
                kept.setdefault(name, score)
        mos = data.get("mos", {})
        names = [name for name in mos if any(name in scores for scores in first.values())]
        if names:
            ordered = _sort_labels(plain, results)
            scores = {model: np.array([first[model].get(name, np.nan) for name in names]) for model in ordered}
            mos_I = np.array([mos[name] for name in names], dtype=float)
            label, higher = str(data.get("label", "MOS")), bool(data.get("higher_is_better", True))
            baselines = [name for name in ordered if plain[name] == results.get("baseline")]
            found.append(Predictions(data["name"], label, higher, names, mos_I, scores, baselines))
    return found


def list_datasets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the descriptions of a study's datasets."""
    return results.get("datasets") or ([results["data"]] if results.get("data") else [])


def format_run_label(run: Mapping[str, Any]) -> str:
    """Format a training's model and, if the study varies it, the share of training images."""
    return f"{run['model']}, {run['fraction']:.0%} of the images" if "fraction" in run else str(run["model"])


def _sort_labels(plain: Mapping[str, str], results: Mapping[str, Any]) -> list[str]:
    """Sort labels: compared models first, the baseline last; of the shares of training images, keep 100 % only."""
    compared = [results["base"]] if "base" in results else results.get("compared", [])

    def rank(label: str) -> int:
        return 2 if plain[label] == results.get("baseline") else 0 if plain[label] in compared else 1

    whole = [label for label in plain if label.endswith(", 100% of the images")]
    return sorted(whole or plain, key=rank)
