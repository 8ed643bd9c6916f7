"""The settings that a t-SNE layout takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


@dataclass(frozen=True)
class Options:
    """The settings of a t-SNE layout."""

    every_block: bool = setting(False, "every output that timm gives (default: stages 1 to 4)")
    by: Literal["distortion", "quality"] | None = setting(
        None, "what the images are coloured and grouped by (default: distortion where the data names it)"
    )
    perplexity: float = setting(30.0, "of t-SNE", metavar="N")


class Settings(StudySettings):
    """What a t-SNE layout takes."""

    options: ClassVar[type] = Options
    without = (
        "budget", "protocol", "statistics", "splits", "split_file", "validation_fraction", "ignore_look_alikes", "selection", "epochs", "batch_size",
        "lr", "jobs", "ray", "slurm", "fresh",
    )  # fmt: skip
    takes_models = (0, 0)
