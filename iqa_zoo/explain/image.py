"""What a model does with one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iqa_zoo.contracts import QualityOutput, TokenGrid
from iqa_zoo.explain.attending import distance, effective_tokens, judge_attention
from iqa_zoo.explain.crop import CentreCrop
from iqa_zoo.explain.finding import Finding
from iqa_zoo.explain.likeness import judge_likeness, mean_between, mutual_cosine
from iqa_zoo.explain.routes import Routes, collect_routes, named
from iqa_zoo.inference.predict import score_image
from iqa_zoo.inference.scorer import Scorer, in_eval_mode
from iqa_zoo.quality_model import QualityModel


@dataclass(frozen=True)
class Look:
    """What one image made a model do; scores are on the labels' scale.

    Attributes:
        score: of the image, as :func:`iqa_zoo.inference.predict.score_image` defines it.
        crops: from how many crops.
        crop: the centre crop, which everything below is of.
        crop_score: of the centre crop alone.
        score_N: of each query.
        attention: the weights_NL of each block that attends to the memory, mean over heads, by config path.
        by_head: the weights_HNL of those that tell their heads apart.
        grid: where the memory's tokens lie on the crop; None where that is not known.
        routes: of each mixture of experts.
        cosine_NN, before_NN: of the queries that enter the head, and as they enter the first block.
    """

    score: float
    crops: int
    crop: CentreCrop
    crop_score: float
    score_N: NDArray[np.float64]
    attention: dict[str, NDArray[np.float64]]
    by_head: dict[str, NDArray[np.float64]]
    grid: TokenGrid | None
    routes: list[Routes]
    cosine_NN: NDArray[np.float64]
    before_NN: NDArray[np.float64]


@torch.no_grad()
def details_of(scorer: Scorer, crop: CentreCrop) -> tuple[QualityOutput, torch.Tensor]:
    """The details of the forward pass of one crop, in eval mode, and the queries_BND that entered the first block."""
    entered: list[torch.Tensor] = []
    hook = scorer.model.queries.register_forward_hook(lambda _part, _features, made: entered.append(made))
    try:
        with in_eval_mode(scorer):
            output = scorer.model.details(scorer.normalise(crop.batch_BCHW.to(scorer.device)))
    finally:
        hook.remove()
    return output, entered[0]


def look_at(scorer: Scorer, crop: CentreCrop, crops: int) -> Look:
    """Return the score of an image from ``crops`` crops, and what a model does with its centre crop.

    The score of the centre crop is that of ``scorer.score`` of this crop alone, to the last bit.
    """
    output, entered_BND = details_of(scorer, crop)
    return Look(
        score=score_image(scorer, crop.image_HWC, crops),
        crops=crops,
        crop=crop,
        crop_score=scorer.rescale(output.score_B).item(),
        score_N=_array(scorer.rescale(output.score_BN[0])),
        attention={path: _array(weights[0]) for path, weights in output.attention.items()},
        by_head={path: _array(weights[0]) for path, weights in output.attention_by_head.items()},
        grid=grid_of(scorer.model, output, crop.size),
        routes=collect_routes(scorer.model, [output]),
        cosine_NN=mutual_cosine(output.queries_BND),
        before_NN=mutual_cosine(entered_BND),
    )


def grid_of(model: QualityModel, output: QualityOutput, size: int) -> TokenGrid | None:
    """Where the memory's tokens lie on a square image; None without attention or where the memory does not say."""
    lengths = {weights.shape[-1] for weights in output.attention.values()}
    token_grid: Any = getattr(model.memory, "token_grid", None)
    if len(lengths) != 1 or token_grid is None:
        return None
    grid: TokenGrid | None = token_grid(lengths.pop(), size, size)
    return grid


def attention_at(model: QualityModel, scorer: Scorer, crop: CentreCrop) -> dict[str, NDArray[np.float64]]:
    """The attention of another model in the place of the scorer's: the same at another moment of its training."""
    other = Scorer(model, scale=scorer.scale)
    return {path: _array(weights[0]) for path, weights in details_of(other, crop)[0].attention.items()}


def judge_look(look: Look) -> list[Finding]:
    """Findings about one image; what a router does is judged on a dataset, as one image may well need the same experts."""
    found = [judge_likeness(look.cosine_NN, look.before_NN)]
    found += judge_attention(look.attention)
    if not look.attention:
        found.append(Finding("no attention", "No block of this model says what it attends to: no map of attention"))
    elif look.grid is None:
        found.append(
            Finding("no grid", "The memory does not say where its tokens lie in the image: no map of attention")
        )
    for routes in look.routes:
        alike, share = routes.commonest_set()
        queries = routes.choice_INK.shape[1]
        words = f"{round(share * queries)} of {queries} queries meet {named(alike)}"
        found.append(Finding("routes", f"{routes.path}: {words}"))
    if not look.routes:
        found.append(Finding("no experts", "This model has no mixture of experts: no routing"))
    return found


def numbers_of(
    path: Path, look: Look, moments: Mapping[str, Mapping[str, NDArray[np.float64]]], findings: list[Finding]
) -> dict[str, Any]:
    """Everything that the figure of an image shows, as plain data; queries and experts are in order, from the first."""
    crop = look.crop
    return {
        "image": str(path),
        "score": look.score,
        "crops": look.crops,
        "crop": {
            "top": crop.top,
            "left": crop.left,
            "size": crop.size,
            "note": crop.note,
            "score": look.crop_score,
        },
        "score_by_query": look.score_N.tolist(),
        "queries": {
            "cosine": look.cosine_NN.tolist(),
            "mean_cosine": mean_between(look.cosine_NN),
            "mean_cosine_before_the_first_block": mean_between(look.before_NN),
        },
        "grid": None if look.grid is None else vars(look.grid),
        "attention": {
            block: {
                "weights": weights_NL.tolist(),
                "effective_tokens": effective_tokens(weights_NL).tolist(),
                "by_head": look.by_head[block].tolist() if block in look.by_head else None,
            }
            for block, weights_NL in look.attention.items()
        },
        "attention_in_training": {
            name: {
                block: {
                    "weights": weights_NL.tolist(),
                    "distance": distance(weights_NL, look.attention[block]).tolist(),
                }
                for block, weights_NL in blocks.items()
            }
            for name, blocks in moments.items()
        },
        "routing": [
            {
                "path": routes.path,
                "experts_by_query": (routes.choice_INK[0] + 1).tolist(),
                "weights": routes.weight_INE[0].tolist(),
            }
            for routes in look.routes
        ],
        "findings": [vars(finding) for finding in findings],
    }


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().double().cpu().numpy()
    return array
