"""Explain the predictions of a model over a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.contracts import QualityOutput, TokenGrid
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.explain.adjacency import Adjacency, assess_adjacencies
from iqa_zoo.explain.attention import explain_missing_map
from iqa_zoo.explain.crop import centre_crop
from iqa_zoo.explain.image import find_token_grid, run_details
from iqa_zoo.explain.observation import Observation
from iqa_zoo.explain.query_similarity import QuerySimilarity, compute_query_similarity
from iqa_zoo.explain.routing import NO_EXPERTS, ExpertRouting, assess_routing, collect_routing
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.progress import Progress

BANDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class DatasetExplanation:
    """The explanation of I images. Scores are on the scale of the labels.

    Attributes:
        names: names of the images.
        score_IN: score of each query.
        similarity: of the queries, mean over images.
        attention: weights_NL of each block, mean over heads and images, by config path.
        grid: positions of the memory tokens; None if unknown.
        routing: routing of each mixture of experts.
        groups: group of each image, by "quality" and, if labelled, "distortion".
    """

    names: tuple[str, ...]
    score_IN: NDArray[np.float64]
    similarity: QuerySimilarity
    attention: dict[str, NDArray[np.float64]]
    grid: TokenGrid | None
    routing: list[ExpertRouting]
    groups: dict[str, NDArray[np.str_]]


def explain_dataset(
    scorer: ScaledModel,
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    progress: Progress | None = None,
) -> DatasetExplanation:
    """Explain the centre crop of each image, one at a time. Images smaller than the model's input are enlarged.

    Raises:
        InputError: an image cannot be read.
    """
    size = scorer.model.spec.image_size
    images = DecodedImages(data, memory_bytes=0, smallest=size)
    kept: list[QualityOutput] = []
    cosines: NDArray[np.float64] | None = None
    attention: dict[str, NDArray[np.float64]] = {}
    grid = None
    for done, index in enumerate(indices, start=1):
        crop = centre_crop(images[int(index)].transpose(1, 2, 0), size, data.paths[index])
        output, entered_BND = run_details(scorer, crop)
        pair = np.stack([compute_query_similarity(queries_BND) for queries_BND in (output.queries_BND, entered_BND)])
        cosines = pair / len(indices) + (0 if cosines is None else cosines)
        for path, weights_BNL in output.attention.items():
            share_NL = weights_BNL[0].double().cpu().numpy() / len(indices)
            attention[path] = attention[path] + share_NL if path in attention else share_NL
        grid = find_token_grid(scorer.model, output, size)
        kept.append(QualityOutput(output.score_B, output.score_BN, output.queries_BND.new_empty(0), output.routing))
        if progress:
            progress(done, len(indices))
    assert cosines is not None, "no images"
    score_IN = np.concatenate([scorer.rescale(output.score_BN).cpu().numpy() for output in kept])
    groups = {"quality": assign_quality_bands(data.mos[indices], data.label)}
    if data.distortions is not None:
        groups["distortion"] = np.array([data.distortions[i] or "none named" for i in indices])
    return DatasetExplanation(
        names=tuple(data.names[i] for i in indices),
        score_IN=score_IN,
        similarity=QuerySimilarity(*cosines),
        attention=attention,
        grid=grid,
        routing=collect_routing(scorer.model, kept),
        groups=groups,
    )


def assign_quality_bands(mos_I: NDArray[np.float64], label: str) -> NDArray[np.str_]:
    """Assign each image to a third of the labels. Equal labels share a third, so a third may be empty.

    >>> assign_quality_bands(np.array([1.0, 5.0, 3.0]), "MOS").tolist()
    ['lowest third of MOS', 'highest third of MOS', 'middle third of MOS']
    """
    edges = np.quantile(mos_I, (1 / 3, 2 / 3))
    short = label.split(":")[0]
    return np.array([f"{BANDS[band]} of {short}" for band in np.searchsorted(edges, mos_I)])


def sort_groups(groups: NDArray[np.str_]) -> list[str]:
    """Sort group names: thirds from the lowest, others alphabetically.

    >>> sort_groups(np.array(["b", "a", "b"]))
    ['a', 'b']
    """

    def rank(name: str) -> tuple[int, str]:
        return next((i for i, band in enumerate(BANDS) if name.startswith(band)), len(BANDS)), name

    return sorted(set(groups.tolist()), key=rank)


def assess_dataset(explanation: DatasetExplanation, adjacencies: list[Adjacency]) -> list[Observation]:
    """Collect observations about a dataset, warnings first."""
    observations = [
        explanation.similarity.assess(),
        *assess_adjacencies(adjacencies),
    ]
    for routing in explanation.routing:
        observations += assess_routing(routing)
    if not explanation.routing:
        observations.append(NO_EXPERTS)
    observations += explain_missing_map(explanation.attention, explanation.grid)
    if not adjacencies:
        observations.append(
            Observation("no graph", "No block of this model is a graph convolution over the queries: no adjacency")
        )
    return sorted(observations, key=lambda observation: not observation.warning)


def summarize_dataset(
    explanation: DatasetExplanation, adjacencies: list[Adjacency], observations: list[Observation]
) -> dict[str, Any]:
    """Summarize the figures of a dataset as JSON-ready data, with queries and experts in order."""
    return {
        "images": len(explanation.names),
        "score_by_query": {"mean": explanation.score_IN.mean(0).tolist(), "sd": explanation.score_IN.std(0).tolist()},
        "queries": explanation.similarity.to_dict(),
        "grid": None if explanation.grid is None else vars(explanation.grid),
        "mean_attention": {path: weights_NL.tolist() for path, weights_NL in explanation.attention.items()},
        "routing": [
            routing.to_dict()
            | {
                f"by_{kind}": {
                    group: {
                        "images": int((names == group).sum()),
                        "load": routing.select(names == group).load_E.tolist(),
                    }
                    for group in sort_groups(names)
                }
                for kind, names in explanation.groups.items()
            }
            for routing in explanation.routing
        ],
        "adjacencies": [adjacency.to_dict() for adjacency in adjacencies],
        "observations": [observation.to_dict() for observation in observations],
    }
