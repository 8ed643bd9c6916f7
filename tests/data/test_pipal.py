import pytest

from iqa_zoo.data import pipal as module
from iqa_zoo.data.pipal import pipal
from iqa_zoo.errors import InputError

NAMES = ("A0001_00_00.bmp", "A0001_01_03.bmp", "A0002_00_00.bmp", "A0002_06_11.bmp")


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=4, contents=2)
    draw(tmp_path, "Train_Ref/A0001.bmp", "Train_Ref/A0002.bmp")
    (tmp_path / "Train_Label").mkdir()
    (tmp_path / "Train_Label" / "A0001.txt").write_text("A0001_00_00.bmp,1517.643\nA0001_01_03.bmp,1300.5\n")
    (tmp_path / "Train_Label" / "A0002.txt").write_text("A0002_00_00.bmp,916.7\nA0002_06_11.bmp,1836.0\n")
    return tmp_path


@pytest.mark.parametrize(
    "folders", [["Distortion_1", "Distortion_2", "Distortion_1", "Distortion_4"], ["Dist_Imgs"] * 4]
)
def test_layouts(root, draw, folders):
    draw(root, *(f"{folder}/{name}" for folder, name in zip(folders, NAMES, strict=True)))
    data = pipal(root)
    assert data.names == NAMES
    assert data.mos.tolist() == [1517.643, 1300.5, 916.7, 1836.0]
    assert data.references == ("a0001", "a0001", "a0002", "a0002")
    assert data.distortions == ("group 00", "group 01", "group 00", "group 06")
    assert data.label == "MOS (Elo)"
    assert data.higher_is_better


def test_what_is_wrong_is_named(root, draw):
    with pytest.raises(InputError, match="the image folder not found"):
        pipal(root)
    draw(root, *(f"Dist_Imgs/{name}" for name in NAMES[:3]))
    with pytest.raises(InputError, match=r"1 of 4 images are missing: .*A0002_06_11\.bmp"):
        pipal(root)
    (root / "Train_Label" / "A0002.txt").write_text("A0002_00_00.bmp\n")
    with pytest.raises(
        InputError, match=r"A0002\.txt, line 1: 'A0002_00_00\.bmp' has 1 values, not 2 \(image, score\)"
    ):
        pipal(root)
