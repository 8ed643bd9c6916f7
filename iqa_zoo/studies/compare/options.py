"""The settings that a comparison takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of a comparison."""

    test: tuple[str, ...] = setting((), "test on all images of this dataset as well", metavar="NAME", append=True)
    test_root: tuple[Path, ...] = setting((), "its folder, in the order of --test", metavar="PATH", append=True)
    no_train: bool = setting(False, "stop after the budgets")
    no_latency: bool = setting(False, "do not time the published models", numbers=False)


class Settings(StudySettings):
    """What a comparison takes."""

    options: ClassVar[type] = Options
    tunes: ClassVar[bool] = True
