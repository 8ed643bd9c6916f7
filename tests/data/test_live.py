import numpy as np
import pytest
from scipy.io import savemat

from iqa_zoo.data import live as module
from iqa_zoo.data.live import live
from iqa_zoo.data.ratings import describe_ratings
from iqa_zoo.errors import InputError

# Three images a folder instead of 174 to 233; the second of each is a copy of its reference.
NAMES = [f"{folder}/img{index}.bmp" for folder in module.FOLDERS for index in (1, 2, 3)]
REFERENCES = ["parrots.bmp", "womanhat.bmp", "womanhat.bmp"] * 5
COPIES = [0, 1, 0] * 5


@pytest.fixture
def root(tmp_path, draw, expect, monkeypatch):
    monkeypatch.setattr(module, "FOLDERS", dict.fromkeys(module.FOLDERS, 3))
    expect(module, images=10, contents=2)
    draw(tmp_path, *NAMES)
    cells = np.empty((1, 15), dtype=object)
    cells[0] = REFERENCES
    savemat(tmp_path / "refnames_all.mat", {"refnames_all": cells})
    savemat(tmp_path / "dmos.mat", {"dmos": np.arange(15.0)[None] + 50, "orgs": np.array([COPIES])})
    realigned = {"dmos_new": np.arange(15.0)[None], "orgs": np.array([COPIES]), "dmos_std": np.arange(15.0)[None] / 2}
    savemat(tmp_path / "dmos_realigned.mat", realigned)
    return tmp_path


@pytest.mark.slow
def test_official_layout(root):
    data = live(root)
    assert data.names[:3] == ("jp2k/img1.bmp", "jp2k/img3.bmp", "jpeg/img1.bmp")
    assert data.mos.tolist() == [0, 2, 3, 5, 6, 8, 9, 11, 12, 14]
    assert data.references[:3] == ("parrots.bmp", "womanhat.bmp", "parrots.bmp")
    assert data.distortions[:3] == ("jp2k", "jp2k", "jpeg")
    assert not data.higher_is_better
    assert data.label == "DMOS (realigned)"
    assert data.deviations.tolist() == [0, 1, 1.5, 2.5, 3, 4, 4.5, 5.5, 6, 7]
    assert data.ratings is None
    assert describe_ratings(data).endswith("the number of the ratings of an image is not known")


@pytest.mark.slow
def test_without_realigned_scores_the_label_says_so(root):
    (root / "dmos_realigned.mat").unlink()
    data = live(root)
    assert data.label == "DMOS (not realigned)"
    assert data.mos[0] == 50
    assert data.deviations is None


@pytest.mark.slow
def test_a_missing_image_is_named(root):
    (root / "gblur" / "img3.bmp").unlink()
    with pytest.raises(InputError, match=r"1 of 10 images are missing: .*gblur/img3\.bmp"):
        live(root)
    assert len(live(root, subset=True)) == 9


@pytest.mark.slow
def test_label_files_of_another_length_are_refused(root):
    labels = {"dmos_new": np.arange(14.0)[None], "orgs": np.array([COPIES]), "dmos_std": np.ones((1, 15))}
    savemat(root / "dmos_realigned.mat", labels)
    with pytest.raises(InputError, match=r"dmos_realigned\.mat has 14 entries; the release has 15"):
        live(root)


@pytest.mark.parametrize("file", ["refnames_all.mat", "dmos.mat"])
def test_a_missing_label_file_is_named(root, file):
    (root / "dmos_realigned.mat").unlink()
    (root / file).unlink()
    with pytest.raises(InputError, match=rf"{file[:-4]}\.mat; get the release from https://live"):
        live(root)
