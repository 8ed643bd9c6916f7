"""Kind J, folders: an archive unpacked into a folder of its own is found for every release, and never guessed."""

import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from iqa_zoo.data import live as live_module
from iqa_zoo.errors import InputError
from iqa_zoo.registry import DATASETS

# For each release: images, and label files as text; a small part of the official layout.
LAYOUTS = {
    "agiqa3k": (["a.jpg"], {"data.csv": "name,prompt,mos_quality\na.jpg,a corgi,1\n"}),
    "bid": (
        ["ImageDatabase/DatabaseImage0001.JPG"],
        {"DatabaseGrades.csv": "Image Number,Average Subjective Grade\n1,2\n"},
    ),
    "biq2021": (
        ["Images/ss01 (1).jpg", "Images/ss01 (2).jpg"],
        {"Train.csv": "Image Name,MOS\nss01 (1).jpg,.5\n", "Test.csv": "Image Name,MOS\nss01 (2).jpg,.5\n"},
    ),
    "cid2013": (
        ["IS1/co1/IS_I_C01_D01.jpg"],
        {"CID2013 data - version 1.csv": "Source_ID,Realigned MOS\nIS_I_C01_D01,2\n"},
    ),
    "csiq": (["dst_imgs/awgn/1600.AWGN.1.png"], {"csiq_label.txt": "1600.AWGN.1.png 0.1\n"}),
    "kadid10k": (["images/I01_01_01.png"], {"dmos.csv": "dist_img,dmos\nI01_01_01.png,2\n"}),
    "koniq10k": (["512x384/1.jpg"], {"koniq10k_scores_and_distributions.csv": "image_name,MOS_zscore\n1.jpg,2\n"}),
    "koniqpp": (
        ["512x384/1.jpg"],
        {
            "koniq10k_scores_and_distributions.csv": "image_name,MOS_zscore\n1.jpg,2\n",
            "koniq++database.csv": "filename,artifacts,blur,contrast,colors\n1.jpg,1,0,0,0\n",
        },
    ),
    "live": ([f"{folder}/img1.bmp" for folder in live_module.FOLDERS], {"dmos.mat": "", "refnames_all.mat": ""}),
    "live_fb": (
        ["database/blur_dataset/1.jpg"],
        {"labels_image.csv": "name,mos\nblur_dataset/1.jpg,2\n", "labels640.csv": "name_image\nblur_dataset/1.jpg\n"},
    ),
    "livec": (["Images/8.bmp"], {"Data/AllImages_release.mat": "", "Data/AllMOS_release.mat": ""}),
    "pipal": (["Distortion_2/A0001_00_00.bmp"], {"Train_Label/A0001.txt": "A0001_00_00.bmp,1500\n"}),
    "spaq": (
        ["TestImage/00001.jpg"],
        {"Annotations/MOS and Image attribute scores.csv": "Image name,MOS\n00001.jpg,2\n"},
    ),
    "uhd_iqa": (["test/1.jpg"], {"uhd-iqa-metadata.csv": "image_name,quality_mos,set\n1.jpg,.5,test\n"}),
    "tid2013": (["distorted_images/i01_01_1.bmp"], {"mos_with_names.txt": "2.5 i01_01_1.bmp\n"}),
}
MATLAB = {
    "dmos.mat": {"dmos": np.ones(5), "orgs": np.zeros(5)},
    "refnames_all.mat": {"refnames_all": np.array(["a.bmp"] * 5, dtype=object)},
    "AllImages_release.mat": {"AllImages_release": np.array([f"{n}.bmp" for n in range(1, 9)], dtype=object)},
    "AllMOS_release.mat": {"AllMOS_release": np.ones(8)},
}


def unpack(name, folder):
    images, labels = LAYOUTS[name]
    for path in [*images, *labels]:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for path in images:
        Image.new("RGB", (8, 8)).save(folder / path)
    for path, text in labels.items():
        if path.endswith(".mat"):
            savemat(folder / path, MATLAB[(folder / path).name])
        else:
            (folder / path).write_text(text)


@pytest.fixture(autouse=True)
def one_image_a_folder(monkeypatch):
    monkeypatch.setattr(live_module, "FOLDERS", dict.fromkeys(live_module.FOLDERS, 1))


