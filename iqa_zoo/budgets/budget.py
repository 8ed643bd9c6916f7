"""What a model costs, whole and by slot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

SIZES = ("params", "trainable_params", "active_params", "macs")


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
