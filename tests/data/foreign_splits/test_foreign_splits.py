"""Splits of ARNIQA, LIQE and pyiqa, in files as these projects write them."""

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.foreign_splits.read import is_foreign
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import load_splits, make_splits, save_splits
from iqa_zoo.errors import InputError

CONTENTS = ("a", "b", "c", "d", "e")
NAMES = [f"{content}_{level}.png" for content in CONTENTS for level in (1, 2)]


def make_data(names=NAMES, references=True, folder="images", **more):
    paths = tuple(Path("set") / folder / name for name in names)
    contents = tuple(name[0] for name in names) if references else None
    facts = dict(score_range=(0, 1000), licence="", source="", references=contents)
    return RatedImages("toy", paths, np.arange(float(len(names))), **facts, **more)


@pytest.fixture
def data():
    return make_data()


def name_parts(split, data):
    return {part: [data.names[i] for i in getattr(split, part)] for part in ("train", "validation", "test")}


# The split that all files below hold, in the data's order: contents a, b, c train, d validates, e tests.
EXPECTED = {"train": NAMES[:6], "validation": NAMES[6:8], "test": NAMES[8:]}


@pytest.fixture
def arniqa(tmp_path):
    """Write two splits of ARNIQA: the second in reverse, without a validation part."""

    def write(train=(range(6), range(2, 10)), val=(range(6, 8), ()), test=(range(8, 10), range(2))):
        folder = tmp_path / "splits"
        folder.mkdir(exist_ok=True)
        for name, rows in (("train", train), ("val", val), ("test", test)):
            filled = -np.ones((len(rows), max(map(len, rows))), dtype=np.int64)
            for row, values in zip(filled, rows, strict=True):
                row[: len(values)] = list(values)
            np.save(folder / f"{name}.npy", filled)
        return folder

    return write


def test_arniqa(data, arniqa):
    first, second = load_splits(arniqa(), data)
    assert name_parts(first, data) == EXPECTED
    assert name_parts(second, data) == {"train": NAMES[2:], "validation": [], "test": NAMES[:2]}
    assert load_splits(arniqa() / "test.npy", data)[0].id == first.id


def test_arniqa_in_the_order_of_a_list_beside_it(data, arniqa):
    shuffled = [NAMES[i] for i in (8, 9, 0, 1, 2, 3, 4, 5, 6, 7)]
    folder = arniqa(train=[[2, 3, 4, 5, 6, 7]], val=[[8, 9]], test=[[0, 1]])
    lines = ["dis_img_path,dis_type,ref_img_path,score", *(f"toy/images/{name},blur,x.png,1" for name in shuffled)]
    (folder.parent / "toy.txt").write_text("\n".join(lines))
    assert name_parts(load_splits(folder, data)[0], data) == EXPECTED
    (folder.parent / "toy.txt").write_text("\n".join(lines[:5]))
    with pytest.raises(InputError, match="position 9 is beyond the list of 4 images"):
        load_splits(folder, data)


def test_positions_in_another_order_are_found_out_by_contents(data, arniqa):
    folder = arniqa(train=[[0, 2, 4, 6, 8, 1]], val=[[3, 5]], test=[[7, 9]])
    with pytest.raises(InputError, match=r"content b is in train and validation; .*put that list beside it"):
        load_splits(folder, data)


def test_positions_that_nothing_confirms_are_a_warning(arniqa):
    data = make_data(references=False)
    with pytest.warns(UserWarning, match=r"names images by their positions; .* which nothing confirms"):
        assert name_parts(load_splits(arniqa(), data)[0], data) == EXPECTED


def test_positions_are_refused_for_the_photographs_of_the_package_which_are_in_another_order(arniqa, liqe, tmp_path):
    data = make_data(references=False, box=tmp_path / "box.json")
    with pytest.raises(InputError, match="the toy of the package is in another order; give --root"):
        load_splits(arniqa(), data)
    assert name_parts(load_splits(liqe(), data)[0], data) == EXPECTED  # names are enough


def test_positions_of_a_longer_list_are_refused(data, arniqa):
    with pytest.raises(
        InputError, match=r"has 10 positions up to 12, and the data 10 images: they are positions in another list"
    ):
        load_splits(arniqa(train=[range(6)], val=[range(6, 8)], test=[[8, 12]]), data)
    official = make_data(official_split=("train",) * 9 + ("test",))
    with pytest.raises(InputError, match="take the split of the release with --official"):
        load_splits(arniqa(train=[range(5)], val=[range(6, 8)], test=[[8]]), official)


