"""Predictions of test images, out of a study's records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HUMAN_LABELS = ("MOS", "DMOS")
ONCE = "Each image once: of several splits, the first whose test part has it, so a point is one training's prediction."


@dataclass(frozen=True)
class Predictions:
    """What models said of the test images of one dataset; nan where a model was not asked.

    Args:
        data: the dataset's name.
        label: "MOS", "DMOS" or "proxy: ...".
        higher_is_better: of the labels.
        names: of the images.
        mos_I: their labels.
        scores: of each model, one an image.
        baselines: models that are shown last and are in no pair.
        note: how a prediction was chosen where there are several.
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
        """The labels in a few words: a proxy is called one."""
        kind = self.label if self.label in HUMAN_LABELS else f"{self.label.split(':')[0]} label"
        return kind if self.higher_is_better else f"{kind} (lower is better)"


def predictions_of(results: Mapping[str, Any]) -> list[Predictions]:
    """The predictions of each dataset that a study tested on, where its results keep them.

    >>> runs = [dict(model="a", predictions={"1.png": 2.5}), dict(model="a", predictions={"1.png": 9.9, "2.png": 1.0})]
    >>> results = {"runs": runs, "data": dict(name="two", label="MOS", higher_is_better=True, mos={"1.png": 3.0, "2.png": 1.5})}
    >>> [found] = predictions_of(results)
    >>> found.scores["a"].tolist()
    [2.5, 1.0]
    """
    found = []
    for data in datasets_of(results):
        first: dict[str, dict[str, float]] = {}
        plain: dict[str, str] = {}
        for run in results.get("runs", []):
            if "error" in run or run.get("test", data["name"]) != data["name"]:
                continue
            label = label_of(run)
            plain[label] = str(run.get("decoder", run["model"]))
            mine = first.setdefault(label, {})
            for name, score in run.get("predictions", {}).items():
                mine.setdefault(name, score)
        mos = data.get("mos", {})
        names = [name for name in mos if any(name in scores for scores in first.values())]
        if names:
            ordered = _in_order(plain, results)
            scores = {model: np.array([first[model].get(name, np.nan) for name in names]) for model in ordered}
            mos_I = np.array([mos[name] for name in names], dtype=float)
            told = str(data.get("label", "MOS")), bool(data.get("higher_is_better", True))
            baselines = [label for label in ordered if plain[label] == results.get("baseline")]
            found.append(Predictions(data["name"], *told, names, mos_I, scores, baselines))
    return found


def datasets_of(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The description of the dataset of a study, or of each of several."""
    return results.get("datasets") or ([results["data"]] if results.get("data") else [])


def label_of(run: Mapping[str, Any]) -> str:
    """A training's model, and the share of the images it was trained on where a study varies that."""
    return f"{run['model']}, {run['fraction']:.0%} of the images" if "fraction" in run else str(run["model"])


def _in_order(plain: Mapping[str, str], results: Mapping[str, Any]) -> list[str]:
    """The labels of the compared models first and of the baseline last; of shares of the images only all of them.

    Args:
        plain: the model of each label.
        results: of the study.
    """
    compared = [results["base"]] if "base" in results else results.get("compared", [])

    def place(label: str) -> int:
        return 2 if plain[label] == results.get("baseline") else 0 if plain[label] in compared else 1

    whole = [label for label in plain if label.endswith(", 100% of the images")]
    return sorted(whole or plain, key=place)
