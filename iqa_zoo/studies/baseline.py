"""The baseline of a study: ridge regression in closed form on the means of what the compared decoders read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iqa_zoo.config import Config, load_config, resolve_config
from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.placing import find_reading
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
