import pytest

from iqa_zoo.data import uhd_iqa as module
from iqa_zoo.data.uhd_iqa import uhd_iqa
from iqa_zoo.errors import InputError

LABELS = """image_name,quality_mos,set,subset,orig_width
1.jpg,0.76,training,,5515
4.jpg,0.5745,test,,5456
8.jpg,0.613,validation,,4272
"""


@pytest.fixture
def root(tmp_path, expect):
    expect(module, images=3)
    (tmp_path / "uhd-iqa-metadata.csv").write_text(LABELS)
    return tmp_path


@pytest.mark.parametrize(
    "places",
    [
        ("training/1.jpg", "test/4.jpg", "validation/8.jpg"),
        ("images/1.jpg", "images/4.jpg", "images/8.jpg"),
        ("1.jpg", "4.jpg", "8.jpg"),
    ],
)
def test_layouts(root, draw, places):
    draw(root, *places)
    data = uhd_iqa(root)
    assert [path.relative_to(root).as_posix() for path in data.paths] == list(places)
    assert data.mos.tolist() == [0.76, 0.5745, 0.613]
    assert data.official_split == ("train", "test", "validation")
    assert data.ratings.tolist() == [20, 20, 20]
    assert data.deviations is None
    assert data.higher_is_better


def test_what_is_wrong_is_named(root, draw):
    draw(root, "training/1.jpg", "test/4.jpg")
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*8\.jpg"):
        uhd_iqa(root)
    (root / "uhd-iqa-metadata.csv").write_text(LABELS.replace("validation", "exclusive"))
    with pytest.raises(InputError, match=r"8\.jpg is in set 'exclusive'; known: training, validation, test"):
        uhd_iqa(root)
