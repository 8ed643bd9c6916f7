"""Gather the records of trainings as they finish, and log them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iqa_zoo.progress import Progress, Reporter
from iqa_zoo.words import count_nouns

if TYPE_CHECKING:
    from iqa_zoo.training.end_to_end.trainings import EndToEnd
    from iqa_zoo.training.frozen.trainings import Training

Record = dict[str, Any]
MOST_IN_A_LINE = 6  # models that a line names one by one


def gather_records(
    records: Iterator[tuple[int, Record]],
    trainings: Sequence[Training | EndToEnd],
    tick: Progress,
    progress: Reporter,
    *,
    fresh: bool = False,
    quiet: bool = False,
) -> list[Record]:
    """Return all records in order. A line is logged for each split that is done by every model and each training that failed,
    unless it is to be quiet."""
    done: dict[int, Record] = {}
    total, models = len(trainings), len({training.model for training in trainings})
    with _explaining_interrupts(done, total, fresh=fresh):
        for i, record in records:
            done[i] = record
            tick(len(done), total)
            if quiet:
                continue
            if "error" in record:
                progress.log(f"{record['model']} on split {record['split']} failed: {record['error']}", "red")
            number, first = i // models, i // models * models
            row = [done[first + k] for k in range(models) if first + k in done]
            if len(row) == models <= MOST_IN_A_LINE:
                progress.log(f"split {number + 1} ({trainings[first].split.id}): {describe_row(row)}", "dim")
    return [done[i] for i in range(total)]


def describe_row(row: Sequence[Record]) -> str:
    """Describe the trainings of a split: validation SROCC, where a part was held out, failures, and how many were kept before.

    >>> describe_row([dict(model="a", validation_srocc=0.8123, resumed=True), dict(model="b", error="...")])
    'validation SROCC a 0.812; failed: b; 1 of 2 trainings from the cache'
    """
    held_out = [(r["model"], r["validation_srocc"]) for r in row if r.get("validation_srocc") is not None]
    known = [f"{model} {'undefined' if math.isnan(srocc) else f'{srocc:.3f}'}" for model, srocc in held_out]
    failed = [str(r["model"]) for r in row if "error" in r]
    kept = sum(bool(r.get("resumed")) for r in row)
    parts = [
        f"validation SROCC {', '.join(known)}" if known else "trained" if len(failed) < len(row) else "",
        f"failed: {', '.join(failed)}" if failed else "",
        f"{kept} of {count_nouns(len(row), 'training')} from the cache" if kept else "",
    ]
    return "; ".join(filter(None, parts))


@contextmanager
def _explaining_interrupts(done: Mapping[int, Record], total: int, *, fresh: bool) -> Iterator[None]:
    """Give an interrupt within a message: how many trainings are kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        count = sum("error" not in record for record in done.values())
        command = "the same command without --fresh" if fresh else "the same command"
        interrupt.args = (f"{count} of {total} trainings are kept; {command} goes on from there",)
        raise
