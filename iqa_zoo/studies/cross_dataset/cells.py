"""A cell for each training set and test set: records, medians and differences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.stats.bootstrap import bootstrap_mean_difference
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.stats.summary import summarize_values
from iqa_zoo.studies.runner import Record
from iqa_zoo.studies.summaries import compute_differences


def make_cells(records: Sequence[Record], trained_on: Mapping[str, str]) -> list[Record]:
    """Return a record for each training and dataset it was tested on, with ``train`` and ``test``; one that failed stays one.

    The predictions of whole other datasets are left out: they would be most of the file.
    """
    cells = []
    for record in records:
        own = {key: value for key, value in record.items() if key != "elsewhere"}
        train = trained_on[record["split"]]
        cells.append({**own, "train": train, "test": train})
        for test, measured in record.get("elsewhere", {}).items():
            metrics = {name: measured[name] for name in METRICS}
            training = {key: own[key] for key in ("model", "config", "split", "seed", "epoch", "seconds")}
            cells.append({**training, **metrics, "train": train, "test": test})
    return cells


def summarize_cells(cells: Sequence[Record]) -> list[Record]:
    """Return, for each model, training set and test set, median and quartiles over the splits."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for cell in cells:
        if "error" not in cell:
            groups.setdefault((cell["model"], cell["train"], cell["test"]), []).append(cell)
    return [
        {
            "model": model,
            "train": train,
            "test": test,
            "splits": len(mine),
            **{name: asdict(summarize_values([cell[name] for cell in mine])) for name in ("srocc", "plcc", "krocc")},
        }
        for (model, train, test), mine in groups.items()
    ]


def compare_models(
    train: str, records: Sequence[Record], sets: Mapping[str, RatedImages], test_train_ratio: float
) -> list[Record]:
    """Return the differences of every two models that were trained on one dataset, on its test part and on every other set.

    Trainings that failed do not count.
    """
    done = [record for record in records if "error" not in record]
    found = [
        {**pair, "train": train, "test": train} for pair in compute_differences(done, test_train_ratio, sets[train])
    ]
    by_model: dict[str, dict[str, Record]] = {}
    for record in done:
        by_model.setdefault(record["model"], {})[record["split"]] = record
    for test in [name for name in sets if name != train]:
        data = sets[test]
        sign = 1 if data.higher_is_better == sets[train].higher_is_better else -1
        groups = data.contents if data.references is not None else None
        for first, second in itertools.combinations(by_model, 2):
            splits = [split for split in by_model[first] if split in by_model[second]]
            if not splits:
                continue
            scores_a, scores_b = (
                np.array([_list_scores(by_model[model][split]["elsewhere"][test], data, sign) for split in splits])
                for model in (first, second)
            )
            difference, wins, defined = bootstrap_mean_difference(
                scores_a, scores_b, data.mos, test_train_ratio=test_train_ratio, groups=groups
            )
            found.append(
                {
                    "first": first,
                    "second": second,
                    "wins": wins,
                    "splits": defined,
                    "undefined": len(splits) - defined,
                    "test": test,
                    **asdict(difference),
                    "tie": difference.is_undecided,
                    "why": "" if difference.is_defined else f"all scores of a model are equal on {test}",
                    "train": train,
                }
            )
    return found


def _list_scores(measured: Record, data: RatedImages, sign: int) -> list[float]:
    return [sign * measured["predictions"][name] for name in data.names]
