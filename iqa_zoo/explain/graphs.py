"""The adjacencies of graph convolutions over the queries, and how far training moved them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from iqa_zoo.explain.finding import Finding
from iqa_zoo.quality_model import QualityModel

UNMOVED = 0.01  # relative change below which a learned adjacency counts as the one it started from


@dataclass(frozen=True)
class Graph:
    """The adjacency of one layer.

    Attributes:
        path: of the block in the config.
        layer: in the block, from 0.
        now_NN, start_NN: after and before training.
        learned: False for a constant.

    >>> graph = Graph("interactions.0", 0, np.array([[1.0, 0.0], [0.3, 1.0]]), np.eye(2), True)
    >>> round(graph.moved, 3), round(graph.relative, 3)
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
        """That, by the Frobenius norm of the start."""
        size = float(np.linalg.norm(self.start_NN))
        return self.moved / size if size else (float("inf") if self.moved else 0.0)

    def numbers(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "layer": self.layer,
            "learned": self.learned,
            "moved": self.moved,
            "relative": self.relative,
            "now": self.now_NN.tolist(),
            "start": self.start_NN.tolist(),
        }


def graphs_of(model: QualityModel, start: QualityModel) -> list[Graph]:
    """Every adjacency of a model beside that of the same model before training; empty where it has none."""
    found = []
    blocks: Any = zip(model.interactions, start.interactions, strict=True)
    for i, (block, before) in enumerate(blocks):
        if not hasattr(block, "adjacencies"):
            continue
        for layer, (now_NN, start_NN) in enumerate(zip(block.adjacencies(), before.adjacencies(), strict=True)):
            learned = isinstance(now_NN, nn.Parameter)
            now, then = (matrix.detach().double().cpu().numpy() for matrix in (now_NN, start_NN))
            found.append(Graph(f"interactions.{i}", layer, now, then, learned))
    return found


def judge_graphs(graphs: list[Graph]) -> list[Finding]:
    """Say how far the learned ones moved, with a warning where none left its start, and that the others are constants."""
    if not graphs:
        return []
    learned = [graph for graph in graphs if graph.learned]
    if not learned:
        return [Finding("graph", f"The adjacencies of all {len(graphs)} graph layers are constants; none is learned")]
    ways = [graph.relative for graph in learned]
    furthest = learned[int(np.argmax(ways))]
    words = (
        f"The {len(learned)} learned adjacencies moved by {min(ways):.2%} to {max(ways):.2%} of their start's Frobenius norm, "
        f"furthest {furthest.path} layer {furthest.layer + 1}"
    )
    if max(ways) < UNMOVED:
        return [Finding("graph", f"{words}: they are still what they started from (below {UNMOVED:.0%})", warning=True)]
    return [Finding("graph", words)]
