"""A cell for each training set and test set: records, medians and differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from iqa_zoo.data.rated import RatedImages
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
        own = {key: value for key, value in record.items() if key != "test_sets"}
        train = trained_on[record["split"]]
        cells.append({**own, "train": train, "test": train})
        for test, measured in record.get("test_sets", {}).items():
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
    train: str,
    records: Sequence[Record],
    sets: Mapping[str, RatedImages],
    test_train_ratio: float,
    margin: float,
    pairs: Sequence[tuple[str, str]],
) -> list[Record]:
    """Return the differences of ``pairs`` of models that were trained on one dataset, on its test part and on every other set.

    Trainings that failed do not count. The verdicts are adjusted for the comparisons of the whole study.
    """
    comparisons = max(1, len(sets) ** 2 * len(pairs))
    done = [record for record in records if "error" not in record]
    found = []
    for test, data in {train: sets[train], **sets}.items():
        sign = 1 if data.higher_is_better == sets[train].higher_is_better else -1
        tested = done if test == train else [_read_test_set(record, test, sign) for record in done]
        rows = compute_differences(tested, test_train_ratio, data, pairs, margin=margin, comparisons=comparisons)
        found += [{**row, "train": train, "test": test} for row in rows]
    return found


def _read_test_set(record: Record, test: str, sign: int) -> Record:
    """The record of a training as if it had been tested on another dataset, predictions in the direction of its labels."""
    measured = record["test_sets"][test]
    predictions = {name: sign * score for name, score in measured["predictions"].items()}
    return {"model": record["model"], "split": record["split"], "srocc": measured["srocc"], "predictions": predictions}
