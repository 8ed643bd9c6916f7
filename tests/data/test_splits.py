import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import check_leaks, load_official_split, load_splits, make_splits, save_splits
from iqa_zoo.errors import InputError


def rated(references=None, count=20, **changes):
    count = len(references) if references is not None else count
    return RatedImages(
        "toy",
        tuple(Path("d", f"{index}.png") for index in range(count)),
        np.linspace(0, 1, count),
        references=references,
        score_range=(0, 1),
        licence="CC0",
        source="nowhere",
        **changes,
    )


def parts(split):
    return [part.tolist() for part in (split.train, split.validation, split.test)]


@st.composite
def datasets(draw):
    num_contents = draw(st.integers(8, 40))
    sizes = draw(st.lists(st.integers(1, 5), min_size=num_contents, max_size=num_contents))
    references = [f"ref{index}" for index, size in enumerate(sizes) for _ in range(size)]
    return rated(references=draw(st.permutations(references)))


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(datasets(), st.integers(0, 2**32), st.floats(0.1, 0.6), st.sampled_from([0.0, 0.3, 0.5]))
def test_parts_are_disjoint_cover_all_and_share_no_reference(data, seed, test_fraction, validation_fraction):
    for split in make_splits(data, 2, seed, test_fraction, validation_fraction):
        assert sorted(index for part in parts(split) for index in part) == list(range(len(data)))
        contents = [{data.references[index] for index in part} for part in parts(split)]
        assert sum(map(len, contents)) == len(set().union(*contents))
        num_contents = len(set(data.references))
        assert len(contents[2]) == num_contents - round((1 - test_fraction) * num_contents)
        assert len(contents[1]) == round(validation_fraction * (num_contents - len(contents[2])))
        assert check_leaks(data, split) == []


@pytest.mark.parametrize(("num_contents", "num_train"), [(29, 23), (30, 24), (25, 20), (81, 65), (1162, 930)])
def test_eight_to_two_is_rounded_as_published(num_contents, num_train):
    split = make_splits(rated(count=num_contents), 1)[0]
    assert (len(split.train), len(split.test)) == (num_train, num_contents - num_train)


def test_split_k_depends_on_seed_and_k_only():
    data = rated(count=50)
    many, few = make_splits(data, 6, seed=3), make_splits(data, 2, seed=3)
    assert [split.id for split in few] == [split.id for split in many[:2]]
    assert len({split.id for split in many}) == 6
    assert make_splits(data, 1, seed=4)[0].id != many[0].id


def test_validation_is_held_out_of_training_and_leaves_the_test_part_alone():
    data = rated(count=100)
    plain, held = make_splits(data, 1)[0], make_splits(data, 1, validation_fraction=0.125)[0]
    assert held.test.tolist() == plain.test.tolist()
    assert len(held.validation) == 10
    assert sorted([*held.train, *held.validation]) == plain.train.tolist()
    assert held.id != plain.id


def test_every_image_gets_tested_about_as_often():
    counts = np.zeros(50)
    for split in make_splits(rated(count=50), 400):
        counts[split.test] += 1
    assert abs(counts - 80).max() < 5 * np.sqrt(400 * 0.2 * 0.8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(count=0), "at least 1"),
        (dict(count=1, test_fraction=0.0), "test_fraction is 0"),
        (dict(count=1, test_fraction=1.0), "test_fraction is 1"),
        (dict(count=1, test_fraction=0.01), "test part is empty; 4 contents"),
        (dict(count=1, test_fraction=0.99), "train part is empty"),
        (dict(count=1, validation_fraction=1.0), "validation_fraction is 1"),
        (dict(count=1, validation_fraction=0.1), "raise validation_fraction"),
    ],
)
def test_impossible_splits_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make_splits(rated(references=["a", "b", "c", "d", "d", "d"]), **changes)


def test_official_split():
    data = rated(references=list("aabbcd"), official_split=["train", "train", "train", "train", "", "test"])
    assert parts(load_official_split(data)) == [[0, 1, 2, 3], [], [5]]
    train, validation, test = parts(load_official_split(data, validation_fraction=0.5))
    assert test == [5]
    assert [train, validation] in ([[0, 1], [2, 3]], [[2, 3], [0, 1]])
    given_all = rated(references=list("abcd"), official_split=["test", "validation", "train", "train"])
    assert parts(load_official_split(given_all, validation_fraction=0.5)) == [[2, 3], [1], [0]]
    with pytest.raises(InputError, match="no official split"):
        load_official_split(rated())


