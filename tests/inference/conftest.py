"""A small model and a few images that are larger than its input."""

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.rated import RatedImages

SIZE = 48


@pytest.fixture
def model(tiny):
    """A config with dropout, which scores must not depend on."""
    tiny["backbone"] |= {"image_size": SIZE, "model_args": {"drop_path_rate": 0.2}}
    tiny["head"]["dropout"] = 0.1
    return tiny


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(12)]
    for i, path in enumerate(paths):
        pixels = rng.integers(0, 20 * (i + 1), (SIZE + 8, SIZE + 10, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return RatedImages("noise", tuple(paths), np.arange(12.0), score_range=(0, 11), licence="", source="")
