"""The score of an image, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import iqa_zoo
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.data.views import LONGEST_SIDE
from iqa_zoo.inference.run import TrainedOn
from iqa_zoo.trained.calibration import Calibration, find_word

ENLARGED = "enlarged"
OUTSIDE = "outside the range of the ratings"
UNLIKE = "unlike the training photographs"
LOOK_ALIKE = "look-alike of "  # and the name of a training photograph


@dataclass(frozen=True)
class Score:
    """One image and its score.

    Attributes:
        score: on the scale of the ratings that the model was trained on; None for an image that has none.
        low, high: interval that holds the mean rating of ``coverage`` of all photographs like those of the training, cut at the
            ends of the scale; None where the model has no calibration.
        coverage: see above, in 0..1.
        percentile: percentage of the rated photographs that are of lower quality.
        word: of Recommendation ITU-R BT.500: bad, poor, fair, good or excellent, by the fifth of the scale.
        flags: reasons to distrust the score.
        note: what was done to the image before it was scored; empty for nothing.
        error: why there is no score; empty where there is one.
        path: of the image's file; None for other inputs.
        height, width: of the image, in pixels; None where it could not be read.
    """

    score: float | None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    percentile: float | None = None
    word: str = ""
    flags: tuple[str, ...] = ()
    note: str = ""
    error: str = ""
    path: str | None = None
    height: int | None = None
    width: int | None = None

    def __float__(self) -> float:
        """The score; nan where there is none."""
        return math.nan if self.score is None else self.score

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {**asdict(self), "flags": list(self.flags)}


@dataclass(frozen=True)
class ScoreMeaning:
    """What the scores of a model mean, and what they depend on.

    Attributes:
        model: name of the trained model, or the folder of the training.
        weights: SHA-256 of the file of weights, and of the package's file with the backbone's where there is one.
        data: what the model was trained on.
        view: what the model sees of an image.
        crops: an image is scored as the mean of so many crops; 1 for a model that sees whole images.
        coverage: of intervals; None where the model has no calibration.
        details: more facts, for JSON.
    """

    model: str
    weights: tuple[str, ...]
    data: TrainedOn
    view: str
    crops: int
    coverage: float | None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> str:
        """The scale of the scores in one phrase."""
        low, high = self.data.score_range
        better = "higher" if self.data.higher_is_better else "lower"
        return f"{self.data.label} of {self.data.name}, {low:g} to {high:g}, {better} is better"

    def format_signature(self) -> str:
        """Format what a score depends on as one line, to cite."""
        weights = " + ".join(sha256[:12] for sha256 in self.weights)
        return "; ".join([f"iqa_zoo {iqa_zoo.__version__}", self.model, f"weights {weights}", self.view, self.scale])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {
            **asdict(self),
            "details": dict(self.details),
            "scale": self.scale,
            "signature": self.format_signature(),
        }


def describe_view(spec: FeatureSpec, crops: int) -> str:
    """Describe what a model sees of an image in one phrase."""
    if spec.view == "whole":
        return f"whole image, its long side at most {LONGEST_SIDE} pixels"
    return f"{crops} crop{'s' if crops > 1 else ''} of {spec.image_size} x {spec.image_size} pixels"


def interpret_score(
    score: float,
    *,
    data: TrainedOn,
    calibration: Calibration | None,
    distance: float | None,
    note: str,
    look_alike: str,
) -> dict[str, Any]:
    """Return the fields of a :class:`Score` that follow from a score.

    Args:
        score: on the scale of the ratings.
        data: that the model was trained on.
        calibration: of the model, if it has one.
        distance: of the image from the training photographs, with a calibration.
        note: on what was done to the image.
        look_alike: name of the training photograph that the image is a near-duplicate of; empty for none.
    """
    higher = data.higher_is_better
    fields: dict[str, Any] = {"word": find_word(score, data.score_range, higher_is_better=higher)}
    lowest, highest = data.score_range
    flags = [ENLARGED] if note.startswith(ENLARGED) else []
    if calibration is not None:
        assert distance is not None
        half = float(calibration.compute_half_width(distance))
        lowest, highest = calibration.ratings[0], calibration.ratings[-1]
        fields |= dict(
            low=min(score, max(data.score_range[0], score - half)),  # no rating is outside the scale
            high=max(score, min(data.score_range[1], score + half)),
            coverage=calibration.coverage,
            percentile=calibration.compute_percentile(score, higher_is_better=higher),
        )
    if not lowest <= score <= highest:
        flags.append(OUTSIDE)
    if calibration is not None and distance is not None and distance > calibration.farthest:
        flags.append(UNLIKE)
    if look_alike:
        flags.append(f"{LOOK_ALIKE}{look_alike}")
    return {**fields, "flags": tuple(flags)}
