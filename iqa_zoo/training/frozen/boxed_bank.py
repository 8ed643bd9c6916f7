"""The features of a box as a bank, which decoders read like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from iqa_zoo.cache import cache_folder
from iqa_zoo.contracts import spec_of
from iqa_zoo.data.boxed import find_box, read_maps
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.identity import digest, identify_weights
from iqa_zoo.training.frozen.extraction import FORMAT, finish, keep_bank, store
from iqa_zoo.training.frozen.features import FeatureBank

IMAGES = 64  # unpacked at a time


def unpack_box(
    backbone: nn.Module, config: Mapping[str, Any], data: RatedImages, *, cache: Path | None = None
) -> FeatureBank:
    """Return the features of a dataset from its box, in half precision in the cache like those of photographs.

    Args:
        backbone: the ``timm_cells`` backbone that the box is of, or a module with ``make_features`` around it.
        config: its resolved config.
        data: a dataset from a box, or some of its images.
        cache: folder to keep the features in; default :func:`~iqa_zoo.cache.cache_folder`.

    Raises:
        InputError: the box does not hold the features of this backbone, or the cache cannot be written.
    """
    check_backbone(data, backbone, config)
    box, spec = find_box(data), spec_of(backbone)
    assert box is not None, "a dataset from a box"
    core = _find_core(backbone)
    make_features: Any = backbone.make_features

    def unpack(folder: Path) -> None:
        maps = {stage: read_maps(box, stage, data.names) for stage in core.pooled_stages}
        arrays: dict[str, np.memmap[Any, Any]] = {}
        for start in range(0, len(data), IMAGES):
            images = slice(start, min(start + IMAGES, len(data)))
            maps_BCHW = {stage: torch.from_numpy(each[images]).permute(0, 3, 1, 2) for stage, each in maps.items()}
            store(arrays, make_features(maps_BCHW), spec, images, data, folder)
        finish(arrays, folder)

    key = digest([FORMAT, "box", box.sha256, data.names, asdict(spec)])
    return keep_bank(cache or cache_folder(), key, spec, unpack)


def check_backbone(data: RatedImages, backbone: nn.Module, config: Mapping[str, Any]) -> None:
    """Check that the box of a dataset, if it is from one, holds the features that a backbone would compute.

    Raises:
        InputError: it is another backbone, has other weights or reads other stages; says what the box holds.
    """
    box = find_box(data)
    if box is None:
        return
    reasons = []
    if {**config, "stages": None} != {**box.backbone, "stages": None}:
        reasons.append(f"not of {config['type']} {config.get('name', '')}".rstrip())
    else:
        read = {*config["stages"], *spec_of(backbone).stages}
        if missing := sorted(read - set(box.stages)):
            reasons.append(f"not stage {', '.join(map(str, missing))}")
        if identify_weights(_find_core(backbone)) != box.weights_hash:
            reasons.append("not with other weights")
    if reasons:
        raise InputError(
            f"{data.name} without --root: the box holds {box.describe()} only, {' and '.join(reasons)}; use --backbone "
            f"{box.backbone['name']} --pretrained, or give --root PATH, the folder with the photographs ({data.source})"
        )


def _find_core(backbone: nn.Module) -> Any:
    """Return the backbone inside a module around it, or itself."""
    return getattr(backbone, "backbone", backbone)