def test_every_release_is_tried():
    assert set(LAYOUTS) == set(DATASETS.built_in()) - {"demo", "table"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_release_one_folder_deeper(tmp_path, name):
    load = DATASETS.get(name)
    unpack(name, tmp_path / "root" / "archive-1.0")
    (tmp_path / "root" / "__MACOSX").mkdir()
    for path in [*LAYOUTS[name][0], *LAYOUTS[name][1]]:  # what macOS leaves in archives
        (tmp_path / "root" / "__MACOSX" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / "__MACOSX" / path).touch()
    (tmp_path / "root" / "readme.txt").touch()
    deeper, direct = (load(tmp_path / path, subset=True) for path in ("root", "root/archive-1.0"))
    assert deeper.paths == direct.paths
    assert deeper.mos.tolist() == direct.mos.tolist()
    assert deeper.official_split == direct.official_split


@pytest.mark.parametrize("name", LAYOUTS)
def test_two_copies_are_an_error_that_names_both(tmp_path, name):
    unpack(name, tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    with pytest.raises(InputError, match=r"may be .*/one/.* or .*/two/.*; give the folder of one, or remove the other"):
        DATASETS.get(name)(tmp_path, subset=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_folder_itself_counts_before_deeper_ones(tmp_path, name):
    unpack(name, tmp_path)
    shutil.copytree(tmp_path, tmp_path.parent / f"copy of {tmp_path.name}")
    shutil.move(tmp_path.parent / f"copy of {tmp_path.name}", tmp_path / "copy")
    if name == "agiqa3k":  # its images may lie in any folder
        with pytest.raises(InputError, match=r"a\.jpg may be "):
            DATASETS.get(name)(tmp_path, subset=True)
        return
    data = DATASETS.get(name)(tmp_path, subset=True)
    assert not [path for path in data.paths if tmp_path / "copy" in path.parents]


def test_other_data_sets_beside_it_are_no_candidates(tmp_path):
    for name in ("kadid10k", "koniq10k"):
        unpack(name, tmp_path / name)
    (tmp_path / "photographs" / "images").mkdir(parents=True)
    (tmp_path / "old" / "512x384").mkdir(parents=True)
    for name in ("kadid10k", "koniq10k"):
        data = DATASETS.get(name)(tmp_path, subset=True)
        assert all(tmp_path / name in path.parents for path in data.paths)


def test_archives_unpacked_into_a_folder_each(tmp_path):
    unpack("koniq10k", tmp_path / "labels")
    shutil.move(tmp_path / "labels" / "512x384", tmp_path / "images" / "512x384")
    assert DATASETS.get("koniq10k")(tmp_path, subset=True).paths == (tmp_path / "images" / "512x384" / "1.jpg",)


def test_live_fb_in_a_folder_called_flive(tmp_path):
    unpack("live_fb", tmp_path / "FLIVE")
    for root in (tmp_path, tmp_path / "FLIVE"):
        assert DATASETS.get("live_fb")(root, subset=True).names == ("1.jpg",)


def test_what_belongs_to_a_label_file_is_searched_beside_it_first(tmp_path):
    (tmp_path / "csiq" / "dst_imgs").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "csiq" / "dst_imgs" / "1600.AWGN.1.png")
    (tmp_path / "csiq" / "im_names.txt").write_text("1600.AWGN.1.png\n")
    (tmp_path / "csiq" / "scores.txt").write_text("0.1\n")
    (tmp_path / "scores.txt").write_text("0.9\n")
    assert DATASETS.get("csiq")(tmp_path, subset=True).mos.tolist() == [0.1]


def test_images_beside_the_labels_and_a_copy_in_a_folder(tmp_path):
    unpack("bid", tmp_path)
    shutil.move(tmp_path / "ImageDatabase" / "DatabaseImage0001.JPG", tmp_path)
    assert DATASETS.get("bid")(tmp_path, subset=True).paths == (tmp_path / "DatabaseImage0001.JPG",)
    shutil.copy(tmp_path / "DatabaseImage0001.JPG", tmp_path / "ImageDatabase")
    with pytest.raises(InputError, match=r"DatabaseImage0001\.JPG may be .* or .*ImageDatabase/DatabaseImage0001\.JPG"):
        DATASETS.get("bid")(tmp_path, subset=True)


def test_a_table_one_folder_deeper(tmp_path):
    for index, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        for name in ("a.png", "b.png"):
            Image.new("RGB", (8, 8)).save(tmp_path / folder / name)
        (tmp_path / folder / "s.csv").write_text("image,mos\na.png,1\nb.png,2\n")
        if index == 0:
            assert DATASETS.get("table")(tmp_path).paths == (tmp_path / "one" / "a.png", tmp_path / "one" / "b.png")
    with pytest.raises(InputError, match=r"has 2 CSV files \(one/s\.csv, two/s\.csv\); give the one with the scores"):
        DATASETS.get("table")(tmp_path)
    assert len(DATASETS.get("table")(tmp_path, labels="two/s.csv")) == 2
