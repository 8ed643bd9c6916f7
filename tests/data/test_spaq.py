import pytest

from iqa_zoo.data import spaq as module
from iqa_zoo.data.spaq import spaq
from iqa_zoo.errors import InputError

HEADER = ["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"]
ROWS = [["00001.jpg", 32.44, 50, 51, 52, 53, 54], ["00002.jpg", 61, 50, 51, 52, 53, 54]]


@pytest.fixture
def root(tmp_path, expect, spreadsheet):
    expect(module, images=2)
    spreadsheet(tmp_path / "Annotations" / "MOS and Image attribute scores.xlsx", [HEADER, *ROWS])
    return tmp_path


@pytest.mark.parametrize("folder", ["TestImage", "SPAQ/TestImage", "512x384", "SPAQ zip/512x384"])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_layouts(root, draw, folder, suffix):
    draw(root, f"{folder}/00001.{suffix}", f"{folder}/00002.{suffix}")
    data = spaq(root)
    assert data.names == (f"00001.{suffix}", f"00002.{suffix}")
    assert data.mos.tolist() == [32.44, 61]
    assert data.higher_is_better


def test_labels_as_csv_need_no_spreadsheet_reader(root, draw):
    draw(root, "TestImage/00001.jpg", "TestImage/00002.jpg")
    (root / "Annotations" / "MOS and Image attribute scores.xlsx").unlink()
    (root / "MOS and Image attribute scores.csv").write_text("Image name,MOS\n00001.jpg,30\n00002.jpg,40\n")
    assert spaq(root).mos.tolist() == [30, 40]


def test_the_resized_images_can_be_chosen(root, draw):
    draw(root, *(f"{folder}/0000{index}.jpg" for folder in ("TestImage", "512x384") for index in (1, 2)))
    assert {path.parent.name for path in spaq(root).paths} == {"TestImage"}
    assert {path.parent.name for path in spaq(root, folder="512x384").paths} == {"512x384"}


def test_what_is_wrong_is_named(root, draw):
    with pytest.raises(InputError, match="the image folder not found"):
        spaq(root)
    draw(root, "TestImage/00001.jpg")
    with pytest.raises(InputError, match=r"1 of 2 images are missing: .*00002\.jpg"):
        spaq(root)
