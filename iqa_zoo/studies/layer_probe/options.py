"""The settings that a probe of layers takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from iqa_zoo.studies.settings import make_pretrained_setting, make_weights_setting, setting
from iqa_zoo.studies.study_settings import StudySettings

HEADS = ("linear", "ridge")
BACKBONES = (
    "resnet50",
    "swin_tiny_patch4_window7_224",
    "convnext_tiny",
    "vit_small_patch16_224",
    "deit3_small_patch16_224",
    "pvt_v2_b2",
)


@dataclass(frozen=True)
class Options:
    """The settings of a probe of layers."""

    backbones: tuple[str, ...] = setting(
        BACKBONES, "nss, or timm names; backbones without weights are skipped and listed", metavar="NAME"
    )
    weights: tuple[tuple[str, Path], ...] = make_weights_setting()
    pretrained: bool = make_pretrained_setting()
    every_block: bool = setting(
        False, "every output that timm gives: each block of a ViT, the stem too of a CNN (default: stages 1 to 4)"
    )
    no_control: bool = setting(False, "leave out the same backbone with random weights")
    heads: tuple[str, ...] = setting(
        HEADS, "linear: trained as decoders are; ridge: in closed form", metavar="HEAD", choices=HEADS
    )


class Settings(StudySettings):
    """What a probe of layers takes."""

    options: ClassVar[type] = Options
    without = ("backbone", "budget", "protocol")
    takes_models = (0, 0)
