import pytest

from iqa_zoo.data import csiq as module
from iqa_zoo.data.csiq import csiq
from iqa_zoo.errors import InputError

NAMES = ["1600.AWGN.1.png", "1600.jpeg2000.2.png", "boston.contrast.3.png", "boston.JPEG.1.png"]
FOLDERS = ["awgn", "jpeg2000", "contrast", "jpeg"]
SCORES = [0.062, 0.206, 0.9, 1.0]
SHEET = [
    [],
    [None, "all images"],
    [],
    [None, None, None, "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"],
    [None, None, None, 1600, 1, "noise", 1, 0.061, 0.062],
    [None, None, None, 1600, 3, "jpeg 2000", 2, 0.097, 0.206],
    [None, None, None, "boston", 6, "contrast", 3, 0.1, 0.9],
    [None, None, None, "boston", 2, "jpeg", 1, 0.1, 1],
    [None, None, None, None, None, None, None, None, 0.5],
]


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=4, contents=2)
    draw(tmp_path, *(f"dst_imgs/{folder}/{name}" for folder, name in zip(FOLDERS, NAMES, strict=True)))
    return tmp_path


def check(data):
    assert data.names == tuple(NAMES)
    assert data.mos.tolist() == SCORES
    assert data.references == ("1600", "1600", "boston", "boston")
    assert data.distortions == ("awgn", "jpeg2000", "contrast", "jpeg")
    assert not data.higher_is_better


def test_official_layout_with_the_spreadsheet(root, spreadsheet):
    spreadsheet(root / "csiq.DMOS.xlsx", SHEET, sheet="all_by_image", first="all_by_distortion")
    data = csiq(root)
    check(data)
    assert data.deviations.tolist() == [0.061, 0.097, 0.1, 0.1]
    assert data.ratings is None


def test_label_text_file(root):
    lines = [f"{name} {score}" for name, score in zip(NAMES, SCORES, strict=True)]
    (root / "csiq_label.txt").write_text("\n".join(lines))
    data = csiq(root)
    check(data)
    assert data.deviations is None


def test_names_and_scores_in_two_files(root):
    (root / "im_names.txt").write_text("\n".join(NAMES))
    (root / "scores.txt").write_text("\n".join(map(str, SCORES)) + "\n")
    check(csiq(root))
    (root / "scores.txt").write_text("0.1\n")
    with pytest.raises(InputError, match=r"names 4 images and .*scores\.txt has 1 scores"):
        csiq(root)


@pytest.mark.parametrize("folder", ["dst_imgs", "dst_imgs_all"])
def test_all_images_in_one_folder(tmp_path, draw, expect, folder):
    expect(module, images=4, contents=2)
    draw(tmp_path, *(f"{folder}/{name}" for name in NAMES))
    lines = [f"{name} {score}" for name, score in zip(NAMES, SCORES, strict=True)]
    (tmp_path / "csiq_label.txt").write_text("\n".join(lines))
    check(csiq(tmp_path))


def test_bad_labels_are_named(root):
    with pytest.raises(InputError, match=r"holds no csiq_label\.txt or .*csiq\.DMOS\.xlsx"):
        csiq(root)
    (root / "csiq_label.txt").write_text("1600.png 0.1\n")
    with pytest.raises(InputError, match=r"'1600\.png' is not an image name like 1600\.AWGN\.1\.png"):
        csiq(root)
    (root / "csiq_label.txt").write_text("1600.AWGN.1.png bad\n")
    with pytest.raises(InputError, match=r"the score of 1600\.AWGN\.1\.png is 'bad'"):
        csiq(root)
