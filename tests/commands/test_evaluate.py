"""iqa-zoo evaluate"""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.data.splits import load_splits, make_splits, save_splits
from iqa_zoo.data.table import table
from iqa_zoo.stats.metrics import METRICS, srocc


def _folder(root, *, turned=False, references=True):
    """Sixty images of twenty contents in three distortions; with ``turned``, DMOS in the place of MOS."""
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos,distortion" + (",reference" if references else "")]
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
        mos = rng.uniform(0, 100)
        row = f"{index}.png,{100 - mos if turned else mos:.2f},{('blur', 'noise', 'jpeg')[index % 3]}"
        lines.append(row + (f",r{index // 3}" if references else ""))
    (root / "scores.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small):
    """The folder of a data set and that of a run on it."""
    folder = tmp_path_factory.mktemp("trained")
    root = _folder(folder / "holiday")
    dump_config(small, folder / "tiny.yaml")
    options = ["--recipe-set", "epochs=2", "test_crops=2"]
    place = ["--data", "table", "--root", str(root), "--out", str(folder / "run")]
    assert main(["train", str(folder / "tiny.yaml"), *place, *options]) == 0
    return root, folder / "run"


@pytest.fixture
def run(trained, capsys):
    def call(*argv, root=trained[0], model=trained[1]):
        code = main(["evaluate", str(model), "--data", "table", "--root", str(root), *map(str, argv)])
        return code, *capsys.readouterr()

    return call


def _result(trained):
    return json.loads((trained[1] / "result.json").read_text())


@pytest.mark.slow
def test_the_test_part_of_its_own_split_gives_what_the_training_reported(run, trained):
    code, out, err = run("--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    reported = _result(trained)
    assert found["metrics"] == pytest.approx(reported["metrics"])
    assert found["predictions"] == reported["predictions"]
    assert (found["dataset"], found["trained_on"], found["part"], found["images"]) == ("holiday", "holiday", "test", 12)
    assert found["srocc_interval"] is None  # four contents are too few


@pytest.mark.slow
def test_an_interval_over_contents(run):
    _, out, _ = run("--part", "all", "--json")
    found = json.loads(out)
    interval = found["srocc_interval"]
    assert (interval["of"], interval["count"]) == ("contents", 20)
    assert interval["low"] <= found["metrics"]["srocc"] <= interval["high"]


def test_in_words(run, trained):
    code, out, err = run()
    assert (code, err) == (0, "")
    lines = out.splitlines()
    (split,) = load_splits(trained[1] / "split.json", table(trained[0]))
    assert lines[0] == f"holiday: the test part of split {split.id}, 12 images, 2 crops each"
    assert "trained on holiday with the recipe quick; higher is better in the model's scores (MOS) and in " in lines[1]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line[:1] == "│"]
    assert ["SROCC", f"{_result(trained)['metrics']['srocc']:.4f}"] in rows
    # Order within contents, and MAE; four images of each distortion are too few.
    assert [row[0] for row in rows[len(METRICS) :]] == ["run", "run"]
    assert "holiday: the standard deviation and the number of the ratings of an image are not known" in " ".join(
        out.split()
    )
    assert "No interval: these images show fewer than 5 contents." in out
    assert "RMSE of raw scores" not in out


@pytest.mark.slow
def test_what_the_ratings_say(run, trained):
    """With deviations in the table; the images and scores are the same."""
    header, *lines = (trained[0] / "scores.csv").read_text().splitlines()
    rated = trained[0] / "rated.csv"
    rated.write_text("\n".join([f"{header},deviation,ratings", *(f"{line},12,16" for line in lines)]))
    code, out, err = run("--json", root=rated)
    assert code == 0, err
    result, data = json.loads(out), table(trained[0] / "scores.csv")
    raters, predictions = result["raters"], result["predictions"]
    assert raters["unknown"] == ""
    assert raters["counts"]["lowest"] == 16
    mos = dict(zip(data.names, data.mos, strict=True))
    errors = np.abs([score - mos[name] for name, score in predictions.items()])
    half = 2.13145 * 12 / 4  # t(.975, 15)
    found = raters["models"]["run"]
    assert found["mae"]["mean"] == pytest.approx(errors.mean())
    assert found["outlier_ratio"]["mean"] == pytest.approx((errors > half).mean())
    assert found["rmse_star"]["mean"] == pytest.approx(
        np.sqrt((np.maximum(errors - half, 0) ** 2).sum() / 11), rel=1e-5
    )
    _, out, _ = run(root=rated)
    rated.unlink()
    assert "What the raters knew: pairs of images" in out
    assert "as good as the mean of" in out


@pytest.mark.slow
def test_images_that_were_trained_on_are_a_warning(run, trained):
    code, _, err = run("--part", "train")
    assert code == 0
    assert err == ("iqa-zoo: warning: 42 of 42 images were trained on: these numbers say nothing of new images\n")
    code, out, err = run("--part", "validation", "--json")
    assert "6 of 6 images chose the epoch (--selection validation): the numbers flatter it" in err
    assert json.loads(out)["warnings"][0].startswith("6 of 6 images chose")
    code, out, err = run("--part", "all")
    assert "42 of 60 images were trained on" in err
    assert "│ jpeg " in out
    assert "95 % interval" in out
    assert "(bootstrap over 20 contents;" in out


@pytest.mark.slow
def test_another_split_is_checked_against_the_training(run, trained, tmp_path):
    data = table(trained[0])
    splits = make_splits(data, 2, seed=3)
    save_splits(tmp_path / "s.json", data, splits)
    code, out, err = run("--split-file", tmp_path / "s.json", "--split", 2, "--json")
    assert code == 0
    assert json.loads(out)["split"] == splits[1].id
    assert "of 12 images were trained on" in err


@pytest.mark.slow
def test_another_dataset_that_runs_the_other_way(run, trained, tmp_path):
    other = _folder(tmp_path / "elsewhere", turned=True)
    options = ["--option", "higher_is_better=false"]
    code, out, err = run(*options, "--json", root=other)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["part"], found["split"], found["images"]) == ("all", None, 60)
    _, own, _ = run("--part", "all", "--json")
    own = json.loads(own)
    assert found["predictions"] == own["predictions"]
    for name in ("srocc", "plcc", "krocc", "plcc_logistic4", "rmse_logistic4"):
        assert found["metrics"][name] == pytest.approx(own["metrics"][name])
    assert found["srocc_interval"] == pytest.approx(own["srocc_interval"])
    assert "rmse" not in found["metrics"]
    _, out, _ = run(*options, root=other)
    assert "elsewhere: all images, 60 images" in out
    assert "lower is better in the labels (DMOS): the scores were turned (negated)" in out
    assert "No RMSE of raw scores" in out


