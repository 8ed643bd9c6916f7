"""The settings that a test of claims takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of a study of claims."""

    claims: tuple[str, ...] = setting((), "test these claims of the card only (default: all of them)", metavar="ID")
    match: Literal["paper", "params", "macs", "none"] = setting(
        "paper", "bring the two sides of a claim to one size: as the claim says, or all claims by this"
    )
    equal: Literal["steps", "epochs"] = setting(
        "steps", "what a share of the training data has as many of as the whole"
    )


class Settings(StudySettings):
    """What a test of claims takes."""

    options: ClassVar[type] = Options
    without = ("budget",)
    models = ("lifeiqa",)
    takes_models = (1, 1)
