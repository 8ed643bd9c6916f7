"""The settings that a swap of parts takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings
from iqa_zoo.studies.swap.levels import FACTORS


@dataclass(frozen=True)
class Options:
    """The settings of a swap: the parts of each factor (all of the registry where left out)."""

    queries: tuple[str, ...] | None = setting(None, "query parts to try (default: all)", metavar="NAME")
    interactions: tuple[str, ...] | None = setting(
        None, "blocks before cross-attention to try, or none for cross-attention alone (default: all)", metavar="NAME"
    )
    memories: tuple[str, ...] | None = setting(None, "memories to try (default: all)", metavar="NAME")
    heads: tuple[str, ...] | None = setting(None, "heads to try (default: all)", metavar="NAME")
    draw: int | None = setting(
        None, "only N combinations, drawn so that each part comes equally often (default: all)", metavar="N"
    )
    depth: int = setting(2, "layers of a block and cross-attention", metavar="N")
    dim: int | None = setting(None, "model width before matching (default: one that suits the budget)", metavar="N")

    def chosen(self) -> dict[str, tuple[str, ...] | None]:
        """Return the parts of each factor."""
        return dict(zip(FACTORS, (self.queries, self.interactions, self.memories, self.heads), strict=True))


class Settings(StudySettings):
    """What a swap of parts takes."""

    options: ClassVar[type] = Options
    takes_models = (0, 0)
