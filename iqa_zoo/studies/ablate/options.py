"""The settings that an ablation takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from iqa_zoo.studies.ablate.variants import SWEEPS
from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of an ablation."""

    sensitivity: tuple[str, ...] = setting(
        (),
        f"sweep these sizes instead of replacing parts: {', '.join(SWEEPS)}",
        metavar="SIZE",
        choices=tuple(SWEEPS),
    )
    only: Literal["as-is", "matched", "both"] = setting(
        "both", "variants as they are, or matched to the whole decoder's budget"
    )


class Settings(StudySettings):
    """What an ablation takes."""

    options: ClassVar[type] = Options
    takes_models = (1, 1)
