"""The settings that a study of data efficiency takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of a study of data efficiency."""

    fractions: tuple[float, ...] = setting(
        (0.2, 0.4, 0.6, 0.8, 1.0), "shares of the training contents, above 0 and at most 1", metavar="SHARE"
    )
    equal: Literal["steps", "epochs"] = setting(
        "steps", "what every share has as many of as the whole: steps, so that only the data differs, or epochs"
    )


class Settings(StudySettings):
    """What a study of data efficiency takes."""

    options: ClassVar[type] = Options
    models = ("lifeiqa", "deiqt", "vanilla_decoder")
