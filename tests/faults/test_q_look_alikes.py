"""Fault kind Q: images that look the same, in two parts of a split."""

import json

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data.look_alikes import group_look_alikes
from iqa_zoo.data.splits import check_leaks, load_official_split, load_splits, make_splits
from iqa_zoo.data.table import table
from iqa_zoo.errors import InputError
from iqa_zoo.studies.protocol import make_study_splits

PAIRS = (("2.png", "31.jpg"), ("5.png", "20.png"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    """Forty images; 31 is 2 as JPEG, 20 is 5 at half its size; the labels part each pair."""
    root = tmp_path / "album"
    root.mkdir()
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((96, 96)) for _ in range(40)]
    images[31], images[20] = images[2], images[5].resize((48, 48))
    lines = ["image,mos,split"]
    for index, image in enumerate(images):
        name = f"{index}.jpg" if index == 31 else f"{index}.png"
        image.save(root / name)
        lines.append(f"{name},{index},{'train' if index < 30 else 'test'}")
    (root / "scores.csv").write_text("\n".join(lines))
    return root


def apart(data, splits):
    return sum(len(check_leaks(data, split, PAIRS)) for split in splits)


@pytest.mark.slow
def test_look_alikes_are_in_one_part(root):
    data = table(root)
    found = group_look_alikes(data)
    assert found.pairs == PAIRS
    assert apart(data, make_splits(data, 20)) > 0
    assert apart(data, make_splits(data, 20, validation_fraction=0.2, groups=found.groups)) == 0
    assert apart(data, [load_official_split(data, 0.2, seed, found.groups) for seed in range(20)]) == 20  # 2 and 31


def test_splits_without_look_alikes_keep_their_ids(root):
    data = table(root).select(range(20))
    found = group_look_alikes(data)
    assert found.pairs == ()
    made = make_splits(data, 3, validation_fraction=0.2, groups=found.groups)
    assert [split.id for split in made] == [split.id for split in make_splits(data, 3, validation_fraction=0.2)]


def test_groups_of_another_length_are_refused(root):
    with pytest.raises(InputError, match="album: 2 groups for 40 images"):
        make_splits(table(root), 1, groups=["a", "b"])


@pytest.mark.slow
def test_iqa_zoo_splits(root, tmp_path, capsys):
    place = ["splits", "table", "--root", str(root), "--splits", "20"]
    assert main([*place, "-o", str(tmp_path / "s.json")]) == 0
    assert "2 pairs of images look the same and count as one content each: 2.png and 31.jpg" in capsys.readouterr().out
    data = table(root)
    assert apart(data, load_splits(tmp_path / "s.json", data)) == 0
    assert main([*place, "-o", str(tmp_path / "t.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["look_alikes"] == [list(pair) for pair in PAIRS]
    assert main([*place, "-o", str(tmp_path / "u.json"), "--ignore-look-alikes"]) == 0
    assert apart(data, load_splits(tmp_path / "u.json", data)) > 0
    assert "look the same" not in capsys.readouterr().out


def test_an_official_split_that_parts_look_alikes_is_reported(root, tmp_path, capsys):
    place = ["splits", "table", "--root", str(root), "--official", "-o"]
    assert main([*place, str(tmp_path / "s.json")]) == 0
    assert "split 1: images 2.png and 31.jpg look the same and are in train and test\n" in capsys.readouterr().out
    assert main([*place, str(tmp_path / "t.json"), "--check-duplicates"]) == 1


def train(root, *argv):
    model = ["train", "linear_probe", "--backbone", "test_resnet", "--dry-run"]
    return main([*model, "--data", "table", "--root", str(root), *argv])


@pytest.mark.slow
def test_iqa_zoo_train(root, capsys):
    assert train(root, "--validation-fraction", "0.2") == 0
    assert "iqa-zoo: album: 2 pairs of images look the same" in capsys.readouterr().err
    assert train(root, "--validation-fraction", "0.2", "--ignore-look-alikes") == 0
    assert "look the same" not in capsys.readouterr().err
    assert train(root, "--official", "--validation-fraction", "0.2") == 0
    assert "warning: the official split: images 2.png and 31.jpg look the same" in capsys.readouterr().err


def test_studies(root, plan_command):
    data = table(root)
    words = ["lifeiqa_tiny", "--data", "table", "--root", root, "--splits", 20, "--selection", "last"]
    assert apart(data, make_study_splits(plan_command("compare", *words), data)) == 0
    assert apart(data, make_study_splits(plan_command("compare", *words, "--ignore-look-alikes"), data)) > 0


@pytest.mark.slow
def test_a_damaged_image_is_named(root, tmp_path, capsys):
    (root / "7.png").write_bytes((root / "7.png").read_bytes()[:60])
    place = ["splits", "table", "--root", str(root), "--validation-fraction", "0.2", "-o", str(tmp_path / "s.json")]
    assert main(place) == 2
    assert "7.png is truncated or damaged" in capsys.readouterr().err
    assert main([*place, "--skip-unreadable"]) == 0
