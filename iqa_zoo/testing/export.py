"""Whether an exported file gives the scores of the model, in the order of the images."""

from pathlib import Path

import numpy as np

from iqa_zoo.inference.export.export import Exported, export
from iqa_zoo.inference.export.parity import BATCHES, cut_same_size
from iqa_zoo.inference.load import load


def check_export(run: Path, file: Path) -> Exported:
    """Export the training in a folder, and check that the file gives its scores of noise and of photographs.

    One image fits the model and one is too narrow; they are scored alone. Crops of photographs, 288 x 384 pixels, are scored in batches
    of 3 and 8.

    Args:
        run: the folder, for example of :func:`iqa_zoo.testing.random_run.write_random_run`.
        file: that is written.

    Raises:
        AssertionError: the images have so similar scores that scores in another order would pass.
        InputError, ExportError: as :func:`iqa_zoo.inference.export.export.export`, with other scores too.
    """
    scorer = load(run, "cpu")
    size, rng = scorer.model.model.spec.image_size, np.random.default_rng(0)
    sides = ((size + 16, size + 33), (size - 12, size * 2))
    exported = export(run, file, images=[rng.integers(0, 256, (*each, 3), dtype=np.uint8) for each in sides])
    assert exported.parity.holds
    assert exported.parity.resized >= 1
    score_B = np.array([score.score for score in scorer.score(cut_same_size(max(BATCHES)))])
    tolerance = max(exported.parity.tolerance, exported.parity.tolerance_resized)
    for count in BATCHES:
        apart = np.abs(score_B[:count] - score_B[:count][::-1]).max()
        assert apart > tolerance, (
            f"the scores of {count} photographs in reverse order differ by {apart:.2g} points only"
        )
    return exported
