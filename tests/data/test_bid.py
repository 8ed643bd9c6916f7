import pytest

from iqa_zoo.data import bid as module
from iqa_zoo.data.bid import bid
from iqa_zoo.errors import InputError

ROWS = [["Image Number", "Average Subjective Grade", "std"], [1, 2.25, 0.5], [24, 4.92, 0.7]]


@pytest.fixture
def root(tmp_path, expect, spreadsheet):
    expect(module, images=2)
    spreadsheet(tmp_path / "DatabaseGrades.xlsx", ROWS)
    return tmp_path


@pytest.mark.parametrize("folder", ["ImageDatabase/", ""])
def test_layouts(root, draw, folder):
    draw(root, f"{folder}DatabaseImage0001.JPG", f"{folder}DatabaseImage0024.JPG")
    data = bid(root)
    assert data.names == ("DatabaseImage0001.JPG", "DatabaseImage0024.JPG")
    assert data.mos.tolist() == [2.25, 4.92]
    assert data.higher_is_better


def test_what_is_wrong_is_named(root, draw):
    draw(root, "ImageDatabase/DatabaseImage0001.JPG")
    with pytest.raises(InputError, match=r"1 of 2 images are missing: .*DatabaseImage0024\.JPG"):
        bid(root)
    (root / "DatabaseGrades.xlsx").unlink()
    with pytest.raises(InputError, match=r"holds no DatabaseGrades\.csv or DatabaseGrades\.xlsx"):
        bid(root)
