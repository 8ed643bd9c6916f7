import pytest

from iqa_zoo.data import biq2021 as module
from iqa_zoo.data.biq2021 import biq2021
from iqa_zoo.errors import InputError

NAMES = ("ss03 (6593).jpg", "ss02 (1229).jpg", "ss03 (7805).jpg")
TRAIN = "Image Name,MOS\nss03 (6593).jpg,0.59166\nss02 (1229).jpg,0.60010\n"
TEST = "Image Name,MOS\nss03 (7805).jpg,0.70609\n"
# The other version has two columns without a name, and a stretched scale.
OLD_TRAIN = "Image Name,MOS,,\nss03 (6593).jpg,0.6134,,\nss02 (1229).jpg,0.6222,,\n"
OLD_TEST = "Image Name,MOS\nss03 (7805).jpg,0.7321\n"


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=3)
    draw(tmp_path, *(f"Images/{name}" for name in NAMES))
    return tmp_path


def test_both_versions_of_the_labels(root):
    (root / "Train (Images and MOS).csv").write_text(OLD_TRAIN)
    (root / "Test (Images and MOS).csv").write_text(OLD_TEST)
    data = biq2021(root)
    assert data.names == NAMES
    assert data.mos.tolist() == [0.6134, 0.6222, 0.7321]
    assert data.official_split == ("train", "train", "test")
    (root / "Train.csv").write_text(TRAIN)
    (root / "Test.csv").write_text(TEST)
    assert biq2021(root).mos.tolist() == [0.59166, 0.6001, 0.70609]
    assert data.deviations is data.ratings is None


def test_two_scales_are_never_mixed(root):
    (root / "Train.csv").write_text(TRAIN)
    (root / "Test (Images and MOS).csv").write_text(OLD_TEST)
    with pytest.raises(InputError, match=r"the label file of the test part not found: .* holds no Test\.csv"):
        biq2021(root)


def test_a_missing_image_is_named(root):
    (root / "Train.csv").write_text(TRAIN)
    (root / "Test.csv").write_text(TEST)
    (root / "Images" / NAMES[2]).unlink()
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*ss03 \(7805\)\.jpg"):
        biq2021(root)
