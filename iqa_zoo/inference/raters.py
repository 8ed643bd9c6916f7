"""How models agree with the ratings behind the labels of a dataset, over one or several test parts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.ratings import count_ratings, make_ratings
from iqa_zoo.errors import InputError
from iqa_zoo.stats.pair_order import Pairs
from iqa_zoo.stats.paired import adjust_holm, pitman_morgan
from iqa_zoo.stats.rater_agreement import (
    RaterAgreement,
    average_over_splits,
    find_middle,
    measure_rater_agreement,
    summarize_ratings,
)
from iqa_zoo.stats.ratings import Ratings

FEWEST_IMAGES = 3


@dataclass(frozen=True)
class ScoredPart:
    """The scores that a model gives to a test part, by image name, in the direction of the labels."""

    model: str
    split: str
    scores: Mapping[str, float]


def summarize_raters(
    tested: Sequence[ScoredPart], data: RatedImages, *, test_train_ratio: float = 0.0, fit: bool = False
) -> dict[str, Any]:
    """Summarize how models agree with the ratings, as far as the dataset gives them.

    Each number is computed on each test part and averaged over the splits. The spread of the errors of two models
    (Pitman-Morgan) is compared over all tested images at once: each image with the scores of the first split that tests it.

    Args:
        tested: of every model on every split, in the order of the splits.
        data: the dataset, with all of its images.
        test_train_ratio: test images over training images, for the intervals.
        fit: the scores are not on the scale of the labels; see
            :func:`iqa_zoo.stats.rater_agreement.measure_rater_agreement`.

    Returns:
        ``unknown``, why what depends on the noise of ratings is not computed ("" where it is), ``counts`` of the ratings,
        ``ratings`` (numbers that depend on no model), ``models`` (each number with its interval, and the ``splits`` that the
        model was tested on), ``spreads`` (of pairs of models), ``splits`` and ``fit``.
    """
    unknown = _explain_unknown(data)
    position = {name: i for i, name in enumerate(data.names)}
    splits = list(dict.fromkeys(each.split for each in tested))
    of_data: list[dict[str, float]] = []
    of_models: dict[str, list[RaterAgreement]] = {}
    for split in splits:
        parts: dict[tuple[int, ...], tuple[Ratings, Pairs]] = {}  # models of one split share their test part
        for each in (each for each in tested if each.split == split):
            indices = [position[name] for name in each.scores]
            if not unknown and tuple(indices) not in parts:
                ratings = make_ratings(data, indices)
                known, pairs = summarize_ratings(ratings)
                of_data += [asdict(known)] if not parts else []
                parts[tuple(indices)] = ratings, pairs
            own_ratings, own_pairs = parts.get(tuple(indices), (None, None))
            found = measure_rater_agreement(
                list(each.scores.values()),
                data.mos[indices],
                ratings=own_ratings,
                pairs=own_pairs,
                groups=[data.references[i] for i in indices] if data.references is not None else None,
                fit=fit,
            )
            of_models.setdefault(each.model, []).append(found)

    def average(name: str, values: Sequence[float]) -> dict[str, Any]:
        if name == "equal_raters":
            q1, median, q3 = find_middle(values)
            at_ceiling, undefined = (sum(map(test, values)) for test in (math.isinf, math.isnan))
            return {"median": median, "q1": q1, "q3": q3, "at_ceiling": at_ceiling, "undefined": undefined}
        highest = math.inf if name in ("images", "pairs", "rmse_star", "mae") else 1.0
        return asdict(average_over_splits(values, test_train_ratio, limits=(0.0, highest)))

    return {
        "unknown": unknown,
        "counts": count_ratings(data),
        "splits": len(splits),
        "fit": fit,
        "ratings": {name: average(name, [each[name] for each in of_data]) for name in (of_data[0] if of_data else ())},
        "models": {
            model: {
                "splits": len(found),
                **{
                    each.name: average(each.name, [getattr(one, each.name) for one in found])
                    for each in fields(RaterAgreement)
                },
            }
            for model, found in of_models.items()
        },
        "spreads": [] if fit else compare_spreads(tested, data),
    }


def compare_spreads(tested: Sequence[ScoredPart], data: RatedImages) -> list[dict[str, Any]]:
    """Compare the spread of the errors of every two models by Pitman-Morgan's test, adjusted for the pairs (Holm).

    Each image counts once, with the scores of the first split that tests both models on it.
    """
    position = {name: i for i, name in enumerate(data.names)}
    by_model: dict[str, dict[str, Mapping[str, float]]] = {}
    for each in tested:
        by_model.setdefault(each.model, {})[each.split] = each.scores
    rows = []
    for first, second in itertools.combinations(by_model, 2):
        both: dict[str, tuple[float, float]] = {}
        for split, scores in by_model[first].items():
            others = by_model[second].get(split, {})
            both = {name: (score, others[name]) for name, score in scores.items() if name in others} | both
        if len(both) < FEWEST_IMAGES:
            continue
        a, b = np.array(list(both.values())).T
        test = pitman_morgan(a, b, data.mos[[position[name] for name in both]])
        rows.append({"first": first, "second": second, "images": len(both), **asdict(test)})
    for row, p in zip(rows, adjust_holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def _explain_unknown(data: RatedImages) -> str:
    """Say why nothing that depends on the noise of the ratings can be computed; empty where it can."""
    try:
        make_ratings(data)
    except InputError as error:
        return str(error)
    return ""
