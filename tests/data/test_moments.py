"""Photographs of one moment: by the camera's clock and by their looks."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.capture import Capture, read_capture
from iqa_zoo.data.moments import group_moments

NOON = datetime(2024, 5, 1, 12)


def unlike(count):
    return np.random.default_rng(0).random((count, 256)) < 0.5


def at(*seconds, camera="A"):
    return [Capture(NOON + timedelta(seconds=each), camera) for each in seconds]


def test_a_burst_is_one_group_whatever_the_order_of_its_files():
    order = np.random.default_rng(1).permutation(6)
    seconds = np.array([0, 2, 4, 60, 62, 200])
    groups = group_moments(unlike(6), [at(float(seconds[i]))[0] for i in order], 2)
    found = sorted(sorted(seconds[order[i]].tolist() for i in group) for group in groups)
    assert found == [[0, 2, 4], [60, 62], [200]]
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_cameras_do_not_share_a_clock_and_a_photograph_without_one_is_alone():
    captures = [*at(0, 1), *at(0, 1, camera="B"), Capture(), Capture(None, "A")]
    assert group_moments(unlike(6), captures, 2) == [[0, 1], [2, 3], [4], [5]]
    assert group_moments(unlike(6), captures, 0) == [[i] for i in range(6)]


def test_look_alikes_join_bursts():
    hashes = unlike(4)
    hashes[3] = hashes[0]
    hashes[3, :20] ^= True
    assert group_moments(hashes, at(0, 1, 500, 900), 2) == [[0, 1, 3], [2]]
    hashes[3, 20:60] ^= True
    assert group_moments(hashes, at(0, 1, 500, 900), 2) == [[0, 1], [2], [3]]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({36867: "2024:05:01 12:00:00", 36868: "2000:01:01 00:00:00"}, NOON),
        ({36868: "2024:05:01 12:00:00", 37522: "5"}, NOON + timedelta(seconds=0.5)),
        ({36867: "0000:00:00 00:00:00"}, None),
        ({36867: "yesterday", 37521: "x"}, None),
        ({}, None),
    ],
)
def test_the_time_of_the_camera(tmp_path, tags, expected):
    image = Image.new("RGB", (8, 8))
    exif = image.getexif()
    exif[271], exif[272], exif[306] = "Maker", "Model 1", "2020:01:01 00:00:00"  # 306: when it was edited
    exif.get_ifd(0x8769).update(tags)
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_capture(tmp_path / "a.jpg") == Capture(expected, "Maker Model 1")


def test_files_without_metadata_have_no_time(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.jpg", exif=b"Exif\0\0MM damaged")
    for name in ("a.png", "text.jpg", "b.jpg", "missing.jpg"):
        assert read_capture(tmp_path / name) == Capture()
