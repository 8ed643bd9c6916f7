from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data import kadid10k
from iqa_zoo.data.check import check_dataset, drop_unreadable
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError, UnknownName


@pytest.fixture
def root(tmp_path):
    """Four images of two contents in KADID-10k's layout; images of one content look alike."""
    rng = np.random.default_rng(0)
    lines = ["dist_img,ref_img,dmos,var"]
    for content in ("01", "02"):
        base = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        for level in ("01", "02"):
            name = f"I{content}_01_{level}.png"
            (tmp_path / "images").mkdir(exist_ok=True)
            Image.fromarray(base).save(tmp_path / "images" / name)
            lines.append(f"{name},I{content}.png,{3 + int(level) / 2},0.5")
    (tmp_path / "dmos.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture(autouse=True)
def _miniature(expect):
    expect(kadid10k, images=4, contents=2)


def test_a_complete_dataset(root):
    steps = []
    report = check_dataset("kadid10k", root, progress=lambda done, total: steps.append((done, total)))
    assert report.usable
    assert (report.expected, len(report.data)) == (4, 4)
    assert report.missing == report.unreadable == report.duplicates == report.problems == ()
    assert report.smallest == ((40, 48), "I01_01_01.png")
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    text = "\n".join(report.format_lines())
    assert "usable" in text
    assert "rated images on disk: 4 of 4" in text
    assert "MOS, 3.5..4, higher is better" in text
    assert "contents: 2" in text
    assert kadid10k.RELEASE.source in text
    assert kadid10k.RELEASE.licence in text


def test_what_is_missing_unreadable_and_duplicated(root):
    images = root / "images"
    (images / "I01_01_01.png").unlink()
    whole = (images / "I01_01_02.png").read_bytes()
    (images / "I02_01_01.png").write_bytes(whole)
    (images / "I02_01_02.png").write_bytes(whole[: len(whole) // 2])
    report = check_dataset("kadid10k", root)
    assert not report.usable
    assert [path.name for path in report.missing] == ["I01_01_01.png"]
    assert len(report.unreadable) == 1
    assert "I02_01_02.png is truncated" in report.unreadable[0]
    assert report.duplicates == (("I01_01_02.png", "I02_01_01.png"),)
    text = "\n".join(report.format_lines())
    assert "not usable" in text
    assert "rated images on disk: 3 of 4" in text
    assert "missing: 1 images" in text
    assert "look the same: I01_01_02.png and I02_01_01.png" in text


def test_labels_that_are_not_the_releases(root):
    (root / "dmos.csv").write_text("dist_img,dmos\nI01_01_01.png,3\nI01_01_02.png,4\n")
    report = check_dataset("kadid10k", root)
    assert not report.usable
    assert len(report.data) == 2
    assert "list 2 images, the release has 4" in report.problems[0]


def test_nothing_there(tmp_path):
    report = check_dataset("kadid10k", tmp_path / "gone")
    assert not report.usable
    assert report.data is None
    assert "gone does not exist" in report.problems[0]
    assert report.source == kadid10k.RELEASE.source
    assert "rated images on disk: 0 of 4" in "\n".join(report.format_lines())


def test_an_unknown_dataset(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'kadid10k'"):
        check_dataset("kadid", tmp_path)


def test_a_users_table(root):
    (root / "mine.csv").write_text("image,mos\nimages/I01_01_01.png,1\nimages/I02_01_02.png,2\n")
    report = check_dataset("table", root, labels="mine.csv")
    assert report.usable
    assert report.expected is None
    assert report.licence == "yours"
    assert check_dataset("table", root, labels="mine.csv", name="mine").data.name == "mine"  # an option, as any other


def test_unreadable_images_can_be_left_out(root):
    lines = ["image,mos,deviation,ratings", "images/I01_01_01.png,1,0.5,20", "images/I02_01_02.png,2,0.75,21"]
    (root / "mine.csv").write_text("\n".join(lines))
    Path(root, "images", "I01_01_01.png").write_text("no image")
    data, left_out = drop_unreadable(table(root / "mine.csv"))
    assert data.names == ("I02_01_02.png",)
    assert data.mos.tolist() == [2]
    assert data.deviations.tolist() == [0.75]
    assert data.ratings.tolist() == [21]
    assert len(left_out) == 1
    assert "I01_01_01.png is not an image" in left_out[0]
    Path(root, "images", "I02_01_02.png").write_text("no image")
    with pytest.raises(InputError, match="no image can be read"):
        drop_unreadable(table(root / "mine.csv"))