def test_arrays_of_anything_else_are_refused_and_never_unpickled(data, arniqa):
    folder = arniqa()
    (folder / "test.npy").unlink()
    with pytest.raises(InputError, match=r"has no test\.npy"):
        load_splits(folder, data)
    np.save(folder / "test.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"test\.npy is not an array of positions"):
        load_splits(folder, data)
    for wrong in (np.array([0.5]), np.zeros((1, 1, 1), int), np.array([-2])):
        np.save(folder / "test.npy", wrong)
        with pytest.raises(InputError, match=r"test\.npy is not an array of positions"):
            load_splits(folder, data)
    (folder / "test.npy").write_bytes(
        b"\x93NUMPY\x01\x00F\x00{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999,)}".ljust(80)
    )
    with pytest.raises(InputError, match=r"test\.npy is not an array of positions"):
        load_splits(folder, data)
    np.save(folder / "test.npy", np.array([8, 9]))
    with pytest.raises(InputError, match="different numbers of splits: 1, 2"):
        load_splits(folder, data)


@pytest.fixture
def liqe(tmp_path):
    """Write splits of LIQE into splits2/1 and splits2/2, lines as in its repository."""

    def write(parts=EXPECTED, numbers=(1, 2), suffix="_clip"):
        for number in numbers:
            folder = tmp_path / "splits2" / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            for part, names in parts.items():
                lines = [f"images/{name}\t0.969\twhite noise\tplant\tinvalid\tinvalid" for name in names]
                word = {"validation": "val"}.get(part, part)
                (folder / f"toy_{word}{suffix}.txt").write_text("\n".join(lines) + "\n")
        return tmp_path / "splits2"

    return write


def test_liqe(data, liqe):
    folder = liqe()
    splits = load_splits(folder, data)
    assert [name_parts(split, data) for split in splits] == [EXPECTED, EXPECTED]
    assert len(load_splits(folder / "2", data)) == 1
    assert len(load_splits(folder / "1" / "toy_test_clip.txt", data)) == 1


def test_ten_folders_of_liqe_in_their_order(data, liqe):
    liqe(numbers=range(1, 11))
    folder = liqe({"train": NAMES[2:], "test": NAMES[:2]}, numbers=[10])
    (folder / "10" / "toy_val_clip.txt").unlink()
    assert [len(split.train) for split in load_splits(folder, data)] == [6] * 9 + [8]


def test_other_lists_beside_those_of_liqe(data, liqe):
    folder = liqe(numbers=[1])
    (folder / "1" / "koniq10k_test.txt").write_text("1024x768/1.jpg\t1\n")
    assert name_parts(load_splits(folder, data)[0], data) == EXPECTED
    (folder / "1" / "koniq10k_test_clip.txt").write_text("1024x768/1.jpg\t1\n")
    with pytest.raises(InputError, match=r"holds the splits of several datasets \(koniq10k, toy\)"):
        load_splits(folder, data)


def test_names_that_repeat_are_told_apart_by_their_folders(tmp_path, liqe):
    names = [f"{folder}/img{i}.bmp" for folder in ("jp2k", "jpeg") for i in (1, 2)]
    data = make_data(names, references=False, folder="LIVE")
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "live_train_clip.txt").write_text("jp2k/img1.bmp\t1\njpeg/img2.bmp\t1\n")
    (folder / "live_test_clip.txt").write_text("jp2k/img2.bmp\t1\njpeg/img1.bmp\t1\n")
    split = load_splits(folder, data)[0]
    assert (split.train.tolist(), split.test.tolist()) == ([0, 3], [1, 2])


def test_images_that_are_not_in_the_data(data, liqe):
    folder = liqe({**EXPECTED, "test": [*NAMES[8:], "z_1.png"]}, numbers=[1])
    with pytest.raises(InputError, match=r"lists 1 images that are not in the data: images/z_1\.png"):
        load_splits(folder, data)
    many = make_data([f"{i}.png" for i in range(200)], references=False)
    folder = liqe({"train": [*many.names[:150], "t1.png"], "test": many.names[150:]}, numbers=[1])
    (folder / "1" / "toy_val_clip.txt").unlink()
    with pytest.warns(UserWarning, match=r"1 images are not in the data and left out: images/t1\.png"):
        assert len(load_splits(folder, many)[0].train) == 150


def test_a_split_that_leaks_or_lists_an_image_twice(data, liqe):
    folder = liqe({**EXPECTED, "test": NAMES[7:]}, numbers=[1])
    with pytest.raises(InputError, match=r"lists 1 images more than once: d_2\.png"):
        load_splits(folder, data)
    folder = liqe({"train": NAMES[:5], "validation": NAMES[6:8], "test": [NAMES[5], *NAMES[8:]]}, numbers=[1])
    with pytest.raises(InputError, match="leaks: content c is in train and test"):
        load_splits(folder, data)


