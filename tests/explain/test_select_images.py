"""By which images a run is explained: those of its test part, or all of another dataset, and no more than a number."""

import json

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits, save_splits
from iqa_zoo.explain.select_images import select_images
from iqa_zoo.identity import identify_images, identify_labels
from iqa_zoo.inference.run import TrainedOn, TrainedRun
from iqa_zoo.training.run_folder import FORMAT


@pytest.fixture
def drawn(tmp_path):
    def draw(name, count=20):
        (tmp_path / name).mkdir()
        paths = tuple(tmp_path / name / f"{i}.png" for i in range(count))
        for i, path in enumerate(paths):
            Image.new("RGB", (8, 8), (i, i, i)).save(path)
        return RatedImages(name, paths, np.arange(float(count)), score_range=(0, 100), licence="", source="")

    return draw


@pytest.fixture
def data(drawn):
    return drawn("set")


@pytest.fixture
def split(data):
    return make_splits(data, 1, test_fraction=0.4)[0]


@pytest.fixture
def trained(data, split, tmp_path):
    """A run on ``set`` that knows its split and the hashes of its images."""
    save_splits(tmp_path / "split.json", data, [split])
    noted = {
        "images_hash": identify_images(data, split.train),
        "test_images_hash": identify_images(data, split.test),
        "labels_hash": identify_labels(data),
    }
    (tmp_path / "run.json").write_text(json.dumps({"format": FORMAT, "data": noted}))
    on = TrainedOn("set", "MOS", (0, 100), True)
    return TrainedRun(tmp_path, {}, "a", on, split.id, "last", 0, None, "quick", 3, 50.0, 20.0)


def test_the_test_part_of_its_own_dataset(trained, data, split):
    found = select_images(trained, data)
    assert (found.part, found.indices.tolist(), found.warnings) == ("test part", split.test.tolist(), [])


def test_all_images_of_another_dataset(trained, drawn):
    found = select_images(trained, drawn("other", 6))
    assert (found.part, found.indices.tolist(), found.warnings) == ("all images", list(range(6)), [])


def test_some_are_drawn_in_order_and_the_same_ones_each_time(trained, data, split):
    first, again = (select_images(trained, data, 3) for _ in range(2))
    assert first.part == "some of the test part"
    assert len(first.indices) == 3
    assert first.indices.tolist() == again.indices.tolist() == sorted(set(first.indices.tolist()))
    assert set(first.indices) <= set(split.test)


def test_some_of_another_dataset(trained, drawn):
    found = select_images(trained, drawn("other", 6), 5)
    assert (found.part, len(set(found.indices))) == ("some images", 5)


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_as_there_are_is_all_of_them(more, trained, data, split):
    found = select_images(trained, data, len(split.test) + more)
    assert (found.part, found.indices.tolist()) == ("test part", split.test.tolist())


def test_a_test_image_that_changed_is_a_warning(trained, data, split):
    Image.new("RGB", (8, 8), (99, 0, 0)).save(data.paths[split.test[0]])
    found = select_images(trained, data)
    (line,) = found.warnings
    assert line.startswith("the images of the test part of set are not those of the training")
    assert found.indices.tolist() == split.test.tolist()


def test_other_images_under_the_same_name_are_all_shown_with_a_warning(trained, data):
    found = select_images(trained, data.select(range(18)))
    (line,) = found.warnings
    assert line.startswith("All images are shown, those that were trained on too: ")
    assert (found.part, found.indices.tolist()) == ("all images", list(range(18)))
