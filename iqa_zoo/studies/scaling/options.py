"""The settings that a study of backbone sizes takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from iqa_zoo.studies.settings import make_pretrained_setting, make_weights_setting, setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of a study of backbone sizes."""

    backbones: tuple[str, ...] = setting((), "nss, or timm names, the small ones first", metavar="NAME")
    weights: tuple[tuple[str, Path], ...] = make_weights_setting()
    pretrained: bool = make_pretrained_setting()
    no_latency: bool = setting(False, "do not time the models", numbers=False)


class Settings(StudySettings):
    """What a study of backbone sizes takes."""

    options: ClassVar[type] = Options
    without = ("backbone",)
    models = ("lifeiqa", "deiqt", "vanilla_decoder")
