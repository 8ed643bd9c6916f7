"""Checkpoints of the authors' own HyperIQA code: their names and sizes."""

from __future__ import annotations

from typing import Any

from iqa_zoo.released import ReleasedSystem, rename, with_batch_counts
from iqa_zoo_hyperiqa.hyperiqa import hyperiqa

NAMES = {
    r"backbone\.model\.": "res.",
    r"queries\.convs\.(\d+)\.": lambda found: f"res.lda{int(found[1]) + 1}_pool.0.",
    r"queries\.fcs\.(\d+)\.": lambda found: f"res.lda{int(found[1]) + 1}_fc.",
    r"head\.trunk\.": "conv1.",
    r"head\.weights\.(\d+)\.": lambda found: f"fc{int(found[1]) + 1}w_conv.",
    r"head\.biases\.(\d+)\.": lambda found: f"fc{int(found[1]) + 1}b_fc.",
    r"head\.last_weight\.": "fc5w_fc.",
    r"head\.last_bias\.": "fc5b_fc.",
}


def released() -> ReleasedSystem:
    """How ``import_released("hyperiqa", state_dict)`` reads a checkpoint."""
    return ReleasedSystem(config=config, name=name, prepared=with_batch_counts)


def config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of a checkpoint. The grids do not show in a shape alone; they are those of an input of 224 pixels.

    Raises:
        KeyError: a tensor from which a size is read is missing.
    """
    cfg = hyperiqa()
    queries, head = cfg["queries"], cfg["head"]
    queries["channels"] = tuple(shapes[f"res.lda{i}_pool.0.weight"][0] for i in (1, 2, 3))
    queries["width"] = shapes["res.lda1_fc.weight"][0]
    cfg["dim"] = sum(shapes[f"res.lda{i}_fc.weight"][0] for i in (1, 2, 3, 4))
    head["trunk"] = tuple(shapes[f"conv1.{i}.weight"][0] for i in (0, 2))
    head["channels"] = shapes["conv1.4.weight"][0]
    head["hidden"] = tuple(shapes[f"fc{i}b_fc.weight"][0] for i in (1, 2, 3, 4))
    return cfg


def name(ours: str) -> str:
    """The released name of a parameter of ours.

    >>> name("head.weights.0.bias"), name("queries.fcs.3.weight")
    ('fc1w_conv.bias', 'res.lda4_fc.weight')
    """
    return rename(ours, NAMES)
