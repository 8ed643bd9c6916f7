"""The baseline of a study: ridge regression in closed form on the means of what the compared decoders read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.config import Config, load_config, resolve_config
from iqa_zoo.contracts import FeatureSpec, Fits
from iqa_zoo.placing import find_reading
from iqa_zoo.registry import HEADS
from iqa_zoo.studies.spec import BASELINE


def make_baseline(compared: Sequence[Mapping[str, Any]]) -> Config:
    """Return the baseline of compared decoders: it reads every stage that one of them reads, each averaged over the image.

    Where one reads the final tokens or the global vector, the baseline reads the mean of the tokens too, unless they are
    the cells of a stage that it reads already.

    >>> from iqa_zoo.config import model_config
    >>> make_baseline([model_config("lifeiqa"), model_config("deiqt")])["queries"]
    {'type': 'stage_means', 'stages': [3, 4], 'tokens': True}
    """
    baseline, reading = load_config(BASELINE), find_reading(compared)
    stages = None if reading.stages is None else list(reading.stages)
    baseline["queries"] |= {"stages": stages, "tokens": reading.tokens or stages == []}
    return baseline


def has_fitted_head(cfg: Mapping[str, Any]) -> bool:
    """Return whether a model has a head that is fitted in closed form, which training end to end does not take."""
    return isinstance(HEADS.get(cfg["head"]["type"]), Fits)


def describe_backbone(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the backbone of a config with its defaults, whichever stages are read."""
    return {key: value for key, value in resolve_config(cfg)["backbone"].items() if key != "stages"}


def find_carrier(configs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the model on whose backbone the baseline is fitted, where each model has its own: the first that is trained."""
    return next((cfg for cfg in configs if not has_fitted_head(cfg)), configs[0])


def select_carried(configs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the models that have the backbone of :func:`find_carrier`, and those with a fitted head, which are put on it."""
    shared = describe_backbone(find_carrier(configs))
    return [cfg for cfg in configs if has_fitted_head(cfg) or describe_backbone(cfg) == shared]


def list_judged_pairs(placed: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return every two models that are compared, in order: what is fitted in closed form only with models on its backbone.

    >>> from iqa_zoo.config import model_config
    >>> placed = {name: model_config(name) for name in ("lifeiqa", "deiqt")}
    >>> placed["ridge_baseline"] = {**load_config(BASELINE), "backbone": placed["lifeiqa"]["backbone"]}
    >>> list_judged_pairs(placed)
    [('lifeiqa', 'deiqt'), ('lifeiqa', 'ridge_baseline')]
    """
    fitted = {name for name, cfg in placed.items() if has_fitted_head(cfg)}
    backbones = {name: describe_backbone(cfg) for name, cfg in placed.items()}
    pairs = itertools.combinations(placed, 2)
    return [(a, b) for a, b in pairs if not fitted & {a, b} or backbones[a] == backbones[b]]


def describe_baseline(cfg: Mapping[str, Any], features: FeatureSpec | None = None) -> dict[str, Any]:
    """Return the baseline for results: its name, and the parts of the features whose means it reads.

    Args:
        cfg: the config of the baseline.
        features: of the backbone; where given, tokens that are the cells of a stage that is read are not listed.

    >>> describe_baseline(make_baseline([{**load_config("deiqt"), "memory": {"type": "grid_pool", "stage": 2}}]))
    {'baseline': 'ridge_baseline', 'baseline_reads': ['stage 2', 'final tokens']}
    """
    queries = resolve_config(cfg)["queries"]
    stages = queries["stages"]
    if stages is None and features is not None:
        stages = list(features.stages)
    read = ["every stage"] if stages is None else [f"stage {stage}" for stage in stages]
    if queries["tokens"] and not (features and features.token_stage in (stages or ())):
        read.append("final tokens")
    return {"baseline": BASELINE, "baseline_reads": read}
