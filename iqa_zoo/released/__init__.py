"""Importers of the authors' checkpoints, one a file, registered like parts."""

from iqa_zoo.released.importing import import_released
from iqa_zoo.released.system import ReleasedSystem, Shapes, count_numbered, read_shape, rename, with_batch_counts

__all__ = [
    "ReleasedSystem",
    "Shapes",
    "count_numbered",
    "import_released",
    "read_shape",
    "rename",
    "with_batch_counts",
]
