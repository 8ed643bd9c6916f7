"""Options of an end-to-end training; imports neither torch nor mmengine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainingOptions:
    """What a training does besides computing: no option changes the weights.

    Args:
        selection: a rule of :data:`iqa_zoo.training.selection.RULES`.
        peek: measure the test part after every epoch as well, so that the rules can be compared. Only the rule
            ``test-oracle`` selects by it.
        resume: continue from the last checkpoint of the folder, if there is one.
        save_steps: write a checkpoint every so many steps besides that of each epoch.
        trackers: names of :data:`iqa_zoo.training.end_to_end.trackers.TRACKERS`.
        device: as torch names it; None for CUDA if available, else the CPU.
        sharded: share out weights, gradients and optimizer state over the processes
            (:mod:`iqa_zoo.training.end_to_end.sharded`), for a model that does not fit one process's memory. To test, each
            process holds all weights. Files on disk are the same.
        memory_bytes: for decoded images.
        arguments: noted in ``run.json``, so that ``iqa-zoo train --resume RUN`` needs no others.
    """

    selection: str = "validation"
    peek: bool = False
    resume: bool = False
    save_steps: int | None = None
    trackers: tuple[str, ...] = ()
    device: str | None = None
    sharded: bool = False
    memory_bytes: int = 4 << 30
    arguments: Mapping[str, Any] | None = None

    @property
    def measures_test(self) -> bool:
        """Whether the test part is measured after every epoch."""
        return self.peek or self.selection == "test-oracle"
