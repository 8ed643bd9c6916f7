"""What a model costs, whole and by slot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

SIZES = ("params", "trainable_params", "active_params", "macs")


@dataclass(frozen=True)
class Latency:
    """How long a decoder takes for one image, measured on this machine.

    Attributes:
        seconds: the median of the timed forward passes.
        spread: the middle half of them, first to third quartile, in seconds.
        target: what it was matched to in seconds, as given or measured in turn with it; None where nothing was.
        rounds: how many forward passes were timed.
        tried: how many settings were timed to find it.
        threads: the threads torch computed with.
        device: what it ran on, ``"cpu"``.
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
        params: all parameters; one shared by several parts counts once, for the first.
        trainable_params: those that require a gradient.
        active_params: those one token meets: of a mixture of experts the chosen ``top_k`` only.
        macs: multiply-accumulates of matrix products and convolutions, one image at a time.
        by_slot: the same for each slot the model fills; the slots add up to the whole.
        by_block: the same for each block of the interactions, by its config path (``"interactions.0"``).
        macs_by_operator: which operator holds how many of the MACs.
        other_ops: operations that fvcore also counts (norms, resampling), by operator; in no MACs.
        image_size: height and width of the image in pixels.
        moved: what :func:`iqa_zoo.match_budget` changed: config path -> (from, to).
        latency: what was measured where it was matched by latency, of the decoder alone.
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
        """Everything between the backbone and the score."""
        return add_up({slot: part for slot, part in self.by_slot.items() if slot not in ("backbone", "losses")})

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and dicts, ready for JSON, with the decoder written out."""
        return {
            **self._numbers(),
            "image_size": self.image_size,
            "moved": {path: list(change) for path, change in self.moved.items()},
            **({} if self.latency is None else {"latency": asdict(self.latency)}),
            "decoder": self.decoder._numbers(),
            "by_slot": {slot: part._numbers() for slot, part in self.by_slot.items()},
            "by_block": {path: part._numbers() for path, part in self.by_block.items()},
        }

    def _numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*SIZES, "macs_by_operator", "other_ops")}


def add_up(by_slot: dict[str, Budget], **more: Any) -> Budget:
    """The whole of several slots."""

    def merged(name: str, parts: Iterable[Budget]) -> dict[str, int]:
        return dict(sorted(sum((Counter(getattr(part, name)) for part in parts), Counter()).items()))

    parts = by_slot.values()
    return Budget(
        **{size: sum(getattr(part, size) for part in parts) for size in SIZES},
        by_slot=by_slot,
        macs_by_operator=merged("macs_by_operator", parts),
        other_ops=merged("other_ops", parts),
        **more,
    )


def in_words(moved: dict[str, tuple[Any, Any]]) -> str:
    """What was moved, on one line; blocks that moved alike stand together.

    >>> in_words({"depth": (4, 2), "interactions.0.hidden": (8, 4), "interactions.2.hidden": (8, 4)})
    'depth 4 -> 2, interactions.*.hidden 8 -> 4'
    """
    lines = []
    for path, (before, after) in moved.items():
        slot, _, rest = path.partition(".")
        short = f"{slot}.*.{rest.partition('.')[2]}" if slot == "interactions" else path
        lines.append(f"{short} {before} -> {after}")
    return ", ".join(dict.fromkeys(lines))


def latency_in_words(latency: Latency) -> str:
    """What was measured, on one line.

    >>> latency_in_words(Latency(seconds=0.0051, spread=(0.005, 0.0053), rounds=41, threads=2, target=0.005))
    '5.1 ms (middle half 5 to 5.3 ms, 41 passes, 2 threads, cpu), to be 5 ms'
    """
    low, high = latency.spread
    target = "" if latency.target is None else f", to be {1000 * latency.target:.3g} ms"
    return (
        f"{1000 * latency.seconds:.3g} ms (middle half {1000 * low:.3g} to {1000 * high:.3g} ms, {latency.rounds} passes, "
        f"{latency.threads} threads, {latency.device}){target}"
    )
