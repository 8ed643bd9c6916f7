"""iqa_zoo.data.shared_images"""

import shutil

import numpy as np
from PIL import Image

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.shared_images import find_shared_images


def test_images_are_shared_by_their_bytes_whatever_their_names(tmp_path):
    sets = {}
    for number, name in enumerate("abc"):
        paths = [tmp_path / f"{name}{i}.png" for i in range(3)]
        for i, path in enumerate(paths):
            Image.new("RGB", (8, 8), (10 * number, i, 0)).save(path)
        sets[name] = RatedImages(
            name, tuple(paths), np.arange(3.0), score_range=(0, 9), licence="CC0", source="drawn"
        )  # fmt: skip
    assert find_shared_images(sets) == []
    shutil.copy(sets["a"].paths[0], sets["b"].paths[2])
    assert find_shared_images(sets) == [{"first": "a", "second": "b", "images": 1}]
