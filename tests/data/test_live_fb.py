import pytest

from iqa_zoo.data import live_fb as module
from iqa_zoo.data.live_fb import live_fb
from iqa_zoo.errors import InputError

NAMES = ("voc_emotic_ava/AVA__149.jpg", "blur_dataset/motion0001.jpg", "EE371R/cj23478+019.jpg", "voc_emotic_ava/2.jpg")
LABELS = "name,mos\n" + "".join(f"{name},{70 + index}\n" for index, name in enumerate(NAMES))


@pytest.fixture
def root(tmp_path, expect):
    expect(module, images=4)
    (tmp_path / "labels_image.csv").write_text(LABELS)
    return tmp_path


@pytest.mark.parametrize("top", ["database/", ""])
def test_official_layout(root, draw, top):
    draw(root, *(top + name for name in NAMES))
    data = live_fb(root)
    assert [path.relative_to(root / top).as_posix() for path in data.paths] == list(NAMES)
    assert data.mos.tolist() == [70, 71, 72, 73]
    assert data.official_split is None


def test_all_images_in_one_folder(root, draw):
    draw(root, *(f"FLIVE/{name.split('/')[1]}" for name in NAMES))
    assert live_fb(root).names == ("AVA__149.jpg", "motion0001.jpg", "cj23478+019.jpg", "2.jpg")


def test_official_split(root, draw):
    draw(root, *(f"database/{name}" for name in NAMES))
    (root / "labels640.csv").write_text(f"name_image,mos_image\n{NAMES[2]},72\n")
    assert live_fb(root).official_split == ("train", "train", "test", "train")
    padded = f"name_image,mos_image,is_valid\n{NAMES[0]},70,False\n{NAMES[1]},71,True\n"
    (root / "labels=640_padded.csv").write_text(padded)
    assert live_fb(root).official_split == ("train", "validation", "test", "train")


def test_a_missing_image_is_named(root, draw):
    draw(root, *(f"database/{name}" for name in NAMES[:3]))
    with pytest.raises(InputError, match=r"1 of 4 images are missing: .*voc_emotic_ava/2\.jpg"):
        live_fb(root)
