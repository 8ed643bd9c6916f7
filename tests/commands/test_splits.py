"""iqa-zoo splits"""

import json

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data.splits import load_official_split, load_splits, make_splits
from iqa_zoo.data.table import table


@pytest.fixture
def root(tmp_path):
    """Twenty images of ten contents with an official split by content; no two look the same."""
    root = tmp_path / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos,reference,split"]
    for index in range(20):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
        lines.append(f"{index}.png,{index},r{index // 2},{'test' if index >= 14 else 'train'}")
    (root / "scores.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def run(root, capsys):
    def call(*argv):
        code = main(["splits", "table", "--root", str(root), *map(str, argv)])
        return code, *capsys.readouterr()

    return call


def test_a_file_that_loads_again(run, root, tmp_path):
    file = tmp_path / "splits.json"
    code, out, err = run("-o", file, "--validation-fraction", "0.25")
    assert (code, err) == (0, "")
    data = table(root)
    made = make_splits(data, 10, validation_fraction=0.25)
    assert [split.id for split in load_splits(file, data)] == [split.id for split in made]
    assert out.startswith("holiday: 20 images of 10 contents, each in one part\n")
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line[0] == "│"]
    assert rows == [[str(number), split.id, "12", "4", "4", "0"] for number, split in enumerate(made, start=1)]
    assert out.endswith(f"written to {file}\n")


def test_count_seed_and_fractions(run, root, tmp_path):
    file = tmp_path / "splits.json"
    options = ["--splits", 2, "--seed", 7, "--test-fraction", 0.4, "--validation-fraction", 0, "--json"]
    code, out, _ = run("-o", file, *options)
    assert code == 0
    made = make_splits(table(root), 2, seed=7, test_fraction=0.4)
    assert json.loads(out) == {
        "dataset": "holiday",
        "file": str(file),
        "images": 20,
        "contents": 10,
        "splits": [
            {"id": split.id, "train": 12, "validation": 0, "test": 8, "unused": 0, "leaks": []} for split in made
        ],
    }


def test_the_official_split(run, root, tmp_path):
    code, out, _ = run("-o", tmp_path / "splits.json", "--official", "--validation-fraction", "0.3", "--json")
    assert code == 0
    (split,) = json.loads(out)["splits"]
    assert split["id"] == load_official_split(table(root), 0.3).id
    assert (split["train"], split["validation"], split["test"]) == (10, 4, 6)


def test_an_official_split_that_leaks_is_not_written(run, root, tmp_path):
    text = (root / "scores.csv").read_text()
    (root / "scores.csv").write_text(text.replace("15.png,15,r7,test", "15.png,15,r7,train"))
    code, out, err = run("-o", tmp_path / "splits.json", "--official", "--validation-fraction", "0")
    assert (code, out) == (2, "")
    assert "holiday: the official split leaks and is not written: content r7 is in train and test" in err
    assert not (tmp_path / "splits.json").exists()


def test_an_existing_file_is_checked_against_the_data(run, root, tmp_path):
    file = tmp_path / "splits.json"
    _, made, _ = run("-o", file, "--splits", "2", "--validation-fraction", "0", "--json")
    written = file.read_bytes()
    assert run("--read", file, "--json") == (0, made, "")
    code, out, _ = run("--read", file)
    assert code == 0
    assert out.endswith(f"{file}: fits the data\n")
    assert file.read_bytes() == written
    (root / "scores.csv").write_text("image,mos,reference\n0.png,1,r0\n1.png,2,r0\n")
    code, out, err = run("--read", file)
    assert (code, out) == (2, "")
    assert "lists 18 images that are not in the data" in err


def test_images_that_look_the_same_in_two_parts(run, root, tmp_path):
    split = load_official_split(table(root))
    code, out, _ = run("-o", tmp_path / "clean.json", "--official", "--validation-fraction", "0", "--check-duplicates")
    assert code == 0
    assert "contents that look the same: 0 pairs of images; in different parts, over all splits: 0\n" in out
    # one pair across parts, one inside the training part, and one of a single content
    (root / "19.png").write_bytes((root / "0.png").read_bytes())
    (root / "5.png").write_bytes((root / "2.png").read_bytes())
    (root / "7.png").write_bytes((root / "6.png").read_bytes())
    code, out, _ = run("-o", tmp_path / "s.json", "--official", "--validation-fraction", "0", "--check-duplicates")
    assert code == 1
    assert "contents that look the same: 2 pairs of images; in different parts, over all splits: 1\n" in out
    assert "split 1: images 0.png and 19.png look the same and are in train and test\n" in out
    assert "5.png" not in out
    assert [each.id for each in load_splits(tmp_path / "s.json", table(root))] == [split.id]
    code, out, _ = run("--read", tmp_path / "s.json", "--check-duplicates", "--json")
    assert code == 1
    assert json.loads(out)["splits"][0]["leaks"] == ["images 0.png and 19.png look the same and are in train and test"]


def test_unreadable_images_can_be_left_out(run, root, tmp_path):
    (root / "3.png").write_text("no image")
    options = ["--splits", 1, "--validation-fraction", 0, "--check-duplicates"]
    code, out, err = run("-o", tmp_path / "s.json", *options)
    assert (code, out) == (2, "")
    assert "3.png is not an image" in err
    code, out, err = run("-o", tmp_path / "s.json", *options, "--skip-unreadable")
    assert code == 0
    assert out.startswith("holiday: 19 images")
    assert "left out" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-o", "there.json"], "there.json: exists already; choose another name or remove it"),
        (["-o", "no/s.json"], "there is no folder"),
        (["-o", "s.json", "--splits", "0"], "count is 0; give at least 1 split"),
        (["-o", "s.json", "--test-fraction", "20"], "test_fraction is 20.0; give a share between 0 and 1"),
        (["-o", "s.json", "--official", "--splits", "3"], "--splits does not count with --official"),
        (["--read", "there.json", "--seed", "0"], "--seed does not count with --read"),
        (["--read", "there.json", "--official"], "--official does not count with --read"),
        (["--read", "there.json"], "there.json is not a split file"),
        (["--read", "gone.json"], "there is no split file"),
    ],
)
def test_a_wrong_argument_writes_nothing(run, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.json").write_text("mine")
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "there.json").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["holiday", "there.json"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "one of the arguments -o/--output --read is required"),
        (["-o", "a", "--read", "b"], "not allowed with argument"),
        (["-o", "a", "--seed", "-1"], "'-1' is not a whole number from 0"),
    ],
)
def test_arguments_that_do_not_go_together(run, capsys, argv, message):
    with pytest.raises(SystemExit) as stopped:
        run(*argv)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
