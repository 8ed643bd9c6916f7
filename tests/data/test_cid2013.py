import pytest

from iqa_zoo.data import cid2013 as module
from iqa_zoo.data.cid2013 import cid2013
from iqa_zoo.errors import InputError

LABELS = "CID2013 data - version 12112014.xlsx"
ROWS = [
    ["Source_ID", "Image set specific  MOS", "Realigned MOS", "Sharpness"],
    ["IS_I_C01_D01", 10.5, 3.34, 20],
    ["IS_IV_C01_D12", 1.5, -9.549, 5],
    ["IS_VI_C08_D14", 12.5, 10.481, 30],
]
PLACES = ("IS1/co1/IS_I_C01_D01.jpg", "IS4/co1/IS_IV_C01_D12.jpg", "IS6/co8/IS_VI_C08_D14.jpg")


@pytest.fixture
def root(tmp_path, expect, spreadsheet):
    expect(module, images=3, contents=2)
    spreadsheet(tmp_path / LABELS, ROWS, sheet="CID2013 MOS", first="Read me")
    return tmp_path


@pytest.mark.parametrize("flat", [False, True])
def test_layouts(root, draw, flat):
    draw(root, *(place.rpartition("/")[2] if flat else place for place in PLACES))
    data = cid2013(root)
    assert [path.name for path in data.paths] == [place.rpartition("/")[2] for place in PLACES]
    assert data.mos.tolist() == [3.34, -9.549, 10.481]
    assert data.label == "MOS (realigned)"
    assert data.higher_is_better


def test_photographs_of_one_scene_are_one_content_in_every_image_set(root, draw):
    draw(root, *PLACES)
    assert cid2013(root).references == ("C01", "C01", "C08")


def test_what_is_wrong_is_named(root, draw, spreadsheet):
    draw(root, *PLACES[:2])
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*IS_VI_C08_D14\.jpg"):
        cid2013(root)
    spreadsheet(root / LABELS, [ROWS[0], ["IS_I_D01", 1, 2, 3]], sheet="CID2013 MOS")
    with pytest.raises(InputError, match="'IS_I_D01' is not an image name like IS_I_C01_D01"):
        cid2013(root)
    spreadsheet(root / "CID2013 data - version 2.xlsx", ROWS, sheet="CID2013 MOS")
    with pytest.raises(InputError, match="the labels may be .* or .*; give the folder of one"):
        cid2013(root)
    with pytest.raises(
        InputError, match=r"nowhere does not exist; get the release from https://zenodo\.org/records/2647033"
    ):
        cid2013(root / "nowhere")
