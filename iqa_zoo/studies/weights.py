"""The weights of a study's backbones, in words."""

from __future__ import annotations

from pathlib import Path

import torch

from iqa_zoo.build import build_backbone
from iqa_zoo.errors import InputError
from iqa_zoo.identity import identify_file
from iqa_zoo.registry import BACKBONES
from iqa_zoo.studies.spec import BackboneSpec
from iqa_zoo.weights import split_key


def describe_weights(spec: BackboneSpec, seed: int) -> str:
    """Return where the weights of a backbone come from, for a table's note."""
    if spec.weights:
        return f"weights from {name_weights(spec.weights)}"
    if spec.pretrained:
        return "ImageNet weights"
    return f"random weights (seed {seed})" if needs_weights(spec.backbone or "nss") else "no weights to load"


def name_weights(weights: Path) -> str:
    """Return the name of a weights file and the start of its SHA-256."""
    return f"{weights.name} (SHA-256 {identify_file(split_key(weights)[0])[:12]})"


def needs_weights(backbone: str) -> bool:
    """Return whether a backbone, registered or of timm, has weights, which are random where none are loaded."""
    if backbone not in BACKBONES.names() or backbone == "timm_features":
        return True
    with torch.device("meta"):
        return any(True for _ in build_backbone({"backbone": dict(type=backbone)}).parameters())


def check_named_weights(weights: dict[str, Path], backbones: tuple[str, ...]) -> None:
    """Check that ``--weights NAME=FILE`` names backbones of the study and files that exist.

    Raises:
        InputError: it does not.
    """
    if len(set(backbones)) < len(backbones):
        raise InputError("a backbone is named twice")
    for name, file in weights.items():
        if name not in backbones:
            raise InputError(f"--weights {name}=...: not one of --backbones {' '.join(backbones)}")
        if not split_key(file)[0].is_file():
            raise InputError(f"--weights {name}: there is no file {file}")
