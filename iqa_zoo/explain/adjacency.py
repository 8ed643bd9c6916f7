"""The adjacencies of graph convolutions over the queries, and how far training moved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from iqa_zoo.contracts import HasAdjacencies
from iqa_zoo.explain.observation import Observation
from iqa_zoo.quality_model import QualityModel

UNMOVED = 0.01  # relative change below which a learned adjacency counts as unchanged


@dataclass(frozen=True)
class Adjacency:
    """The adjacency of one layer.

    Attributes:
        path: config path of the block.
        layer: position in the block, from 0.
        now_NN, start_NN: after and before training.
        learned: False for a constant.

    >>> adjacency = Adjacency("interactions.0", 0, np.array([[1.0, 0.0], [0.3, 1.0]]), np.eye(2), True)
    >>> round(adjacency.moved, 3), round(adjacency.relative, 3)
    (0.3, 0.212)
    """

    path: str
    layer: int
    now_NN: NDArray[np.float64]
    start_NN: NDArray[np.float64]
    learned: bool

    @property
    def moved(self) -> float:
        """The Frobenius norm of the change."""
        return float(np.linalg.norm(self.now_NN - self.start_NN))

    @property
    def relative(self) -> float:
        """The change relative to the Frobenius norm of the start."""
        size = float(np.linalg.norm(self.start_NN))
        return self.moved / size if size else (float("inf") if self.moved else 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "layer": self.layer,
            "learned": self.learned,
            "moved": self.moved,
            "relative": self.relative,
            "now": self.now_NN.tolist(),
            "start": self.start_NN.tolist(),
        }


def collect_adjacencies(model: QualityModel, start: QualityModel) -> list[Adjacency]:
    """Collect every adjacency of a model, with its value before training; empty if the model has none."""
    collected = []
    blocks: Any = zip(model.interactions, start.interactions, strict=True)
    for i, (block, before) in enumerate(blocks):
        if not isinstance(block, HasAdjacencies):
            continue
        for layer, (now_NN, start_NN) in enumerate(zip(block.adjacencies(), before.adjacencies(), strict=True)):
            learned = isinstance(now_NN, nn.Parameter)
            now, then = (matrix.detach().double().cpu().numpy() for matrix in (now_NN, start_NN))
            collected.append(Adjacency(f"interactions.{i}", layer, now, then, learned))
    return collected


def assess_adjacencies(adjacencies: list[Adjacency]) -> list[Observation]:
    """Report how far the learned adjacencies moved, with a warning if none moved noticeably."""
    if not adjacencies:
        return []
    learned = [adjacency for adjacency in adjacencies if adjacency.learned]
    if not learned:
        text = f"The adjacencies of all {len(adjacencies)} graph layers are constants; none is learned"
        return [Observation("graph", text)]
    changes = [adjacency.relative for adjacency in learned]
    largest = learned[int(np.argmax(changes))]
    text = (
        f"The {len(learned)} learned adjacencies moved by {min(changes):.2%} to {max(changes):.2%} of the Frobenius norm of their "
        f"start, most in {largest.path} layer {largest.layer + 1}"
    )
    unmoved = max(changes) < UNMOVED
    if unmoved:
        text += f": training left them unchanged (below {UNMOVED:.0%})"
    return [Observation("graph", text, warning=unmoved)]
