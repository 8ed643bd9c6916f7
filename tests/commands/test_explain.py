"""iqa-zoo explain"""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sixty rated images of two distortions."""
    root = tmp_path_factory.mktemp("data") / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
    lines = [f"{index}.png,{index},{('blur', 'jpeg')[index % 2]}" for index in range(60)]
    (root / "scores.csv").write_text("\n".join(["image,mos,distortion", *lines]))
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, root, small):
    """The folder of a run with a graph, attention and experts."""
    folder = tmp_path_factory.mktemp("trained")
    small = {
        **small,
        "interactions": [{"type": "query_gcn", "hidden": [8]}, *small["interactions"]],
        "head": {"type": "moe", "hidden": 8},
    }
    dump_config(small, folder / "tiny.yaml")
    place = ["--data", "table", "--root", str(root), "--out", str(folder / "run")]
    assert main(["train", str(folder / "tiny.yaml"), *place, "--recipe-set", "epochs=1", "test_crops=2"]) == 0
    return folder / "run"


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def run(trained, capsys):
    def call(*argv, weights=trained):
        code = main(["explain", *map(str, argv), "--run", str(weights)])
        return code, *capsys.readouterr()

    return call


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_one_image_as_a_figure(run, photo, tmp_path, suffix):
    file = tmp_path / f"out.{suffix}"
    code, out, err = run(photo, "-o", file)
    assert (code, err) == (0, "")
    first, shown, *observations, last = out.splitlines()
    assert first.startswith(f"{photo}: MOS ")
    assert " predicted, the mean of 2 crops; " in first
    assert first.endswith(" from the centre crop alone")
    assert shown == "Shown is the centre crop of 32x32 pixels at row 9, column 19 of 50x70"
    assert any(line.startswith("interactions.1: a query attends to ") for line in observations)
    assert any(" of 2 queries are sent to experts " in line for line in observations)
    assert "is the selected weights." in observations[-1]
    assert last == f"written to {file}"
    if suffix == "png":
        with Image.open(file) as image:
            assert image.size[0] > 800
    else:
        assert "<svg" in file.read_text()


@pytest.mark.slow
def test_one_image_as_numbers(run, trained, photo):
    code, out, _ = run(photo, "--json")
    assert code == 0
    numbers = json.loads(out)
    assert numbers["run"] == str(trained)
    crop_score = numbers["crop"].pop("score")
    assert numbers["crop"] == {"top": 9, "left": 19, "size": 32, "note": ""}
    assert numbers["crops"] == 2
    assert np.allclose(np.sum(numbers["attention"]["interactions.1"]["weights"], 1), 1, atol=1e-5)
    assert list(numbers["attention_in_training"]) == ["start, seed 0"]
    assert np.mean(numbers["score_by_query"]) == pytest.approx(crop_score, abs=1e-4)


@pytest.mark.slow
def test_a_small_image_is_enlarged(run, tmp_path):
    Image.new("RGB", (20, 16)).save(tmp_path / "small.png")
    _, out, _ = run(tmp_path / "small.png", "-o", tmp_path / "out.png")
    assert "of 32x40, enlarged from 16x20" in out.splitlines()[1]


@pytest.mark.slow
def test_a_dataset_into_the_run_twice(run, trained, root):
    made = trained / "explain"
    code, out, err = run("--data", "table", "--root", root)
    assert (code, err) == (0, "")
    first, *_, last = out.splitlines()
    assert first == f"{trained}: holiday, test part, 12 images, the centre crop of each"
    names = ["routing", "adjacencies", "cosine", "attention", "queries"]
    assert last == f"written to {made}: explain.txt, explain.json, and {', '.join(names)} as .png and .svg"
    files = {path.name: path.read_bytes() for path in made.iterdir()}
    assert set(files) == {f"{name}.{kind}" for name in names for kind in ("png", "svg")} | {
        "explain.json",
        "explain.txt",
    }
    assert out.startswith(files["explain.txt"].decode())
    numbers = json.loads(files["explain.json"])
    (routing,) = numbers["routing"]
    assert list(routing["by_quality"]) == [f"{third} third of MOS" for third in ("lowest", "middle", "highest")]
    assert sum(group["images"] for group in routing["by_distortion"].values()) == 12
    (made / "notes.txt").write_text("mine")
    (made / "cosine.png").write_bytes(b"old")
    assert run("--data", "table", "--root", root, "--json")[0] == 0
    assert (made / "notes.txt").read_text() == "mine"
    assert {name: (made / name).read_bytes() for name in files} == files


@pytest.mark.slow
def test_some_images_of_another_dataset(run, root, tmp_path):
    code, out, _ = run(
        "--data", "table", "--root", root, "--option", "name=other", "--images", 5, "-o", tmp_path / "out"
    )
    assert code == 0
    assert "other, some images, 5 images" in out.splitlines()[0]
    assert json.loads((tmp_path / "out" / "explain.json").read_text())["images"] == 5


@pytest.mark.slow
def test_a_run_without_its_split_or_checkpoints(run, trained, root, photo, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(trained, copied, ignore=shutil.ignore_patterns("explain", "checkpoints", "split.json"))
    code, _, err = run("--data", "table", "--root", root, "--images", 3, weights=copied)
    assert code == 0
    assert err == (
        "iqa-zoo: warning: All images are shown, those that were trained on too: "
        f"there is no split file {copied / 'split.json'}\n"
    )
    assert "All images are shown" in (copied / "explain" / "explain.txt").read_text()
    assert "The run keeps no checkpoint" in run(photo, "-o", tmp_path / "out.png", weights=copied)[1]
    (copied / "weights.safetensors").unlink()
    code, _, err = run(photo, "-o", tmp_path / "more.png", weights=copied)
    assert (code, "has no weights yet" in err) == (2, True)
    (copied / "run.json").unlink()
    code, _, err = run(photo, "-o", tmp_path / "more.png", weights=copied)
    assert (code, "no run.json" in err) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give one IMAGE, or a dataset with --data NAME"),
        (["a.png", "--data", "demo"], "give one IMAGE, or a dataset with --data NAME"),
        (["a.png"], "give -o FILE for the figure (.png or .svg), or --json for the numbers"),
        (["a.png", "-o", "s.pdf"], "s.pdf: give a file that ends in .png or .svg"),
        (["a.png", "-o", "there.png"], "there.png: exists already"),
        (["a.png", "-o", "no/s.png"], "there is no folder "),
        (["--data", "demo", "--crops", "3"], "--crops is of one IMAGE"),
        (["a.png", "--images", "3", "--json"], "are of a dataset; give --data NAME as well"),
        (["gone.png", "-o", "s.png"], "gone.png does not exist"),
        (["broken.png", "-o", "s.png"], "broken.png is not an image in one of the formats"),
        (["--data", "table"], "table: give --root PATH"),
        (["--data", "demo", "-o", "there.png"], "there.png is a file; the figures of a dataset need a folder"),
        (["a.png", "--json", "--start-weights", "gone.safetensors"], "gone.safetensors: there is no such file"),
    ],
)
def test_what_cannot_be_explained_is_one_message(run, photo, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.png").write_text("no image")
    (tmp_path / "there.png").write_text("mine")
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("iqa-zoo: ")
    assert message in err
    assert not (tmp_path / "s.png").exists()
    assert (tmp_path / "there.png").read_text() == "mine"


@pytest.mark.slow
def test_an_unreadable_image_of_a_dataset_is_named_or_left_out(run, root, tmp_path):
    shutil.copytree(root, tmp_path / "holiday2")
    (tmp_path / "holiday2" / "7.png").write_text("no image")
    place = ["--data", "table", "--root", tmp_path / "holiday2", "-o", tmp_path / "out"]
    code, _, err = run(*place)
    assert (code, "7.png is not an image" in err) == (2, True)
    code, out, err = run(*place, "--skip-unreadable")
    assert (code, "left out: " in err) == (0, True)
    assert "59 images" in out.splitlines()[0]