def test_leaks_are_named():
    data = rated(references=list("aabbccdd"))
    split = make_splits(data, 1, test_fraction=0.25)[0]
    image = int(split.test[0])
    moved = replace(split, train=np.append(split.train, image))
    reference = data.references[image]
    content_leak = f"content {reference} is in train and test"
    assert check_leaks(data, moved) == [f"image {image}.png is in train and test", content_leak]
    half = replace(split, train=np.append(split.train, split.test[1]), test=split.test[:1])
    assert check_leaks(data, half) == [content_leak]


def test_near_duplicates_across_parts_leak():
    data = rated(official_split=["train"] * 10 + ["validation"] * 5 + ["test"] * 5)
    split = load_official_split(data)
    pairs = [("1.png", "2.png"), ("3.png", "19.png"), ("12.png", "4.png")]
    assert check_leaks(data, split, pairs) == [
        "images 3.png and 19.png look the same and are in train and test",
        "images 12.png and 4.png look the same and are in train and validation",
    ]


def test_saved_splits_survive_another_order(tmp_path):
    data = rated(references=[f"r{index // 3}" for index in range(30)])
    splits = make_splits(data, 3, validation_fraction=0.25)
    save_splits(tmp_path / "splits.json", data, splits)
    shuffled = data.select(np.random.default_rng(0).permutation(len(data)))
    for before, after in zip(splits, load_splits(tmp_path / "splits.json", shuffled), strict=True):
        assert before.id == after.id
        for part in ("train", "validation", "test"):
            names = {data.names[index] for index in getattr(before, part)}
            assert {shuffled.names[index] for index in getattr(after, part)} == names


def test_images_in_no_part_are_remembered(tmp_path):
    data = rated(references=list("abc"), official_split=["train", "", "test"])
    save_splits(tmp_path / "splits.json", data, [load_official_split(data)])
    assert parts(load_splits(tmp_path / "splits.json", data)[0]) == [[0], [], [2]]


def test_data_that_differ_from_the_file_are_named(tmp_path):
    data, file = rated(count=20), tmp_path / "splits.json"
    save_splits(file, data, make_splits(data, 1))
    with pytest.raises(InputError, match=r"lists 2 images that are not in the data: 18\.png, 19\.png"):
        load_splits(file, data.select(range(18)))
    with pytest.raises(InputError, match=r"does not list 3 images of the data: 20\.png, 21\.png, 22\.png"):
        load_splits(file, rated(count=23))
    with pytest.raises(InputError, match="'toy', not 'other'"):
        load_splits(file, replace(data, name="other"))


def test_files_that_are_no_splits_are_refused(tmp_path):
    data, file = rated(references=[f"r{index // 2}" for index in range(20)]), tmp_path / "splits.json"
    with pytest.raises(InputError, match="no split file"):
        load_splits(file, data)
    file.write_text("{")
    with pytest.raises(InputError, match="not a split file"):
        load_splits(file, data)
    file.write_text("[]")
    with pytest.raises(InputError, match="not a split file"):
        load_splits(file, data)
    file.write_text('{"format": "iqa_zoo splits, version 1", "dataset": "toy", "splits": [{"id": "1", "test": []}]}')
    with pytest.raises(InputError, match="lacks train, unused, validation"):
        load_splits(file, data)
    save_splits(file, data, make_splits(data, 1))
    content = json.loads(file.read_text())
    content["splits"][0]["unused"].append(content["splits"][0]["test"].pop())
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="changed after it was written"):
        load_splits(file, data)


def test_a_leaking_file_is_refused(tmp_path):
    data, file = rated(references=list("aabbccdd")), tmp_path / "splits.json"
    loose = replace(data, references=None)
    save_splits(file, loose, make_splits(loose, 1))
    with pytest.raises(InputError, match=r"leaks: content . is in train and test"):
        load_splits(file, data)
