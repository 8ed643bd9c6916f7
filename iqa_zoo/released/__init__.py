"""Importers of the authors' checkpoints, one a file, registered like parts."""

from iqa_zoo.released.importing import import_released
from iqa_zoo.released.system import ReleasedSystem, Shapes, with_batch_counts

__all__ = ["ReleasedSystem", "Shapes", "import_released", "with_batch_counts"]
