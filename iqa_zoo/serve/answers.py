"""What the JSON interface answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from iqa_zoo.explain.score_map import ScoreMap
from iqa_zoo.hub.address import is_address
from iqa_zoo.inference.score import Score, ScoreMeaning

CELLS = 32  # of a map, along its long side


@dataclass(frozen=True)
class ModelAnswer:
    """A model that the server has loaded.

    Attributes:
        name: to select it by.
        scale: of its scores, in one phrase.
        lowest, highest: ends of the scale.
        higher_is_better: direction of the scale.
        view: what the model sees of a photograph.
        coverage: of intervals, in 0..1; null where the model has no calibration.
        signature: a line to cite.
    """

    name: str
    scale: str
    lowest: float
    highest: float
    higher_is_better: bool
    view: str
    coverage: float | None
    signature: str

    @classmethod
    def describe(cls, name: str, meaning: ScoreMeaning) -> ModelAnswer:
        cited = meaning if is_address(meaning.model) else replace(meaning, model=name)  # no path of this machine
        return cls(
            name=name,
            scale=meaning.scale,
            lowest=meaning.data.score_range[0],
            highest=meaning.data.score_range[1],
            higher_is_better=meaning.data.higher_is_better,
            view=meaning.view,
            coverage=meaning.coverage,
            signature=cited.format_signature(),
        )


@dataclass(frozen=True)
class ScoreAnswer:
    """The score of a photograph by one model.

    Attributes:
        model: its name.
        score: on the model's scale; null where there is none, and ``error`` says why.
        low, high: interval that holds the mean rating of ``coverage`` of all photographs like those of the training.
        coverage: in 0..1.
        percentile: percentage of the rated photographs that are of lower quality.
        word: bad, poor, fair, good or excellent.
        flags: reasons to distrust the score.
        note: what was done to the photograph before it was scored.
        error: why there is no score.
    """

    model: str
    score: float | None = None
    low: float | None = None
    high: float | None = None
    coverage: float | None = None
    percentile: float | None = None
    word: str = ""
    flags: list[str] = field(default_factory=list)
    note: str = ""
    error: str = ""

    @classmethod
    def convert(cls, model: str, score: Score) -> ScoreAnswer:
        return cls(
            model=model,
            score=score.score,
            low=score.low,
            high=score.high,
            coverage=score.coverage,
            percentile=score.percentile,
            word=score.word,
            flags=list(score.flags),
            note=score.note,
            error=score.error,
        )


@dataclass(frozen=True)
class PhotographAnswer:
    """A photograph and its scores, one for each model; without scores, ``error`` says why it was refused.

    ``height`` and ``width`` are in pixels, null where the photograph could not be read.
    """

    name: str
    height: int | None = None
    width: int | None = None
    scores: list[ScoreAnswer] = field(default_factory=list)
    error: str = ""


@dataclass(frozen=True)
class ScoresAnswer:
    """The photographs of a request, in their order."""

    photographs: list[PhotographAnswer]


@dataclass(frozen=True)
class RegionAnswer:
    """A square region of the photograph, in shares of its height and width, and its score as if it were a photograph."""

    top: float
    left: float
    height: float
    width: float
    score: float
    flags: list[str]


@dataclass(frozen=True)
class MapAnswer:
    """Quality by region.

    Attributes:
        name: of the photograph.
        model: that scored it.
        score: of the whole photograph.
        mean: of the regions.
        regions: that overlap, row by row.
        map: cells of the photograph, row by row: the mean score of the regions that cover a cell; null where none does.
        sentences: what the map shows and what it means.
    """

    name: str
    model: str
    score: float
    mean: float
    regions: list[RegionAnswer]
    map: list[list[float | None]]
    sentences: list[str]

    @classmethod
    def convert(cls, name: str, model: str, found: ScoreMap) -> MapAnswer:
        height, width = found.image_HWC.shape[:2]
        map_HW = found.paint(*found.choose_cells(CELLS))
        regions = [
            RegionAnswer(
                top / height,
                left / width,
                found.size / height,
                found.size / width,
                float(region),
                list(region.flags),
            )
            for (top, left), region in zip(found.boxes, found.regions, strict=True)
        ]
        return cls(
            name=name,
            model=model,
            score=float(found.score),
            mean=float(found.score_RC.mean()),
            regions=regions,
            map=[[None if value != value else value for value in row] for row in map_HW.tolist()],
            sentences=found.describe(),
        )


@dataclass(frozen=True)
class ErrorDetail:
    """Why a request was refused: a short code for programs, and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class ErrorAnswer:
    """A request that was refused as a whole."""

    error: ErrorDetail
