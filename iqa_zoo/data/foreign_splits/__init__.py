"""Split files of other projects: ARNIQA, LIQE and pyiqa."""

from iqa_zoo.data.foreign_splits.read import is_foreign, read_foreign_splits

__all__ = ["is_foreign", "read_foreign_splits"]
