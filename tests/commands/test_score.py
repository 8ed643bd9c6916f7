"""iqa-zoo score"""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from iqa_zoo import __version__
from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.trained import names

SCALE = "2 crops of 32 x 32 pixels; DMOS of holiday, 0 to 59, lower is better"


@pytest.fixture(scope="module")
def model(tmp_path_factory, small):
    """The folder of a run on DMOS."""
    folder = tmp_path_factory.mktemp("trained")
    root = folder / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
    (root / "scores.csv").write_text("\n".join(["image,mos", *(f"{index}.png,{index}" for index in range(60))]))
    dump_config(small, folder / "tiny.yaml")
    place = ["--data", "table", "--root", str(root), "--out", str(folder / "run")]
    options = ["--option", "higher_is_better=false", "--recipe-set", "epochs=1", "test_crops=2"]
    assert main(["train", str(folder / "tiny.yaml"), *place, *options]) == 0
    return folder / "run"


@pytest.fixture
def photos(tmp_path):
    """Three images, one of them small and one in a folder of its own, and files that are no images."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name, shape in {"10.png": (50, 70), "9.png": (20, 30), "more/a.png": (33, 99)}.items():
        Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no image")
    (folder / "more" / ".hidden.png").write_text("no image")
    return folder


@pytest.fixture
def run(model, capsys):
    def call(*argv):
        code = main(["score", *map(str, argv), "--run", str(model)])
        return code, *capsys.readouterr()

    return call


@pytest.mark.slow
def test_a_line_an_image_and_a_signature(run, model, photos):
    code, out, err = run(photos)
    assert (code, err) == (0, "iqa-zoo: left out 2: 1 .txt, 1 folder (--recursive reads them)\n")
    heading, small, large, signature = out.splitlines()
    assert heading.split() == ["score", "word", "image"]
    assert small.endswith(f"  {photos / '9.png'}  (enlarged from 20x30)")
    assert large.endswith(f"  {photos / '10.png'}")
    score, word, _ = large.split()
    assert 0 < float(score) < 59
    assert word in ("excellent", "good", "fair", "poor", "bad")
    assert signature.startswith(f"iqa_zoo {__version__}; {model}; weights ")
    assert signature.endswith(SCALE)


@pytest.mark.slow
def test_the_same_scores_in_every_form(run, photos, tmp_path):
    _, out, err = run(photos, "--recursive", "--csv")
    assert err.endswith(f"{SCALE}\n")
    printed = list(csv.DictReader(out.splitlines()))
    assert [row["image"] for row in printed] == [str(photos / name) for name in ("9.png", "10.png", "more/a.png")]
    assert [row["note"] for row in printed] == ["enlarged from 20x30", "", ""]
    assert [row["flags"] for row in printed] == ["enlarged", "", ""]
    _, out, _ = run(photos, "--recursive", "--json")
    content = json.loads(out)
    assert [row["score"] for row in content["images"]] == [float(row["score"]) for row in printed]
    meaning = content["scores"]
    assert (meaning["data"]["label"], meaning["data"]["higher_is_better"], meaning["crops"]) == ("DMOS", False, 2)
    assert meaning["signature"] in err
    _, out, err = run(photos, "--recursive", "-o", tmp_path / "s.csv")
    assert out == ""
    assert f"3 of 3 images scored, written to {tmp_path / 's.csv'}\n" in err
    with (tmp_path / "s.csv").open() as lines:
        assert list(csv.DictReader(lines)) == printed
    run(photos, "--recursive", "-o", tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == content


@pytest.fixture
def named(released, monkeypatch):
    """``tiny.noise`` as the only trained model, which is the default."""
    monkeypatch.setattr(names, "FOLDER", released.folder)
    return released


def test_a_name_needs_no_run_folder(named, photos, capsys):
    assert main(["score", str(photos), "--run", "tiny.noise"]) == 0
    heading, small, large, signature = capsys.readouterr().out.splitlines()
    assert heading.split() == ["score", "90", "%", "interval", "percentile", "word", "image"]
    assert "(enlarged from 20x30" in small
    assert re.fullmatch(r" +[\d.-]+ +[\d.-]+ to [\d.-]+ +\d+  \w+ +\S+10.png.*", large)
    assert f"; tiny.noise; weights {named.entry.sha256[:12]}; 2 crops of 32 x 32 pixels; MOS of noise" in signature
    assert main(["score", str(photos), "--run", "tiny.noise", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    row = content["images"][1]
    assert row["low"] <= row["score"] < row["high"]
    assert float(large.split()[0]) == pytest.approx(row["score"], abs=1e-4)
    assert content["scores"]["coverage"] == 0.9
    assert content["scores"]["details"]["licences"]["training data"] == "CC0"


def test_the_names_are_listed(named, capsys):
    assert main(["score", "--models"]) == 0
    out = capsys.readouterr().out
    assert "tiny.noise" in out
    assert f"{named.entry.measured.srocc.mean:.3f} [{named.entry.measured.srocc.low:.3f}" in out
    assert main(["score", "--models", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)["models"]
    assert listed["sha256"] == named.entry.sha256


def test_a_wrong_name_says_the_closest(named, photos, capsys):
    assert main(["score", str(photos), "--run", "tiny.nois"]) == 2
    assert "unknown trained model 'tiny.nois'; did you mean 'tiny.noise'?" in capsys.readouterr().err


@pytest.mark.slow
def test_one_image_alone_twice_over_and_with_other_crops(run, photos, tmp_path):
    _, out, _ = run(photos / "10.png", photos, photos / "10.png", "--csv")
    first, second = csv.DictReader(out.splitlines())  # each file once
    assert [first["image"], second["image"]] == [str(photos / "10.png"), str(photos / "9.png")]
    shutil.copy(photos / "10.png", tmp_path / "copy.png")
    _, out, _ = run(tmp_path / "copy.png", "--csv")
    assert next(csv.DictReader(out.splitlines()))["score"] == first["score"]
    _, out, _ = run(tmp_path / "copy.png", "--csv", "--crops", "5")
    assert next(csv.DictReader(out.splitlines()))["score"] != first["score"]


def test_what_cannot_be_read_is_named_and_the_others_are_kept(run, photos, tmp_path):
    (photos / "5.png").write_text("no image")
    code, out, err = run(photos / "gone.png", photos, "-o", tmp_path / "s.csv")
    assert code == 1
    assert f"iqa-zoo: not scored: {photos / 'gone.png'} does not exist\n" in err
    assert f"iqa-zoo: not scored: {photos / '5.png'} is not an image" in err
    assert "2 of 4 images scored" in err
    with (tmp_path / "s.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert [bool(row["score"]) for row in rows] == [False, False, True, True]
    assert "does not exist" in rows[0]["note"]
    code, out, _ = run(photos)
    assert code == 1
    assert len(out.splitlines()) == 4


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_ctrl_c_keeps_what_is_done(run, photos, tmp_path, monkeypatch, suffix):
    scored = Scorer.score_each

    def interrupted(*arguments):
        yield next(scored(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorer, "score_each", interrupted)
    file = tmp_path / f"s.{suffix}"
    code, _, err = run(photos, "-o", file)
    assert code == 130
    assert err.endswith(f"iqa-zoo: interrupted: 1 of 2 images are done, kept in {file}\n")
    text = file.read_text()
    assert "9.png" in text
    assert "10.png" not in text
    if suffix == "json":
        assert len(json.loads(text)["images"]) == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["photos", "-o", "s.txt"], "s.txt: give a file that ends in .csv, .json or .parquet, or a folder"),
        (["photos", "-o", "no/s.csv"], "there is no folder "),
        (["photos", "-o", "there.csv"], "there.csv: exists already"),
        (["empty"], "no images in empty; looked for files that end in .apng"),
        (["empty", "--recursive"], "no images in empty"),
        (["above"], "no images in above itself; 2 in its folders: give --recursive for those"),
        (["photos", "--device", "cuda:x"], "'cuda:x' is no device"),
    ],
)
def test_what_cannot_be_scored_is_one_message(run, photos, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "empty").mkdir()
    shutil.copytree(photos, tmp_path / "above" / "photos", ignore=shutil.ignore_patterns("more"))
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "there.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["a.png", "--json", "--csv"], "not allowed with argument"),
        (["a.png", "--crops", "0"], "'0' is not a whole number from 1"),
        ([], "the following arguments are required: IMAGE|FOLDER"),
    ],
)
def test_arguments_that_do_not_go_together(run, capsys, argv, message):
    with pytest.raises(SystemExit):
        run(*argv)
    assert message in capsys.readouterr().err


def test_weights_alone_are_not_enough(model, photos, capsys):
    assert main(["score", str(photos), "--run", str(model / "weights.safetensors")]) == 2
    assert "scores need its run.json as well" in capsys.readouterr().err


@pytest.mark.parametrize("crops", ["0", "-1", "1.5", "1001", "99999999999"])
def test_crops_that_cannot_be_are_a_usage_error(crops, capsys):
    from iqa_zoo.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["score", "a.png", "--run", "run", "--crops", crops])
    assert stopped.value.code == 2
    assert "--crops" in capsys.readouterr().err