def write_meta_info(path, names=NAMES, words=("train", "val", "test"), **columns):
    train, val, test = words
    split = [train] * 6 + [val] * 2 + [test] * 2
    columns = {
        "ref_name": ["x.png"] * 10,
        "dist_name": names,
        "mos": ["1.5"] * 10,
        "ratio802_seed123_split_01": split,
        **columns,
    }
    rows = [",".join(columns), *(",".join(row) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows))
    return path


def test_columns_of_a_meta_info(data, tmp_path):
    reverse = ["test"] * 2 + ["train"] * 8
    path = write_meta_info(tmp_path / "meta_info_toy.csv", ratio802_seed123_split_02=reverse)
    first, second = load_splits(path, data)
    assert name_parts(first, data) == EXPECTED
    assert name_parts(second, data) == {"train": NAMES[2:], "validation": [], "test": NAMES[:2]}
    with pytest.raises(InputError, match=r"it needs a column of image names .* it has a, b"):
        load_splits(_write(tmp_path / "other.csv", "a,b\n1,2\n"), data)


def test_a_validation_part_that_is_the_held_out_one(data, tmp_path):
    path = write_meta_info(tmp_path / "m.csv", words=("train", "val", "val"))
    with pytest.warns(UserWarning, match="it has no test part; its validation part is the test part here"):
        split = load_splits(path, data)[0]
    assert name_parts(split, data) == {"train": NAMES[:6], "validation": [], "test": NAMES[6:]}


POSITIONS = {1: {"train": list(range(6)), "val": [6, 7], "test": [8, 9]}}


def _write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_positions(data, tmp_path, protocol):
    path = _write(tmp_path / "toy_seed123.pkl", pickle.dumps(POSITIONS, protocol))
    assert name_parts(load_splits(path, data)[0], data) == EXPECTED


def test_positions_in_the_meta_info_beside_the_pickle(data, tmp_path):
    order = [8, 9, 0, 1, 2, 3, 4, 5, 6, 7]
    write_meta_info(tmp_path / "meta_info_ToyDataset.csv", [NAMES[i] for i in order])
    write_meta_info(tmp_path / "meta_info_OtherDataset.csv", [f"z{i}.png" for i in range(10)])
    positions = {1: {"train": [2, 3, 4, 5, 6, 7], "val": [8, 9], "test": [0, 1]}}
    path = _write(tmp_path / "toy_seed123.pkl", pickle.dumps(positions))
    assert name_parts(load_splits(path, data)[0], data) == EXPECTED


def test_json_of_positions_or_names(data, tmp_path):
    content = {str(key): parts for key, parts in POSITIONS.items()}
    assert name_parts(load_splits(_write(tmp_path / "s.json", json.dumps(content)), data)[0], data) == EXPECTED
    assert name_parts(load_splits(_write(tmp_path / "s.json", json.dumps(EXPECTED)), data)[0], data) == EXPECTED


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("make", [Evil, lambda path: OrderedDict(POSITIONS), lambda path: {1: {"train": np.arange(3)}}])
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_that_needs_any_class_or_function_is_refused_and_does_nothing(data, tmp_path, make, protocol):
    path = _write(tmp_path / "evil.pkl", pickle.dumps(make(str(tmp_path / "made")), protocol))
    with pytest.raises(
        InputError, match=r"is not read: it holds \w+.* only dicts, lists, numbers and text are.* write it as JSON"
    ):
        load_splits(path, data)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"junk", pickle.dumps([1, 2]), pickle.dumps({1: {"train": [1.5], "test": [0]}})]
)
def test_a_damaged_pickle(data, tmp_path, content):
    with pytest.raises(InputError, match=r"s\.pkl"):
        load_splits(_write(tmp_path / "s.pkl", content), data)


def test_own_files_are_not_foreign(data, tmp_path):
    save_splits(tmp_path / "own.json", data, make_splits(data, 2))
    assert not is_foreign(tmp_path / "own.json")
    assert len(load_splits(tmp_path / "own.json", data)) == 2
    for content in ("[1]", '{"splits": 3}', "{}", "["):
        assert not is_foreign(_write(tmp_path / "other.json", content))
    with pytest.raises(InputError, match="no split file"):
        load_splits(tmp_path / "gone.npy", data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty holds no splits of LIQE .* or ARNIQA"):
        load_splits(tmp_path / "empty", data)
