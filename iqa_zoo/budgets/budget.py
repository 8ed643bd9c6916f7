"""The cost of a model, in total and by slot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SIZES = ("params", "trainable_params", "active_params", "macs")


@dataclass(frozen=True)
class Latency:
    """The latency of a decoder for one image, measured on this machine.

    Attributes:
        seconds: median of the timed forward passes.
        spread: first and third quartile in seconds.
        rounds: number of timed forward passes.
        threads: number of torch threads.
        target: latency it was matched to in seconds, given or measured; None if it was not matched.
        tried: number of settings timed in the search.
        device: the device, ``"cpu"``.
    """

    seconds: float
    spread: tuple[float, float]
    rounds: int
    threads: int
    target: float | None = None
    tried: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Budget:
    """Parameters, and multiply-accumulates (MACs) for one image.

    Attributes:
        params: all parameters; a shared parameter counts once, for the first part that holds it.
        trainable_params: parameters that require a gradient.
        active_params: parameters used by one token: only the chosen ``top_k`` of a mixture of experts.
        macs: multiply-accumulates of matrix products and convolutions for one image.
        by_slot: the budget of each slot in use; the slots add up to the whole.
        by_block: the budget of each interaction block, by config path (``"interactions.0"``).
        macs_by_operator: MACs by operator.
        other_ops: other operations that fvcore counts (norms, resampling), by operator; not part of the MACs.
        image_size: height and width of the image in pixels.
        moved: changes made by :func:`iqa_zoo.match_budget`: config path -> (from, to).
        latency: measured latency of the decoder, if it was matched by latency.
    """

    params: int
    trainable_params: int
    active_params: int
    macs: int
    by_slot: dict[str, Budget] = field(default_factory=dict)
    by_block: dict[str, Budget] = field(default_factory=dict)
    macs_by_operator: dict[str, int] = field(default_factory=dict)
    other_ops: dict[str, int] = field(default_factory=dict)
    image_size: int | None = None
    moved: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    latency: Latency | None = None

    @property
    def decoder(self) -> Budget:
        """The budget of everything between the backbone and the score."""
        return sum_budgets({slot: part for slot, part in self.by_slot.items() if slot not in ("backbone", "losses")})

    def to_dict(self) -> dict[str, Any]:
        """The budget as JSON-ready data, including the decoder."""
        return {
            **self._list_numbers(),
            "image_size": self.image_size,
            "moved": {path: list(change) for path, change in self.moved.items()},
            **({} if self.latency is None else {"latency": asdict(self.latency)}),
            "decoder": self.decoder._list_numbers(),
            "by_slot": {slot: part._list_numbers() for slot, part in self.by_slot.items()},
            "by_block": {path: part._list_numbers() for path, part in self.by_block.items()},
        }

    def _list_numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*SIZES, "macs_by_operator", "other_ops")}


def sum_budgets(by_slot: dict[str, Budget], **more: Any) -> Budget:
    """Sum the budgets of several slots."""

    def merge(name: str, parts: Iterable[Budget]) -> dict[str, int]:
        return dict(sorted(sum((Counter(getattr(part, name)) for part in parts), Counter()).items()))

    parts = by_slot.values()
    return Budget(
        **{size: sum(getattr(part, size) for part in parts) for size in SIZES},
        by_slot=by_slot,
        macs_by_operator=merge("macs_by_operator", parts),
        other_ops=merge("other_ops", parts),
        **more,
    )


def format_moved(moved: Mapping[str, Sequence[Any]]) -> str:
    """Format the settings that matching changed (path: before, after), with equal changes of list elements folded; empty without any.

    >>> format_moved({"depth": (4, 2), "interactions.0.hidden": (8, 4), "interactions.2.hidden": (8, 4)})
    'depth 4 → 2, interactions.*.hidden 8 → 4'
    """
    lines = [
        f"{re.sub(r'[.][0-9]+(?=[.]|$)', '.*', path)} {before} → {after}" for path, (before, after) in moved.items()
    ]
    return ", ".join(dict.fromkeys(lines))


def format_latency(latency: Latency) -> str:
    """Format a latency in one line.

    >>> format_latency(Latency(seconds=0.0051, spread=(0.005, 0.0053), rounds=41, threads=2, target=0.005))
    '5.1 ms (middle half 5 to 5.3 ms, 41 passes, 2 threads, cpu), target 5 ms'
    """
    low, high = latency.spread
    target = "" if latency.target is None else f", target {1000 * latency.target:.3g} ms"
    return (
        f"{1000 * latency.seconds:.3g} ms (middle half {1000 * low:.3g} to {1000 * high:.3g} ms, {latency.rounds} passes, "
        f"{latency.threads} threads, {latency.device}){target}"
    )
