import pytest

from iqa_zoo.data import kadid10k as module
from iqa_zoo.data.kadid10k import DISTORTIONS, kadid10k
from iqa_zoo.errors import InputError

NAMES = ("I01_01_01.png", "I01_25_05.png", "I81_11_02.png")


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=3, contents=2)
    draw(tmp_path, *(f"images/{name}" for name in (*NAMES, "I01.png", "I81.png")))
    rows = ["I01_01_01.png,I01.png,4.57,0.496", "I01_25_05.png,I01.png,1,0.5", "I81_11_02.png,I81.png,3.2,0.9"]
    (tmp_path / "dmos.csv").write_text("\n".join(["dist_img,ref_img,dmos,var", *rows]))
    return tmp_path


def check(data):
    assert data.names == NAMES
    assert data.mos.tolist() == [4.57, 1, 3.2]
    assert data.references == ("i01", "i01", "i81")
    assert data.distortions == ("Gaussian blur", "contrast change", "white noise")
    assert data.higher_is_better
    assert data.label == "MOS"


def test_official_layout(root):
    data = kadid10k(root)
    check(data)
    assert data.deviations.tolist() == [0.496, 0.5, 0.9]
    assert data.ratings.tolist() == [30, 30, 30]


@pytest.mark.parametrize(("total", "spread"), [(137, 0.496), (130, 0.869)])
def test_the_column_var_holds_deviations(total, spread):
    """Rows of the release, 4.57 with 0.496 and 4.33 with 0.869: the squares of 30 whole ratings have a whole sum, odd where
    the sum of the ratings is odd, only if these are deviations."""
    for variance, fits in ((spread**2, True), (spread, False)):
        squares = 30 * (variance + (total / 30) ** 2)
        assert (abs(squares - round(squares)) < 0.03 and (round(squares) - total) % 2 == 0) is fits


def test_images_apart_from_their_references(root, draw):
    (root / "images").rename(root / "distorted_images")
    draw(root, "reference_images/I01.png")
    check(kadid10k(root))


def test_label_text_file(root):
    (root / "dmos.csv").unlink()
    (root / "kadid10k_label.txt").write_text("I01_01_01.png, 4.57\nI01_25_05.png, 1\nI81_11_02.png, 3.2\n")
    data = kadid10k(root)
    check(data)
    assert data.deviations is None


def test_there_are_25_distortions():
    assert len(set(DISTORTIONS)) == 25


def test_what_is_wrong_is_named(root):
    (root / "dmos.csv").write_text("dist_img,ref_img,mos,var\n")
    with pytest.raises(InputError, match="no column 'dmos'; did you mean 'mos'"):
        kadid10k(root)
    (root / "dmos.csv").write_text("dist_img,dmos\nI01_01_01.png,5.5\nI01_25_05.png,1\nI81_11_02.png,3.2\n")
    with pytest.raises(InputError, match=r"I01_01_01\.png is 5\.5, outside 1\.\.5"):
        kadid10k(root)
