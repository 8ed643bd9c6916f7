"""What a model does over many rated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.contracts import QualityOutput, TokenGrid
from iqa_zoo.data.loader import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.explain.crop import centre_crop
from iqa_zoo.explain.finding import Finding
from iqa_zoo.explain.graphs import Graph, judge_graphs
from iqa_zoo.explain.image import details_of, grid_of
from iqa_zoo.explain.likeness import judge_likeness, mean_between, mutual_cosine
from iqa_zoo.explain.routes import Routes, collect_routes, judge_routes
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.progress import Progress

BANDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class Survey:
    """What I images made a model do; scores are on the labels' scale.

    Attributes:
        names: of the images.
        score_IN: of each query.
        cosine_NN, before_NN: of the queries that enter the head, and as they enter the first block, mean over images.
        attention: the weights_NL of each block, mean over heads and images, by config path.
        grid: where the memory's tokens lie; None where that is not known.
        routes: of each mixture of experts.
        groups: what the images are grouped by ("quality", "distortion"), and the group of each image.
    """

    names: tuple[str, ...]
    score_IN: NDArray[np.float64]
    cosine_NN: NDArray[np.float64]
    before_NN: NDArray[np.float64]
    attention: dict[str, NDArray[np.float64]]
    grid: TokenGrid | None
    routes: list[Routes]
    groups: dict[str, NDArray[np.str_]]


def survey(
    scorer: Scorer,
    data: RatedImages,
    indices: Sequence[int] | NDArray[np.int64],
    progress: Progress | None = None,
) -> Survey:
    """Look at the centre crop of each image, one at a time. An image smaller than the model's input is enlarged.

    Args:
        scorer: from :func:`iqa_zoo.inference.load_run.load_run`.
        data: the dataset.
        indices: which of its images; at least one.
        progress: called with (images done, images in all) after each.

    Raises:
        InputError: an image that cannot be read; names the file.
    """
    size = scorer.model.spec.image_size
    images = DecodedImages(data, memory_bytes=0, smallest=size)
    kept: list[QualityOutput] = []
    cosines: NDArray[np.float64] | None = None
    attention: dict[str, NDArray[np.float64]] = {}
    grid = None
    for done, index in enumerate(indices, start=1):
        crop = centre_crop(images[int(index)].transpose(1, 2, 0), size, data.paths[index])
        output, entered_BND = details_of(scorer, crop)
        pair = np.stack([mutual_cosine(queries_BND) for queries_BND in (output.queries_BND, entered_BND)])
        cosines = pair / len(indices) + (0 if cosines is None else cosines)
        for path, weights_BNL in output.attention.items():
            share_NL = weights_BNL[0].double().cpu().numpy() / len(indices)
            attention[path] = attention[path] + share_NL if path in attention else share_NL
        grid = grid_of(scorer.model, output, size)
        kept.append(QualityOutput(output.score_B, output.score_BN, output.queries_BND.new_empty(0), output.routing))
        if progress:
            progress(done, len(indices))
    assert cosines is not None, "no images"
    score_IN = np.concatenate([scorer.rescale(output.score_BN).cpu().numpy() for output in kept])
    groups = {"quality": quality_bands(data.mos[indices], data.label)}
    if data.distortions is not None:
        groups["distortion"] = np.array([data.distortions[i] or "none named" for i in indices])
    return Survey(
        names=tuple(data.names[i] for i in indices),
        score_IN=score_IN,
        cosine_NN=cosines[0],
        before_NN=cosines[1],
        attention=attention,
        grid=grid,
        routes=collect_routes(scorer.model, kept),
        groups=groups,
    )


def quality_bands(mos_I: NDArray[np.float64], label: str) -> NDArray[np.str_]:
    """Name the third of the labels that each image lies in; equal labels lie in one third, so that one may be empty.

    >>> quality_bands(np.array([1.0, 5.0, 3.0]), "MOS").tolist()
    ['lowest third of MOS', 'highest third of MOS', 'middle third of MOS']
    """
    edges = np.quantile(mos_I, (1 / 3, 2 / 3))
    short = label.split(":")[0]
    return np.array([f"{BANDS[band]} of {short}" for band in np.searchsorted(edges, mos_I)])


def ordered_groups(groups: NDArray[np.str_]) -> list[str]:
    """The groups there are: thirds from the lowest, others by name.

    >>> ordered_groups(np.array(["b", "a", "b"]))
    ['a', 'b']
    """

    def place(name: str) -> tuple[int, str]:
        return next((i for i, band in enumerate(BANDS) if name.startswith(band)), len(BANDS)), name

    return sorted(set(groups.tolist()), key=place)


def judge_survey(found: Survey, graphs: list[Graph]) -> list[Finding]:
    """Findings over all images, warnings first."""
    findings = [judge_likeness(found.cosine_NN, found.before_NN), *judge_graphs(graphs)]
    for routes in found.routes:
        findings += judge_routes(routes)
    if not found.routes:
        findings.append(Finding("no experts", "This model has no mixture of experts: no routing"))
    if not found.attention:
        findings.append(Finding("no attention", "No block of this model says what it attends to: no map of attention"))
    elif found.grid is None:
        findings.append(
            Finding("no grid", "The memory does not say where its tokens lie in the image: no map of attention")
        )
    if not graphs:
        findings.append(Finding("no graph", "No block of this model convolves over a graph of queries: no adjacency"))
    return sorted(findings, key=lambda finding: not finding.warning)


def survey_numbers(found: Survey, graphs: list[Graph], findings: list[Finding]) -> dict[str, Any]:
    """Everything that the figures of a dataset show, as plain data; queries and experts are in order, from the first."""
    return {
        "images": len(found.names),
        "score_by_query": {"mean": found.score_IN.mean(0).tolist(), "sd": found.score_IN.std(0).tolist()},
        "queries": {
            "cosine": found.cosine_NN.tolist(),
            "mean_cosine": mean_between(found.cosine_NN),
            "mean_cosine_before_the_first_block": mean_between(found.before_NN),
        },
        "grid": None if found.grid is None else vars(found.grid),
        "mean_attention": {path: weights_NL.tolist() for path, weights_NL in found.attention.items()},
        "routing": [
            routes.numbers()
            | {
                f"by_{kind}": {
                    group: {"images": int((of == group).sum()), "load": routes.of(of == group).load_E.tolist()}
                    for group in ordered_groups(of)
                }
                for kind, of in found.groups.items()
            }
            for routes in found.routes
        ],
        "adjacencies": [graph.numbers() for graph in graphs],
        "findings": [vars(finding) for finding in findings],
    }
