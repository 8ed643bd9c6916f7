import pytest

from iqa_zoo.data import koniqpp as module
from iqa_zoo.data.koniqpp import koniqpp
from iqa_zoo.errors import InputError

SETS = """image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set
1.jpg,0,0,25,73,7,105,70.64,10,training
2.jpg,0,3,45,47,1,96,61.23,11,test
"""
DEFECTS = """filename,artifacts,blur,contrast,colors
2.jpg,0.1,0.2,0.6,0.1
1.jpg,0.5,0.2,0.2,0.1
"""


@pytest.fixture
def root(tmp_path, draw, expect):
    expect(module, images=2)
    draw(tmp_path, "512x384/1.jpg", "512x384/2.jpg")
    (tmp_path / "koniq10k_distributions_sets.csv").write_text(SETS)
    (tmp_path / "koniq++database.csv").write_text(DEFECTS)
    return tmp_path


def test_official_layout(root):
    data = koniqpp(root)
    assert data.name == "koniqpp"
    assert data.names == ("1.jpg", "2.jpg")
    assert data.mos.tolist() == [70.64, 61.23]
    assert data.distortions == ("artifacts", "contrast")
    assert data.official_split == ("train", "test")
    assert data.ratings.tolist() == [105, 96]
    assert data.deviations[0] == pytest.approx(
        14.199, abs=0.01
    )  # .5273 raw, at (70.64 - 61.23) / (3.8286 - 3.4792) a grade


def test_what_is_wrong_is_named(root):
    (root / "koniq++database.csv").write_text(DEFECTS.replace("2.jpg", "3.jpg"))
    with pytest.raises(InputError, match=r"lacks 1 images of KonIQ-10k: 2\.jpg"):
        koniqpp(root)
    assert koniqpp(root, subset=True).names == ("1.jpg",)
    (root / "koniq++database.csv").write_text(DEFECTS.replace("0.6", "many"))
    with pytest.raises(InputError, match=r"the score of 2\.jpg is 'many'"):
        koniqpp(root)
    (root / "koniq++database.csv").unlink()
    with pytest.raises(InputError, match=r"holds no koniq\+\+database\.csv"):
        koniqpp(root)
