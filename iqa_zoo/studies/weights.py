"""The weights of a study's backbones, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from iqa_zoo.build import build_backbone
from iqa_zoo.errors import InputError, UnknownName, closest
from iqa_zoo.identity import identify_file
from iqa_zoo.packaged_weights import PACKAGED, describe_packaged
from iqa_zoo.registry import BACKBONES
from iqa_zoo.state_dicts import split_key
from iqa_zoo.studies.spec import BackboneSpec


def describe_weights(spec: BackboneSpec, seed: int) -> str:
    """Return where the weights of a backbone come from, for a table's note."""
    if spec.weights:
        return f"weights from {name_weights(spec.weights)}"
    if spec.pretrained:
        return describe_pretrained(spec.backbone or "")
    return f"random weights (seed {seed})" if needs_weights(spec.backbone or "nss") else "no weights to load"


def describe_pretrained(backbone: str) -> str:
    """Return where the ImageNet weights of a backbone come from: a package with its version and hash, or the model hub."""
    return describe_packaged(backbone) if backbone in PACKAGED else "ImageNet weights"


def name_weights(weights: Path) -> str:
    """Return the name of a weights file and the start of its SHA-256."""
    return f"{weights.name} (SHA-256 {identify_file(split_key(weights)[0])[:12]})"


def needs_weights(backbone: str) -> bool:
    """Return whether a backbone, registered or of timm, has weights, which are random where none are loaded."""
    if backbone not in BACKBONES.names() or backbone == "timm_features":
        return True
    with torch.device("meta"):
        return any(True for _ in build_backbone({"backbone": dict(type=backbone)}).parameters())


def check_named_weights(weights: Mapping[str, Path], backbones: Sequence[str]) -> None:
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


def check_backbone(name: str) -> None:
    """Check that the zoo or timm has a backbone: a name that is misspelt stops a study, one that lacks a stage does not.

    Raises:
        UnknownName: neither has it; names the closest.
    """
    import timm

    base = name.split(".")[0]
    if name not in BACKBONES.names() and not timm.is_model(base):
        near = closest(base, [*BACKBONES.names(), *timm.list_models()])
        raise UnknownName(f"--backbones: neither the zoo nor timm has a backbone {name!r}{near}")
