"""Kind M: a score moves as little as its image does, and is the same number wherever it is printed."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from iqa_zoo.build import build_backbone
from iqa_zoo.cli import main
from iqa_zoo.data.crops import cut_grid_crops
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict, score_image
from iqa_zoo.training.frozen.extraction import extract_features

SIZE = 32

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def trained(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = SIZE
    return write_run(tmp_path / "run", tiny, noise=0.3, test_crops=4)


@pytest.fixture
def photos(tmp_path):
    """Twenty images of several sizes with edges and noise, the last two smaller than the model's input."""
    root = tmp_path / "photos"
    root.mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        shape = (20, 27) if i >= 18 else (40 + 3 * i, 90 - 2 * i)
        noise = Image.fromarray(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
        noise.filter(ImageFilter.GaussianBlur(i % 5)).save(root / f"{i}.png")
    (root / "scores.csv").write_text("\n".join(["image,mos", *(f"{i}.png,{i}" for i in range(20))]))
    return root


def _read(path):
    return np.array(Image.open(path))


@pytest.mark.slow
@pytest.mark.parametrize("crops", [1, 2, 4, 10])
def test_one_pixel_by_one_level_moves_no_score_by_a_twentieth_of_a_point(crops, trained, photos):
    """On a scale on which the scores of the images run from 0 to 100."""
    scorer, _ = load_run(trained, "cpu")
    images = [_read(photos / f"{i}.png") for i in range(18)]
    scores = np.array([score_image(scorer, image_HWC, crops) for image_HWC in images])
    moved, rng = [], np.random.default_rng(1)
    for image_HWC, score in zip(images, scores, strict=True):
        changed_HWC = image_HWC.copy()
        row, column, channel = (rng.integers(side) for side in image_HWC.shape)
        changed_HWC[row, column, channel] += 1 if image_HWC[row, column, channel] < 255 else -1
        moved.append(abs(score_image(scorer, changed_HWC, crops) - score))
    assert 0 < max(moved) < 0.05 * np.ptp(scores) / 100


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), [("3.png", 4), ("3.png", 1), ("19.png", 7)])
def test_score_explain_and_evaluate_agree(name, number, trained, photos, tmp_path, capsys):
    crops = [] if number == 4 else ["--crops", str(number)]  # 4 are those of the run

    def call(*arguments):
        assert main([*map(str, arguments), *crops]) == 0
        return capsys.readouterr().out

    scored = call("score", photos / name, "--run", trained, "--json")
    explained = call("explain", photos / name, "--run", trained, "--json")
    evaluated = call("evaluate", trained, "--data", "table", "--root", photos, "--json")
    (row,) = json.loads(scored)["images"]
    assert json.loads(explained)["score"] == row["score"] == json.loads(evaluated)["predictions"][name]
    printed = call("score", photos / name, "--run", trained).splitlines()[1].split()[0]
    words = call("explain", photos / name, "--run", trained, "-o", tmp_path / "out.png").splitlines()[0]
    assert re.search(r"MOS (\S+) predicted", words).group(1) == printed
    assert f"the mean of {number} crops; " in words
    crop_score = json.loads(explained)["crop"]["score"]
    assert f"{crop_score:.4f} from the centre crop alone" in words
    assert (crop_score == pytest.approx(row["score"], rel=1e-6)) == (number == 1)


@pytest.mark.slow
def test_the_seed_of_a_run_its_name_and_the_order_change_no_crop(trained, photos, capsys):
    names = [str(photos / f"{i}.png") for i in range(20)]
    scores = []
    for order in (names, names[::-1]):
        assert main(["score", *order, "--run", str(trained), "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)["images"]
        scores.append({row["image"]: row["score"] for row in rows})
    assert scores[0] == scores[1]


def test_features_of_a_study_are_of_the_crops_that_a_score_is_computed_from(photos, tmp_path):
    """Small images included: they are enlarged, not refused."""
    config = {"type": "timm_features", "name": "test_resnet", "stages": [4], "image_size": SIZE}
    backbone = build_backbone({"backbone": config}).eval()
    paths = tuple(photos / f"{i}.png" for i in range(16, 20))
    data = RatedImages("few", paths, np.arange(4.0), score_range=(0, 3), licence="", source="")
    bank = extract_features(backbone, config, data, crops=4, cache=tmp_path / "cache")
    spec = backbone.spec
    for i, path in enumerate(paths):
        image = Image.open(path)
        if min(image.size) < SIZE:
            image = image.resize((43, SIZE), Image.Resampling.BICUBIC)
        crops = torch.from_numpy(cut_grid_crops(np.array(image), SIZE, 4)).permute(0, 3, 1, 2).float() / 255
        crops = (crops - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
        with torch.no_grad():
            expected = backbone(crops).global_BC
        found = bank.take(np.full(4, i), np.arange(4)).global_BC
        torch.testing.assert_close(found, expected, rtol=5e-3, atol=5e-3)


@pytest.mark.slow
def test_a_small_image_scores_as_its_enlargement_everywhere(trained, photos, tmp_path, capsys):
    larger = tmp_path / "larger"
    larger.mkdir()
    Image.open(photos / "19.png").resize((43, SIZE), Image.Resampling.BICUBIC).save(larger / "19.png")
    scores = []
    for path in (photos / "19.png", larger / "19.png"):
        assert main(["score", str(path), "--run", str(trained), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["images"]
        assert main(["explain", str(path), "--run", str(trained), "--json"]) == 0
        crop = json.loads(capsys.readouterr().out)["crop"]
        scores.append((row["score"], crop["score"]))
        assert row["note"] == crop["note"] == ("" if "larger" in str(path) else "enlarged from 20x27")
    assert scores[0] == scores[1]
    scorer, run = load_run(trained, "cpu")
    data = RatedImages("one", (photos / "19.png",), np.array([1.0]), score_range=(0, 3), licence="", source="")
    assert predict(scorer, data, [0], crops=run.test_crops)[0] == scores[0][0]


@pytest.mark.slow
def test_a_study_enlarges_small_images_and_its_tables_say_how_many(photos, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    with (photos / "scores.csv").open("a") as labels:
        for i in range(20, 32):
            Image.fromarray(rng.integers(0, 8 * i, (230, 240, 3), dtype=np.uint8)).save(photos / f"{i}.png")
            labels.write(f"\n{i}.png,{i}")
    words = [
        *("compare", "linear_probe", "--backbone", "test_resnet", "--data", "table", "--root", photos, "--splits", "2"),
        *("--epochs", "1", "--batch-size", "8", "--crops", "2", "--jobs", "1", "--selection", "last", "--no-latency"),
        *("--out", tmp_path / "run", "--markdown", tmp_path / "run.md"),
    ]
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    assert main([str(word) for word in words]) == 0
    (results,) = (tmp_path / "run").glob("**/results.json")
    found = json.loads(results.read_text())
    assert found["enlarged"] == {"photos": 20}
    assert "20 images of photos smaller than the backbone's input, enlarged" in (tmp_path / "run.md").read_text()
