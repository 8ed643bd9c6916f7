import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from iqa_zoo.data.boxed import FOLDER, find_box, hash_files, quantize, read_box, read_maps, require_pixels
from iqa_zoo.data.check import check_dataset
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.livec import livec
from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.data.look_alikes import group_look_alikes
from iqa_zoo.data.preflight import check_images
from iqa_zoo.data.shared_images import find_shared_images
from iqa_zoo.errors import InputError
from iqa_zoo.identity import identify_file, identify_images, identify_labels


@pytest.fixture
def box_file(tmp_path):
    """A box of three images with maps of one cell and two channels."""
    maps = np.array([[0.0, -2.0], [1.0, 2.0], [0.25, 2.0]], np.float32).reshape(3, 1, 1, 2)
    levels, scale, offset = quantize(maps)
    save_file({"map4": levels, "scale4": scale, "offset4": offset}, tmp_path / "three.safetensors")
    image = {"mos": 1.0, "deviation": 0.5, "sha256": "0" * 64, "hash": "0" * 64}
    values = {
        "backbone": {"type": "timm_cells", "name": "test_resnet", "stages": [4], "cells": 1},
        "weights": "none",
        "weights_hash": "0",
        "features": "three.safetensors",
        "sha256": identify_file(tmp_path / "three.safetensors"),
        "images": [{"name": name, **image} for name in "abc"],
    }
    (tmp_path / "three.json").write_text(json.dumps(values))
    return tmp_path / "three.json"


def test_maps_are_read_by_name_and_are_right_to_half_a_level(box_file):
    box = read_box(box_file)
    maps = read_maps(box, 4, ("c", "a"))
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps[:, 0, 0], [[0.25, 2.0], [0.0, -2.0]], atol=4 / 255 / 2 + 1e-6)
    assert box.describe() == "stage 4 of timm_cells test_resnet with its ImageNet weights"


@pytest.mark.parametrize("seed", range(3))
def test_the_error_of_eight_bits_is_at_most_half_a_level(seed):
    maps = np.random.default_rng(seed).normal(size=(7, 2, 2, 5)).astype(np.float32) * [1, 10, 0.1, 0, 3]
    levels, scale, offset = quantize(maps.astype(np.float32))
    assert levels.dtype == np.uint8
    assert (np.abs(levels * scale + offset - maps) <= scale / 2 + 1e-5).all()


def test_a_damaged_box_is_refused(box_file):
    features = box_file.with_name("three.safetensors")
    features.write_bytes(features.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match=r"three.safetensors is damaged: its SHA-256 is not that of three.json"):
        read_box(box_file)
    features.unlink()
    with pytest.raises(InputError, match="three.safetensors: cannot be read"):
        read_box.__wrapped__(box_file)
    box_file.write_text("{}")
    with pytest.raises(InputError, match="three.json: the box cannot be read.*install iqa-zoo again"):
        read_box.__wrapped__(box_file)


@pytest.fixture(scope="module")
def data():
    return livec()


def test_livec_in_the_box_is_the_release(data):
    """Counts and extremes are those of FACTS: 1162 photographs, MOS 3.42 to 92.43."""
    assert (len(data), data.name, data.label, data.higher_is_better) == (1162, "livec", "MOS", True)
    assert (round(data.mos.min(), 2), round(data.mos.max(), 2)) == (3.42, 92.43)
    assert data.deviations is not None
    assert set(data.ratings) == {175}
    assert 5 < data.deviations.min() < np.median(data.deviations) < data.deviations.max() < 40
    assert not any(path.exists() for path in data.paths)
    box = find_box(data)
    assert box.stages == (3, 4)
    assert {read_maps(box, stage, data.names[:2]).shape for stage in (3, 4)} == {(2, 6, 6, 112), (2, 6, 6, 320)}
    assert "Copyright (c) 2015 The University of Texas at Austin" in (FOLDER / "livec_notice.txt").read_text()


def test_a_selection_keeps_names_labels_and_box(data):
    some = data.select([5, 3])
    assert some.names == (data.names[5], data.names[3])
    assert some.deviations.tolist() == [data.deviations[5], data.deviations[3]]
    assert find_box(some) is find_box(data)
    assert hash_files(some) == [hash_files(data)[5], hash_files(data)[3]]


def test_identities_depend_on_which_images(data):
    assert identify_images(data) == identify_images(livec())
    assert identify_images(data) != identify_images(data.select([0, 1]))
    assert identify_images(data, [0, 1]) == identify_images(data.select([0, 1]))
    assert identify_labels(data) == identify_labels(livec())


def test_what_needs_pixels_says_what_the_box_holds(data):
    held = "livec without --root has no pixels: the box holds stages 3 and 4 of timm_cells tf_efficientnet_lite0"
    for need in (require_pixels, DecodedImages):
        with pytest.raises(InputError, match=f"{held}.*give --root PATH.*https://live"):
            need(data)


def test_checks_of_images_read_no_file(data):
    assert check_images(data, range(len(data)), 192) == []
    lines = []
    assert len(load_dataset(DataSource("livec", None, (), True), warn=lines.append)) == 1162
    assert lines == ["livec: features of 1,162 photographs from the box; there are no pixels"]
    report = check_dataset("livec", None)
    assert report.usable
    assert report.format_lines()[1:3] == [
        "rated images in the box: 1162 of 1162",
        f"features, no pixels: {find_box(data).describe()}",
    ]


def test_look_alikes_and_shared_files_are_found(data):
    alike = group_look_alikes(data)
    assert len(alike.groups) == 1162
    assert find_shared_images({"all": data, "some": data.select([1, 2])}) == [
        {"first": "all", "second": "some", "images": 2}
    ]
