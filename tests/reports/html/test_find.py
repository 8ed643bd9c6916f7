"""Which images a study's page shows: those of the dataset with its name, and no others."""

from pathlib import Path

import pytest
from PIL import Image

from iqa_zoo.data.loading import DataSource
from iqa_zoo.reports.html.find import GIVE, choose_source, find_images

ROOT = Path("somewhere")


@pytest.mark.parametrize(
    ("sources", "chosen"),
    [
        ([], None),
        ([DataSource("koniq10k", ROOT), DataSource("livec", ROOT)], DataSource("livec", ROOT)),
        ([DataSource("table", ROOT, (("name", "livec"),)), DataSource("table", ROOT)], DataSource("table", ROOT, (("name", "livec"),))),
        ([DataSource("table", ROOT)], DataSource("table", ROOT)),
        ([DataSource("", ROOT)], DataSource("livec", ROOT)),
        ([DataSource("livec")], None),
        ([DataSource("koniq10k", ROOT), DataSource("table", ROOT)], None),
    ],
)  # fmt: skip
def test_the_source_of_a_dataset(sources, chosen):
    assert choose_source("livec", sources) == chosen


def test_the_demo_makes_its_images_itself():
    assert choose_source("demo", []) == DataSource("demo")


@pytest.fixture
def photos(tmp_path):
    for i in range(3):
        Image.new("RGB", (8, 8), (i, i, i)).save(tmp_path / f"{i}.png")
    (tmp_path / "labels.csv").write_text("image,mos\n0.png,1\n1.png,2\n2.png,3\n")
    return tmp_path


def test_the_images_of_a_folder(photos):
    found = find_images({"name": "table"}, [DataSource("table", photos)])
    assert found.note == ""
    assert {name: path.resolve() for name, path in found.paths.items()} == {
        f"{i}.png": (photos / f"{i}.png").resolve() for i in range(3)
    }


def test_why_there_are_none(tmp_path):
    assert find_images({"name": "livec"}, []).note == GIVE
    found = find_images({"name": "table"}, [DataSource("table", tmp_path / "missing")])
    assert not found.paths
    assert found.note.startswith("No images are shown, because the dataset cannot be loaded: ")


def test_the_images_of_another_dataset_are_not_shown(photos):
    sources = [DataSource("table", photos)]
    other = find_images({"name": "table", "mos": {"c.png": 1.0}}, sources)
    assert (dict(other.paths), other.note) == ({}, "No images are shown: the given images are not those of table.")
    some = find_images({"name": "table", "mos": {"0.png": 1.0, "c.png": 2.0}}, sources)
    assert (len(some.paths), some.note) == (3, "1 of 2 images were not found, for example c.png.")
