from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from iqa_zoo.data import livec as module
from iqa_zoo.data.livec import livec
from iqa_zoo.errors import InputError
from iqa_zoo.registry import DATASETS

NAMES = [f"t{index}.bmp" for index in range(1, 8)] + ["100.bmp", "3.bmp", "900.JPG", "1169.JPG"]
MOS = [50.0] * 7 + [32.5, 66.25, 3.42, 92.43]
DEVIATIONS = [1.0] * 7 + [19.5, 20.0, 17.25, 21.0]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The official layout with four images: names in a column of cells, scores in a row."""
    monkeypatch.setattr(module, "RELEASE", replace(module.RELEASE, images=4))
    (tmp_path / "Images" / "trainingImages").mkdir(parents=True)
    (tmp_path / "Data").mkdir()
    for name in NAMES:
        folder = tmp_path / "Images" / ("trainingImages" if name.startswith("t") else "")
        Image.new("RGB", (8, 8)).save(folder / name)
    cells = np.empty((len(NAMES), 1), dtype=object)
    cells[:, 0] = NAMES
    savemat(tmp_path / "Data" / "AllImages_release.mat", {"AllImages_release": cells})
    savemat(tmp_path / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.array(MOS)[None]})
    savemat(tmp_path / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": np.array(DEVIATIONS)[None]})
    return tmp_path


@pytest.mark.slow
def test_official_layout_without_the_practice_images(root):
    data = livec(root)
    assert "livec" in DATASETS.built_in()
    assert data.names == ("100.bmp", "3.bmp", "900.JPG", "1169.JPG")
    assert data.mos.tolist() == [32.5, 66.25, 3.42, 92.43]
    assert data.deviations.tolist() == [19.5, 20.0, 17.25, 21.0]
    assert data.ratings.tolist() == [175] * 4
    assert "average" in data.ratings_note
    assert data.box is None
    assert all(path.is_file() for path in data.paths)
    assert data.higher_is_better
    assert data.references is None
    assert data.label == "MOS"


@pytest.mark.slow
def test_the_folder_above_will_do(root, tmp_path_factory):
    above = tmp_path_factory.mktemp("above")
    root.rename(above / "ChallengeDB_release")
    assert len(livec(above)) == 4


@pytest.mark.slow
def test_a_missing_image_is_named(root):
    (root / "Images" / "3.bmp").unlink()
    with pytest.raises(InputError, match=r"1 of 4 images are missing: .*3\.bmp; get them from https://live"):
        livec(root)
    assert livec(root, subset=True).names == ("100.bmp", "900.JPG", "1169.JPG")


@pytest.mark.slow
def test_deviations_may_be_missing_and_must_be_as_many_as_scores(root):
    file = root / "Data" / "AllStdDev_release.mat"
    savemat(file, {"AllStdDev_release": np.array(DEVIATIONS[:-1])[None]})
    with pytest.raises(
        InputError, match=r"AllMOS_release.mat has 11 scores and .*AllStdDev_release.mat has 10 deviations"
    ):
        livec(root)
    file.unlink()
    assert livec(root).deviations is None


def test_a_missing_label_file_or_root_is_named(root):
    (root / "Data" / "AllMOS_release.mat").unlink()
    with pytest.raises(InputError, match=r"holds no AllMOS_release\.mat; get the release from https://live"):
        livec(root)
    (root / "Data" / "AllImages_release.mat").unlink()
    with pytest.raises(InputError, match=r"AllImages_release\.mat; get the release from"):
        livec(root)
    with pytest.raises(InputError, match="gone does not exist"):
        livec(root / "gone")


@pytest.mark.slow
def test_labels_of_another_count_are_refused(root):
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": np.array(MOS[:-1])[None]})
    with pytest.raises(InputError, match=r"names 11 images and .* has 10 scores"):
        livec(root)
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMos": np.array(MOS)[None]})
    with pytest.raises(InputError, match=r"no variable 'AllMOS_release'.*AllMos"):
        livec(root)
    (root / "Data" / "AllMOS_release.mat").write_text("no")
    with pytest.raises(InputError, match=r"AllMOS_release\.mat is not a MATLAB file"):
        livec(root)


@pytest.mark.slow
def test_another_number_of_images_is_refused(root, monkeypatch):
    monkeypatch.setattr(module, "RELEASE", replace(module.RELEASE, images=1162))
    with pytest.raises(InputError, match="the labels list 4 images, the release has 1162"):
        livec(root)
