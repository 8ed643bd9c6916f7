"""Which experts the queries of images met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.contracts import QualityOutput
from iqa_zoo.explain.finding import Finding
from iqa_zoo.quality_model import QualityModel

EVERYTHING = 0.9  # share of the gates' weight from which on one expert has taken everything
ALL_ALIKE = 0.95  # share of queries from which on all count as sent to the same experts


def mixture_paths(model: QualityModel, output: QualityOutput) -> list[str]:
    """The config path of each entry of ``output.routing``."""
    blocks = [f"interactions.{i}" for i, block in enumerate(model.interactions) if getattr(block, "routes", False)]
    rest = len(output.routing) - len(blocks)
    return [*blocks, *(["head"] if rest == 1 else [f"head ({i + 1})" for i in range(rest)])]


@dataclass(frozen=True)
class Routes:
    """What one mixture of experts decided on I images of N queries, each of which met K of E experts.

    Attributes:
        path: of the mixture in the config.
        choice_INK: the experts each query met, int64.
        weight_INE: the weight of each expert in its answer, 0 where it was not met, 1 in sum; float64.

    >>> routes = Routes("head", np.array([[[0, 1], [0, 2]]]), np.array([[[0.5, 0.5, 0, 0], [0.75, 0, 0.25, 0]]]))
    >>> routes.load_E.tolist(), routes.weight_E.tolist(), routes.dead
    ([0.5, 0.25, 0.25, 0.0], [0.625, 0.25, 0.125, 0.0], [3])
    """

    path: str
    choice_INK: NDArray[np.int64]
    weight_INE: NDArray[np.float64]

    @property
    def num_experts(self) -> int:
        return self.weight_INE.shape[2]

    @property
    def top_k(self) -> int:
        return self.choice_INK.shape[2]

    @property
    def load_E(self) -> NDArray[np.float64]:
        """The share of all visits that each expert got; 1 in sum, 1 / K at most."""
        return np.bincount(self.choice_INK.ravel(), minlength=self.num_experts) / self.choice_INK.size

    @property
    def weight_E(self) -> NDArray[np.float64]:
        """The share of the gates' weight that each expert got; 1 in sum."""
        weight_E: NDArray[np.float64] = self.weight_INE.mean((0, 1))
        return weight_E

    @property
    def dead(self) -> list[int]:
        """Positions of the experts that no query met."""
        return np.flatnonzero(self.load_E == 0).tolist()

    def commonest_set(self) -> tuple[tuple[int, ...], float]:
        """The set of experts that most queries met together, and their share of the queries."""
        sets, counts = np.unique(np.sort(self.choice_INK.reshape(-1, self.top_k)), axis=0, return_counts=True)
        return tuple(sets[counts.argmax()].tolist()), float(counts.max() / counts.sum())

    def agreement(self) -> float:
        """The share of images all of whose queries met the same experts."""
        met_INK = np.sort(self.choice_INK)
        return float((met_INK == met_INK[:, :1]).all((1, 2)).mean())

    def of(self, images: NDArray[np.bool_] | NDArray[np.int64]) -> Routes:
        """The same for some of the images."""
        return Routes(self.path, self.choice_INK[images], self.weight_INE[images])

    def numbers(self) -> dict[str, Any]:
        """As plain data; experts are numbered from 1."""
        alike, share = self.commonest_set()
        return {
            "path": self.path,
            "experts": self.num_experts,
            "top_k": self.top_k,
            "load": self.load_E.tolist(),
            "gate_weight": self.weight_E.tolist(),
            "dead": [expert + 1 for expert in self.dead],
            "commonest_experts": [expert + 1 for expert in alike],
            "share_of_commonest": share,
            "images_whose_queries_agree": self.agreement(),
        }


def collect_routes(model: QualityModel, outputs: Sequence[QualityOutput]) -> list[Routes]:
    """The routes of every mixture over some outputs, each of any number of images; empty where a model has none."""
    if not outputs or not outputs[0].routing:
        return []
    found = []
    for m, path in enumerate(mixture_paths(model, outputs[0])):
        choices, weights = [], []
        for output in outputs:
            images, routing = len(output.score_B), output.routing[m]
            choices.append(routing.choice_TK.detach().cpu().numpy().reshape(images, -1, routing.choice_TK.shape[1]))
            weights.append(
                routing.weights_TE.detach().double().cpu().numpy().reshape(images, -1, routing.weights_TE.shape[1])
            )
        found.append(Routes(path, np.concatenate(choices), np.concatenate(weights)))
    return found


def named(experts: Sequence[int]) -> str:
    """Experts by their numbers, from 1.

    >>> named([0, 3]), named([2])
    ('experts 1 and 4', 'expert 3')
    """
    return ("expert " if len(experts) == 1 else "experts ") + " and ".join(str(expert + 1) for expert in experts)


def judge_routes(routes: Routes) -> list[Finding]:
    """Say how the load is shared, with a warning for each dead expert and for each way in which routing is degenerate.

    Degenerate: one expert has ``EVERYTHING`` of the gates' weight or more, or ``ALL_ALIKE`` of the queries or more meet the
    same experts. Where every query meets every expert by design, only the first can be.
    """
    path, queries = routes.path, routes.choice_INK.shape[0] * routes.choice_INK.shape[1]
    loads = ", ".join(f"{load:.1%}" for load in routes.load_E)
    found = [
        Finding("load", f"{path}: the experts got {loads} of the visits, {1 / routes.num_experts:.1%} each if even")
    ]
    for expert in routes.dead:
        found.append(
            Finding("dead", f"{path}: expert {expert + 1} is dead: none of {queries} queries met it", warning=True)
        )
    if routes.num_experts == 1:
        return found
    most = int(routes.weight_E.argmax())
    if routes.weight_E[most] >= EVERYTHING:
        words = f"expert {most + 1} takes everything: {routes.weight_E[most]:.1%} of the gates' weight"
        found.append(Finding("degenerate", f"{path}: {words} (degenerate from {EVERYTHING:.0%} on)", warning=True))
    alike, share = routes.commonest_set()
    if routes.top_k < routes.num_experts:
        experts = named(alike)
        if share >= ALL_ALIKE:
            words = f"the router decides nothing: {share:.1%} of {queries} queries meet {experts}"
            found.append(Finding("degenerate", f"{path}: {words} (degenerate from {ALL_ALIKE:.0%} on)", warning=True))
        else:
            found.append(
                Finding("commonest", f"{path}: {experts} is the commonest choice, of {share:.1%} of the queries")
            )
        if routes.choice_INK.shape[1] > 1:
            words = f"all {routes.choice_INK.shape[1]} queries meet the same experts in {routes.agreement():.1%} of the images"
            found.append(Finding("agreement", f"{path}: {words}"))
    return found
