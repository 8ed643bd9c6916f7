"""The file of tensors of a trained model: decoder, scales of the features, and what is known of the training photographs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from iqa_zoo.outputs import write_bytes
from iqa_zoo.packaged_weights import PACKAGED
from iqa_zoo.trained.standardised import pack_scales
from iqa_zoo.trained.training_photographs import FeatureDistribution

BACKBONE = "backbone."  # the names of the backbone's tensors, in files that hold them
CALIBRATION = "photographs."  # the names of what is known of the training photographs
HASHES = "hashes"
NAMES = "names"  # in the file's metadata: the photographs' names as JSON, one each hash


def find_packaged_hash(cfg: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the package's file with a backbone's weights; empty where its weights are in no package."""
    packaged = PACKAGED.get(str(cfg["backbone"].get("name", "")))
    return packaged.sha256 if packaged else ""


def save_tensors(
    path: Path,
    decoder: nn.Module,
    scales: Mapping[str, tuple[Tensor, Tensor]],
    distribution: FeatureDistribution,
    *,
    backbone: nn.Module | None,
    hashes_NB: NDArray[np.uint8] | None,
    names: Sequence[str],
) -> None:
    """Write the file of a trained model.

    Args:
        path: of the new file.
        decoder: trained.
        scales: mean and deviation of each channel of the features, by array.
        distribution: of the pooled features.
        backbone: where its weights come from no package.
        hashes_NB: packed perceptual hashes of the training photographs, if there are any.
        names: of the photographs.
    """
    tensors = dict(decoder.state_dict())
    if backbone is not None:
        tensors |= {f"{BACKBONE}{name}": value for name, value in backbone.state_dict().items()}
    tensors |= pack_scales(scales)
    tensors |= {f"{CALIBRATION}{name}": torch.from_numpy(array) for name, array in distribution.to_arrays().items()}
    metadata = {}
    if hashes_NB is not None:
        tensors[f"{CALIBRATION}{HASHES}"] = torch.from_numpy(hashes_NB)
        metadata[NAMES] = json.dumps(list(names))
    write_bytes(path, save({name: value.contiguous() for name, value in tensors.items()}, metadata))