@pytest.mark.slow
def test_images_smaller_than_the_input_are_enlarged_and_named_as_score_does(run, trained, tmp_path, capsys):
    other = _folder(tmp_path / "elsewhere")
    rng = np.random.default_rng(1)
    for name, shape in (("7.png", (20, 24, 3)), ("41.png", (64, 9, 3))):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(other / name)
    code, out, err = run("--json", root=other)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["enlarged"] == {"7.png": "enlarged from 20x24", "41.png": "enlarged from 64x9"}
    assert (found["images"], found["image_size"]) == (60, 32)
    code, out, _ = run(root=other)
    assert code == 0
    words = "7.png (enlarged from 20x24), 41.png (enlarged from 64x9)"
    assert f"2 of 60 images are smaller than the model's 32x32 pixels: {words}" in out.splitlines()
    assert main(["score", str(other / "7.png"), str(other / "0.png"), "--run", str(trained[1]), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)["images"]
    assert [each["note"] for each in scored] == [found["enlarged"]["7.png"], ""]
    _, out, _ = run("--json")
    assert json.loads(out)["enlarged"] == {}


@pytest.mark.slow
def test_a_small_image_counts_as_its_enlargement(run, tmp_path):
    """Scored as the file that an enlargement by hand makes, under the same name."""
    small, large = _folder(tmp_path / "small"), _folder(tmp_path / "large")
    pixels = Image.fromarray(np.random.default_rng(1).integers(0, 256, (20, 24, 3), dtype=np.uint8))
    pixels.save(small / "7.png")
    pixels.resize((38, 32), Image.Resampling.BICUBIC).save(large / "7.png")
    predictions = [json.loads(run("--json", root=root)[1])["predictions"] for root in (small, large)]
    assert predictions[0] == predictions[1]


@pytest.mark.slow
def test_scores_in_a_file(run, trained, tmp_path):
    file = tmp_path / "scores.csv"
    code, out, _ = run("--csv", file, "--crops", "3", "--part", "all")
    assert code == 0
    assert out.endswith(f"written to {file}\n")
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 60
    value = srocc([float(row["score"]) for row in rows], [float(row["mos"]) for row in rows])
    assert f"SROCC {value:.4f}, 95 % interval" in out
    assert run("--csv", file)[0] == 2


@pytest.mark.slow
def test_other_images_under_the_same_name(run, trained, tmp_path):
    other = _folder(tmp_path / "holiday")
    text = (other / "scores.csv").read_text().replace("\n7.png", "\n77.png")
    shutil.copy(other / "7.png", other / "77.png")
    (other / "scores.csv").write_text(text)
    code, out, err = run(root=other)
    assert (code, out) == (2, "")
    assert "split.json lists 1 images that are not in the data: 7.png" in err
    assert "another dataset needs another name (for a table: --option name=NAME)" in err
    assert run("--option", "name=other", root=other)[0] == 0


@pytest.mark.slow
def test_where_every_image_is_its_own_content_images_are_resampled(run, tmp_path):
    _, out, _ = run(root=_folder(tmp_path / "photos", references=False))
    assert "(bootstrap over 60 images;" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--split", "2"], "--split is of a file of splits; give --split-file FILE as well"),
        (["--split-file", "gone.json"], "there is no split file gone.json"),
        (["--csv", "no/s.csv"], "there is no folder "),
        (
            ["--option", "name=other", "--part", "test"],
            "other has no parts here; give --split-file FILE, or leave --part",
        ),
        (["--device", "cuda:x"], "'cuda:x' is no device"),
    ],
)
def test_what_cannot_be_evaluated_is_one_message(run, argv, message):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err


def test_what_is_no_run(run, trained, tmp_path):
    for model, message in [
        (trained[1].parent / "rum", "unknown run 'rum'; did you mean 'run'?"),
        (trained[1] / "weights.safetensors", "is a file; give the folder that iqa-zoo train wrote"),
        (tmp_path, "is not a run of iqa-zoo train: no run.json; there is nothing"),
    ]:
        code, out, err = run(model=model)
        assert (code, out) == (2, "")
        assert message in err
    (tmp_path / "run.json").write_text("{}")
    assert "run.json does not say 'iqa_zoo run, version 1'" in run(model=tmp_path)[2]
