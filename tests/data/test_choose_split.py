"""The split of a training: of a file, of the release, or made by content."""

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.choose_split import SplitChoice, choose_split, load_split
from iqa_zoo.data.splits import load_official_split, make_splits, save_splits
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError


@pytest.fixture
def data(tmp_path):
    """Twenty images of ten contents with an official split; no two look the same."""
    root = tmp_path / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos,reference,split"]
    for index in range(20):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
        lines.append(f"{index}.png,{index},r{index // 2},{'test' if index >= 14 else 'train'}")
    (root / "scores.csv").write_text("\n".join(lines))
    return table(root)


def test_which_split(data, tmp_path):
    made = make_splits(data, 3, seed=5, validation_fraction=0.2)
    save_splits(tmp_path / "s.json", data, made)

    def chosen(**given):
        return choose_split(data, SplitChoice(**given)).id

    assert chosen() == make_splits(data, 1, validation_fraction=0.1)[0].id
    assert chosen(number=3) == make_splits(data, 3, validation_fraction=0.1)[2].id
    assert chosen(number=2, seed=5, validation_fraction=0.2) == made[1].id
    assert chosen(file=tmp_path / "s.json") == made[0].id
    assert chosen(file=tmp_path / "s.json", number=3) == made[2].id
    assert chosen(official=True) == load_official_split(data, 0.1).id


def test_images_that_look_the_same_are_named_and_kept_in_one_part(data):
    (data.paths[19]).write_bytes(data.paths[0].read_bytes())
    lines = []
    split = choose_split(data, SplitChoice(number=4), notify=lines.append)
    (line,) = lines
    assert line.startswith("holiday: ")
    parts = [set(part.tolist()) for part in (split.train, split.validation, split.test)]
    assert any({0, 19} <= part for part in parts)
    choose_split(data, SplitChoice(compare_images=False), notify=lines.append)
    assert len(lines) == 1
    choose_split(data, SplitChoice(official=True, validation_fraction=0), notify=lines.append)
    assert lines[1].startswith("warning: the official split: images 0.png and 19.png look the same")


def test_a_split_that_the_file_lacks(data, tmp_path):
    save_splits(tmp_path / "s.json", data, make_splits(data, 2))
    with pytest.raises(InputError, match=r"s.json has 2 splits, from 1 to 2; there is no split 3"):
        load_split(tmp_path / "s.json", data, 3)
