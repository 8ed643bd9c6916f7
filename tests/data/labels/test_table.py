import pytest
from scipy.io import savemat

from iqa_zoo.data.labels import read_table


@pytest.fixture
def write(tmp_path, spreadsheet):
    def write(name):
        path = tmp_path / name
        if name.startswith("sheet"):
            spreadsheet(path, [["image", "mos"], ["a.png", 1.5]])
        elif name.startswith("matlab"):
            savemat(path, {"image": ["a.png"], "mos": [1.5]})
        else:
            path.write_text("image\tmos\na.png\t1.5\n")
        return path

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["t.csv", "t.tsv", "t.txt", "T.CSV", "t", "sheet.xlsx", "sheet.csv", "matlab.mat", "matlab.MAT"]
)
def test_the_content_decides_how_a_table_is_read(write, name):
    (row,) = read_table(write(name), ("image", "mos"), ("split",))
    assert (row.text("image"), row.number("mos"), row.optional_text("split")) == ("a.png", 1.5, "")
