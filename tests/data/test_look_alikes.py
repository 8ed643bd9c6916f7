import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.data import look_alikes as module
from iqa_zoo.data.demo import demo
from iqa_zoo.data.look_alikes import group_look_alikes, merge_contents
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path):
    """Six images of which 0 and 3 look the same, and 1 and 5."""
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((96, 96)) for _ in range(4)]
    for index, image in enumerate([images[0], images[1], images[2], images[0], images[3], images[1].resize((48, 48))]):
        image.save(tmp_path / f"{index}.png")
    return rated(tmp_path, 6)


def rated(folder, count, references=None):
    paths = tuple(folder / f"{index}.png" for index in range(count))
    scale = dict(score_range=(0, 10), licence="CC0", source="drawn")
    return RatedImages("toy", paths, np.arange(float(count)), references=references, **scale)


@pytest.fixture
def decoded(monkeypatch):
    """The names of the images that are decoded."""
    names = []
    read = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path: names.append(Path(path).name) or read(path))
    return names


def test_contents_that_look_the_same_are_one(data):
    steps = []
    found = group_look_alikes(data, lambda done, total: steps.append((done, total)))
    assert found.pairs == (("0.png", "3.png"), ("1.png", "5.png"))
    assert found.groups == ("0.png", "1.png", "2.png", "0.png", "4.png", "1.png")
    assert found.merged == 2
    assert steps == [(done, 6) for done in range(1, 7)]
    assert found.describe() == (
        "2 pairs of images look the same and count as one content each: 0.png and 3.png, 1.png and 5.png; "
        "6 contents become 4"
    )


def test_references_are_merged_whole_and_look_alikes_of_one_content_do_not_count(tmp_path, data):
    found = group_look_alikes(rated(tmp_path, 6, references=("a", "b", "b", "a", "c", "c")))
    assert found.pairs == (("1.png", "5.png"),)
    assert found.groups == ("a", "b", "b", "a", "b", "b")
    assert found.merged == 1


def test_without_look_alikes_the_groups_are_the_contents(data):
    found = group_look_alikes(data.select([0, 1, 2, 4]))
    assert (found.groups, found.pairs, found.merged, found.describe()) == (
        data.select([0, 1, 2, 4]).contents,
        (),
        0,
        "",
    )


def test_the_second_time_nothing_is_decoded(data, decoded, cache):
    first = group_look_alikes(data)
    assert len(decoded) == 6 or len(decoded) == 5  # 0 and 3 are the same file; two threads may both decode it
    decoded.clear()
    assert group_look_alikes(data) == first
    assert group_look_alikes(data.select([1, 2])).pairs == ()
    assert decoded == []
    assert [path.name for path in (cache / "look_alikes").iterdir()] == ["toy.json"]


def test_a_changed_image_is_hashed_anew(data, decoded):
    group_look_alikes(data)
    decoded.clear()
    Image.open(data.paths[4]).save(data.paths[2])
    assert group_look_alikes(data).pairs == (("0.png", "3.png"), ("1.png", "5.png"), ("2.png", "4.png"))
    assert decoded in ([], ["2.png"])  # nothing where the copy has the same bytes
    Image.open(data.paths[4]).rotate(90).save(data.paths[2])
    assert ("2.png", "4.png") not in group_look_alikes(data).pairs


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": "VERSION", "hashes": {"DIGEST": "00"}}', '{"hashes": []}']
)
def test_a_damaged_cache_is_made_anew(data, cache, content):
    expected = group_look_alikes(data)
    file = cache / "look_alikes" / "toy.json"
    whole = json.loads(file.read_text())
    file.write_text(content.replace("VERSION", whole["version"]).replace("DIGEST", next(iter(whole["hashes"]))))
    assert group_look_alikes(data) == expected
    assert json.loads(file.read_text()) == whole


def test_a_cache_of_another_version_is_made_anew(data, decoded, monkeypatch):
    group_look_alikes(data)
    decoded.clear()
    monkeypatch.setattr(module, "_VERSION", "another")
    group_look_alikes(data)
    assert decoded


def test_a_cache_that_cannot_be_written_costs_time_only(data, cache):
    cache.write_text("a file where the folder should be")
    assert len(group_look_alikes(data).pairs) == 2


def test_a_damaged_image_is_named_and_what_was_hashed_is_kept(data, decoded):
    whole = data.paths[5].read_bytes()
    data.paths[5].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"5\.png is truncated or damaged"):
        group_look_alikes(data)
    data.paths[5].write_bytes(whole)
    decoded.clear()
    assert len(group_look_alikes(data).pairs) == 2
    assert "0.png" not in decoded
    data.paths[5].unlink()
    with pytest.raises(InputError, match=r"5\.png: cannot be read"):
        group_look_alikes(data)


def test_plain_images_and_stripes_look_the_same_only_where_they_are(tmp_path):
    for index, colour in enumerate(["red", "blue", "black", "red"]):
        Image.new("RGB", (32, 32), colour).save(tmp_path / f"{index}.png")
    for index, columns in enumerate([4, 5, 6], start=4):
        stripes_HW = np.tile((np.arange(64) // columns % 2 * 255).astype(np.uint8), (64, 1))
        Image.fromarray(stripes_HW).save(tmp_path / f"{index}.png")
    assert group_look_alikes(rated(tmp_path, 7)).pairs == (("0.png", "3.png"),)


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)))
)
def test_merging_is_the_transitive_closure(contents, pairs):
    names = [str(content) for content in contents]
    pairs = [(a, b) for a, b in pairs if a < len(names) and b < len(names)]
    groups = merge_contents(names, pairs)
    reached = {name: {name} for name in names}
    for _ in names:
        for a, b in pairs:
            reached[names[a]] |= reached[names[b]]
            reached[names[b]] |= reached[names[a]]
    for _ in names:
        reached = {name: set().union(*(reached[each] for each in reached[name])) for name in reached}
    assert groups == tuple(min(reached[name]) for name in names)


@pytest.mark.slow
def test_the_eleven_contents_of_the_demo_set_stay_eleven(tmp_path):
    found = group_look_alikes(demo(tmp_path / "demo"))
    assert found.pairs == ()
    assert len(set(found.groups)) == 11
