"""Explain the prediction of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iqa_zoo.contracts import HasTokenGrid, QualityOutput, TokenGrid
from iqa_zoo.explain.attention import (
    Attention,
    assess_attention,
    compute_attention_distance,
    compute_effective_tokens,
    explain_missing_map,
)
from iqa_zoo.explain.crop import CentreCrop
from iqa_zoo.explain.observation import Observation
from iqa_zoo.explain.query_similarity import QuerySimilarity, compute_query_similarity
from iqa_zoo.explain.routing import NO_EXPERTS, ExpertRouting, collect_routing, format_experts
from iqa_zoo.inference.predict import score_image
from iqa_zoo.inference.scaled_model import ScaledModel, in_eval_mode
from iqa_zoo.quality_model import QualityModel


@dataclass(frozen=True)
class ImageExplanation:
    """The explanation of one image. Scores are on the scale of the labels.

    Attributes:
        score: score of the image, from :func:`iqa_zoo.inference.predict.score_image`.
        crops: number of crops behind ``score``.
        view: what ``score`` is of: these crops, or the whole image.
        crop: the centre crop; everything below describes it.
        crop_score: score of the centre crop alone.
        score_N: score of each query.
        attention: weights_NL of each block that attends to the memory, mean over heads, by config path.
        by_head: weights_HNL of the blocks that report their heads.
        grid: positions of the memory tokens on the crop; None if unknown.
        routing: routing of each mixture of experts.
        similarity: of the queries.
    """

    score: float
    crops: int
    view: str
    crop: CentreCrop
    crop_score: float
    score_N: NDArray[np.float64]
    attention: dict[str, NDArray[np.float64]]
    by_head: dict[str, NDArray[np.float64]]
    grid: TokenGrid | None
    routing: list[ExpertRouting]
    similarity: QuerySimilarity

    def describe_views(self) -> str:
        """Describe what ``score`` is of."""
        return "of the whole image" if self.view == "whole" else f"the mean of {self.crops} crops"


@torch.no_grad()
def run_details(scorer: ScaledModel, crop: CentreCrop) -> tuple[QualityOutput, torch.Tensor]:
    """Run one crop in eval mode; return the model's details and the queries_BND that enter the first block."""
    entered: list[torch.Tensor] = []
    hook = scorer.model.queries.register_forward_hook(lambda _part, _features, made: entered.append(made))
    try:
        with in_eval_mode(scorer):
            output = scorer.model.details(scorer.normalise(crop.batch_BCHW.to(scorer.device)))
    finally:
        hook.remove()
    return output, entered[0]


def explain_image(scorer: ScaledModel, crop: CentreCrop, crops: int) -> ImageExplanation:
    """Score an image from ``crops`` crops, or the whole of it where the backbone sees whole images, and explain its centre crop.

    ``crop_score`` equals ``scorer.score_crops`` of this crop to the bit.
    """
    output, entered_BND = run_details(scorer, crop)
    return ImageExplanation(
        score=score_image(scorer, crop.image_HWC, crops),
        crops=crops,
        view=scorer.model.spec.view,
        crop=crop,
        crop_score=scorer.rescale(output.score_B).item(),
        score_N=_array(scorer.rescale(output.score_BN[0])),
        attention={path: _array(weights[0]) for path, weights in output.attention.items()},
        by_head={path: _array(weights[0]) for path, weights in output.attention_by_head.items()},
        grid=find_token_grid(scorer.model, output, crop.size),
        routing=collect_routing(scorer.model, [output]),
        similarity=QuerySimilarity(*map(compute_query_similarity, (output.queries_BND, entered_BND))),
    )


def find_token_grid(model: QualityModel, output: QualityOutput, size: int) -> TokenGrid | None:
    """Find the positions of the memory tokens on a square image; None if they are unknown or nothing attends."""
    lengths = {weights.shape[-1] for weights in output.attention.values()}
    if len(lengths) != 1 or not isinstance(model.memory, HasTokenGrid):
        return None
    return model.memory.token_grid(lengths.pop(), size, size)


def compute_attention(model: QualityModel, scorer: ScaledModel, crop: CentreCrop) -> dict[str, NDArray[np.float64]]:
    """Compute the attention of another model, such as a training snapshot, with the scorer's label scale."""
    other = ScaledModel(model, scale=scorer.scale)
    return {path: _array(weights[0]) for path, weights in run_details(other, crop)[0].attention.items()}


def assess_image(explanation: ImageExplanation) -> list[Observation]:
    """Collect observations about one image. Routing is only assessed on datasets: one image may need few experts."""
    observations = [explanation.similarity.assess()]
    observations += assess_attention(explanation.attention)
    observations += explain_missing_map(explanation.attention, explanation.grid)
    for routing in explanation.routing:
        common, share = routing.find_most_common_set()
        queries = routing.choice_INK.shape[1]
        text = f"{round(share * queries)} of {queries} queries are sent to {format_experts(common)}"
        observations.append(Observation("routes", f"{routing.path}: {text}"))
    if not explanation.routing:
        observations.append(NO_EXPERTS)
    return observations


def summarize_image(
    path: Path,
    explanation: ImageExplanation,
    snapshots: Mapping[str, Attention],
    observations: list[Observation],
) -> dict[str, Any]:
    """Summarize the figure of an image as JSON-ready data, with queries and experts in order."""
    crop = explanation.crop
    return {
        "image": str(path),
        "score": explanation.score,
        "view": explanation.view,
        "crops": explanation.crops,
        "crop": {name: getattr(crop, name) for name in ("top", "left", "size", "note")}
        | {"score": explanation.crop_score},
        "score_by_query": explanation.score_N.tolist(),
        "queries": explanation.similarity.to_dict(),
        "grid": None if explanation.grid is None else vars(explanation.grid),
        "attention": {
            block: {
                "weights": weights_NL.tolist(),
                "effective_tokens": compute_effective_tokens(weights_NL).tolist(),
                "by_head": explanation.by_head[block].tolist() if block in explanation.by_head else None,
            }
            for block, weights_NL in explanation.attention.items()
        },
        "attention_in_training": {
            name: {
                block: {
                    "weights": weights_NL.tolist(),
                    "distance": compute_attention_distance(weights_NL, explanation.attention[block]).tolist(),
                }
                for block, weights_NL in blocks.items()
            }
            for name, blocks in snapshots.items()
        },
        "routing": [
            {
                "path": routing.path,
                "experts_by_query": (routing.choice_INK[0] + 1).tolist(),
                "weights": routing.weight_INE[0].tolist(),
            }
            for routing in explanation.routing
        ],
        "observations": [observation.to_dict() for observation in observations],
    }


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return array
