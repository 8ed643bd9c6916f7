import pytest

from iqa_zoo.data import agiqa3k as module
from iqa_zoo.data.agiqa3k import agiqa3k
from iqa_zoo.data.ratings import describe_ratings
from iqa_zoo.errors import InputError

NAMES = ("AttnGAN_normal_000.jpg", "midjourney_normal_000.jpg", "sd1.5_lowcorr_007.jpg")
LABELS = """name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align
AttnGAN_normal_000.jpg,"statue of a man, abstract style",,,abstract,0.5,0.2,1.5,0.3
midjourney_normal_000.jpg,"statue of a man, abstract style",,,abstract,4.489,0.2,3.5,0.3
sd1.5_lowcorr_007.jpg,a corgi,,,none,2.5,0.2,2.5,0.3
"""


@pytest.fixture
def root(tmp_path, expect):
    expect(module, images=3)
    (tmp_path / "data.csv").write_text(LABELS)
    return tmp_path


@pytest.mark.parametrize("folder", ["", "AGIQA-3K/"])
def test_layouts(root, draw, folder):
    draw(root, *(folder + name for name in NAMES))
    data = agiqa3k(root)
    assert data.names == NAMES
    assert data.mos.tolist() == [0.5, 4.489, 2.5]
    assert data.references == ("statue of a man, abstract style",) * 2 + ("a corgi",)
    assert data.licence == "MIT"
    assert data.deviations.tolist() == [0.2, 0.2, 0.2]
    assert data.ratings is None
    assert describe_ratings(data).endswith("the number of the ratings of an image is not known")


def test_what_is_wrong_is_named(root, draw):
    draw(root, *NAMES[:2])
    with pytest.raises(InputError, match=r"1 of 3 images are missing: .*sd1\.5_lowcorr_007\.jpg"):
        agiqa3k(root)
