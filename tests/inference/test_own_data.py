"""iqa_zoo.inference.own_data"""

import json
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.identity import identify_images, identify_labels
from iqa_zoo.inference.own_data import find_changes
from iqa_zoo.training.run_folder import FORMAT


@pytest.fixture
def own(tmp_path):
    paths = tuple(tmp_path / f"{i}.png" for i in range(10))
    for i, path in enumerate(paths):
        Image.new("RGB", (8, 8), (i, i, i)).save(path)
    data = RatedImages("set", paths, np.arange(10.0), score_range=(0, 10), licence="CC0", source="drawn")
    return data, make_splits(data, 1, validation_fraction=0.25)[0]


def run_of(folder: Path, data, split) -> SimpleNamespace:
    noted = {
        "images_hash": identify_images(data, [*split.train, *split.validation]),
        "test_images_hash": identify_images(data, split.test),
        "labels_hash": identify_labels(data),
    }
    (folder / "run.json").write_text(json.dumps({"format": FORMAT, "data": noted}))
    return SimpleNamespace(folder=folder)


def repaint(path: Path) -> None:
    """Another image of the same size in the same file at the same time."""
    before = path.stat()
    Image.new("RGB", (8, 8), (99, 0, 0)).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_changed(own, tmp_path):
    data, split = own
    trained = run_of(tmp_path, data, split)
    assert find_changes(trained, data, split, np.arange(10)) == []
    assert find_changes(trained, replace(data, source="moved"), split, split.test) == []


def test_an_image_counts_in_the_part_that_is_used(own, tmp_path):
    data, split = own
    trained = run_of(tmp_path, data, split)
    repaint(data.paths[split.train[0]])
    assert find_changes(trained, data, split, split.test) == []
    (line,) = find_changes(trained, data, split, split.train)
    assert line.startswith("the images of the training and validation parts of set are not those of the training")
    repaint(data.paths[split.test[0]])
    assert len(find_changes(trained, data, split, np.arange(10))) == 2


def test_a_label_counts_by_its_last_bit(own, tmp_path):
    data, split = own
    trained = run_of(tmp_path, data, split)
    mos = data.mos.copy()
    mos[3] = np.nextafter(mos[3], 10)
    (line,) = find_changes(trained, replace(data, mos=mos), split, split.test)
    assert line.startswith("the labels of set are not those of the training")


def test_a_run_that_noted_no_hashes_tells_nothing(own, tmp_path):
    data, split = own
    (tmp_path / "run.json").write_text(json.dumps({"format": FORMAT, "data": {"name": "set"}}))
    assert find_changes(SimpleNamespace(folder=tmp_path), data, split, split.test) == []
