"""Expert routing: which experts of a mixture the queries of images are sent to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.contracts import QualityOutput, has_flag
from iqa_zoo.explain.observation import Observation
from iqa_zoo.quality_model import QualityModel

DOMINANT = 0.9  # share of the gate weight from which one expert dominates
CONSTANT = 0.95  # share of the queries from which routing counts as constant
NO_EXPERTS = Observation("no experts", "This model has no mixture of experts: no routing")


def find_mixture_paths(model: QualityModel, output: QualityOutput) -> list[str]:
    """Find the config path of each entry of ``output.routing``."""
    blocks = [f"interactions.{i}" for i, block in enumerate(model.interactions) if has_flag(block, "routes")]
    rest = len(output.routing) - len(blocks)
    return [*blocks, *(["head"] if rest == 1 else [f"head ({i + 1})" for i in range(rest)])]


@dataclass(frozen=True)
class ExpertRouting:
    """The routing of one mixture of experts on I images of N queries, with K of E experts per query.

    Attributes:
        path: config path of the mixture.
        choice_INK: the experts chosen for each query, int64.
        weight_INE: the gate weight of each expert, float64: 0 if not chosen; each query's weights sum to 1.

    >>> routing = ExpertRouting("head", np.array([[[0, 1], [0, 2]]]), np.array([[[0.5, 0.5, 0, 0], [0.75, 0, 0.25, 0]]]))
    >>> routing.load_E.tolist(), routing.weight_E.tolist(), routing.dead
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
        """The share of all assignments that each expert receives: at most 1 / K, 1 in total."""
        return np.bincount(self.choice_INK.ravel(), minlength=self.num_experts) / self.choice_INK.size

    @property
    def weight_E(self) -> NDArray[np.float64]:
        """The share of the gate weight that each expert receives, 1 in total."""
        weight_E: NDArray[np.float64] = self.weight_INE.mean((0, 1))
        return weight_E

    @property
    def dead(self) -> list[int]:
        """Positions of the experts that no query is sent to."""
        return np.flatnonzero(self.load_E == 0).tolist()

    def find_most_common_set(self) -> tuple[tuple[int, ...], float]:
        """Find the set of experts that is chosen most often, and its share of the queries."""
        sets, counts = np.unique(np.sort(self.choice_INK.reshape(-1, self.top_k)), axis=0, return_counts=True)
        return tuple(sets[counts.argmax()].tolist()), float(counts.max() / counts.sum())

    def compute_agreement(self) -> float:
        """Compute the share of images whose queries are all sent to the same experts."""
        chosen_INK = np.sort(self.choice_INK)
        return float((chosen_INK == chosen_INK[:, :1]).all((1, 2)).mean())

    def select(self, images: NDArray[np.bool_] | NDArray[np.int64]) -> ExpertRouting:
        """Select the routing of some images."""
        return ExpertRouting(self.path, self.choice_INK[images], self.weight_INE[images])

    def to_dict(self) -> dict[str, Any]:
        """The routing as a JSON record; experts are numbered from 1."""
        common, share = self.find_most_common_set()
        return {
            "path": self.path,
            "experts": self.num_experts,
            "top_k": self.top_k,
            "load": self.load_E.tolist(),
            "gate_weight": self.weight_E.tolist(),
            "dead": [expert + 1 for expert in self.dead],
            "commonest_experts": [expert + 1 for expert in common],
            "share_of_commonest": share,
            "images_whose_queries_agree": self.compute_agreement(),
        }


def collect_routing(model: QualityModel, outputs: Sequence[QualityOutput]) -> list[ExpertRouting]:
    """Collect the routing of every mixture over several outputs; empty if the model has none."""
    if not outputs or not outputs[0].routing:
        return []
    collected = []
    for m, path in enumerate(find_mixture_paths(model, outputs[0])):
        choices, weights = [], []
        for output in outputs:
            images, routing = len(output.score_B), output.routing[m]
            choices.append(routing.choice_TK.detach().cpu().numpy().reshape(images, -1, routing.choice_TK.shape[1]))
            weights.append(
                routing.weights_TE.detach().double().cpu().numpy().reshape(images, -1, routing.weights_TE.shape[1])
            )
        collected.append(ExpertRouting(path, np.concatenate(choices), np.concatenate(weights)))
    return collected


def format_experts(experts: Sequence[int]) -> str:
    """List experts by number, from 1.

    >>> format_experts([0, 3]), format_experts([2])
    ('experts 1 and 4', 'expert 3')
    """
    return ("expert " if len(experts) == 1 else "experts ") + " and ".join(str(expert + 1) for expert in experts)


def assess_routing(routing: ExpertRouting) -> list[Observation]:
    """Report the load of each expert, with a warning for each dead expert and for degenerate routing.

    Routing is degenerate if one expert has at least ``DOMINANT`` of the gate weight, or if at least ``CONSTANT`` of the queries
    are sent to the same experts. The second is not checked where every query is sent to every expert by design.
    """
    path, (images, per_image, _) = routing.path, routing.choice_INK.shape
    queries = images * per_image
    loads = ", ".join(f"{load:.1%}" for load in routing.load_E)
    even = 1 / routing.num_experts
    observations = [Observation("load", f"{path}: the load of the experts is {loads} ({even:.1%} each if even)")]
    for expert in routing.dead:
        text = f"{path}: expert {expert + 1} is dead: none of {queries} queries is sent to it"
        observations.append(Observation("dead", text, warning=True))
    if routing.num_experts == 1:
        return observations
    largest = int(routing.weight_E.argmax())
    if routing.weight_E[largest] >= DOMINANT:
        text = (
            f"{path}: expert {largest + 1} dominates with {routing.weight_E[largest]:.1%} of the gate weight "
            f"(degenerate from {DOMINANT:.0%} on)"
        )
        observations.append(Observation("degenerate", text, warning=True))
    common, share = routing.find_most_common_set()
    if routing.top_k < routing.num_experts:
        if share >= CONSTANT:
            text = (
                f"{path}: routing is constant: {share:.1%} of {queries} queries are sent to {format_experts(common)} "
                f"(degenerate from {CONSTANT:.0%} on)"
            )
            observations.append(Observation("degenerate", text, warning=True))
        else:
            text = f"{path}: the most common choice is {format_experts(common)}, for {share:.1%} of the queries"
            observations.append(Observation("commonest", text))
        if per_image > 1:
            text = f"all {per_image} queries are sent to the same experts in {routing.compute_agreement():.1%} of the images"
            observations.append(Observation("agreement", f"{path}: {text}"))
    return observations
