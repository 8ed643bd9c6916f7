import numpy as np
import pytest

from iqa_zoo.data import tid2013 as module
from iqa_zoo.data.tid2013 import DISTORTIONS, tid2013
from iqa_zoo.errors import InputError


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=3, contents=2)
    # As released: the case of file names differs from the label file.
    draw(tmp_path, "distorted_images/I01_01_1.bmp", "distorted_images/i01_24_5.bmp", "distorted_images/I25_08_2.BMP")
    (tmp_path / "mos_with_names.txt").write_text("5.51429 I01_01_1.bmp\r\n2.5 I01_24_5.bmp\r\n7.0 i25_08_2.bmp\r\n")
    return tmp_path


def test_official_layout(root):
    data = tid2013(root)
    assert data.names == ("I01_01_1.bmp", "i01_24_5.bmp", "I25_08_2.BMP")
    assert data.mos.tolist() == [5.51429, 2.5, 7.0]
    assert data.references == ("i01", "i01", "i25")
    assert data.distortions == ("additive Gaussian noise", "sparse sampling and reconstruction", "Gaussian blur")
    assert data.higher_is_better
    assert data.deviations is None
    assert set(data.ratings) == {39}


def test_the_errors_of_the_mos_become_deviations_of_ratings(root):
    (root / "mos_std.txt").write_text("0.13013\r\n0.2\r\n0\r\n")
    data = tid2013(root)
    assert data.deviations / np.sqrt(data.ratings) == pytest.approx([0.13013, 0.2, 0])
    assert data.deviations[1] == pytest.approx(1.249)  # .2 times the root of 39
    (root / "mos_std.txt").write_text("0.13013\n")
    with pytest.raises(InputError, match=r"mos_with_names\.txt has 3 scores and .*mos_std\.txt has 1 deviations"):
        tid2013(root)


def test_the_released_errors_are_those_of_means_of_whole_numbers():
    """The first line of the release, 5.51429 with 0.13013: 35 ratings of sum 193 whose squares have a whole sum."""
    total, count = 193, 35
    assert total / count == pytest.approx(5.51429, abs=5e-6)
    squares = count * (0.13013**2 * count + (total / count) ** 2)
    assert squares == pytest.approx(1085, abs=0.02)


def test_there_are_24_distortions():
    assert len(set(DISTORTIONS)) == 24


def test_what_is_wrong_is_named(root):
    (root / "distorted_images" / "i01_24_5.bmp").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*I01_24_5\.bmp"):
        tid2013(root)
    (root / "mos_with_names.txt").write_text("5.5 I01_25_1.bmp\n")
    with pytest.raises(InputError, match=r"'I01_25_1\.bmp' is not an image name like I01_01_1\.bmp"):
        tid2013(root)
    (root / "mos_with_names.txt").write_text("5.5 I01_01_1.bmp\n")
    with pytest.raises(InputError, match="the labels list 1 images, the release has 3"):
        tid2013(root)
