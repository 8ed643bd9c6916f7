"""The HTML report of a training: all of its folder, and with each part missing the others."""

import json

import pytest

from iqa_zoo.cli import main

NAMES = [f"{i}.png" for i in range(8)]
METRICS = dict(srocc=0.75, plcc=0.8, plcc_logistic4=0.81, krocc=0.5, rmse=9.0, rmse_logistic4=8.0)


@pytest.fixture
def folder(tiny, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    data = dict(name="table", images=8, label="MOS", higher_is_better=True)
    recipe = dict(summary="short", epochs=2, lr=0.001, freeze=[], notes=[])
    epochs = [
        dict(epoch=i, loss=1 / i, lr=[0.1], validation=METRICS, test=None, seconds=3.0, selected=i == 2) for i in (1, 2)
    ]
    content = {
        "run": dict(model=tiny, model_hash="feedbeef", recipe=recipe, recipe_name="quick", data=data, seed=7,
                    selection="validation", versions={"torch": "2.9.0"}, source="abc"),
        "split": dict(splits=[dict(id="s1", train=["t"] * 9, validation=["v"], test=NAMES)]),
        "history": epochs,
        "result": dict(selection="validation", epoch=2, epochs=2, validation=METRICS, metrics=METRICS,
                       predictions={name: 50.0 + i for i, name in enumerate(NAMES)},
                       every_rule={"last": dict(epoch=2, **METRICS)}, seconds=6.0),
    }  # fmt: skip
    for name, value in content.items():
        (run / f"{name}.json").write_text(json.dumps(value))
    (run / "weights.safetensors").write_bytes(b"")
    return run


def report(folder, *more):
    out = folder.parent / "r.html"
    assert main(["report", str(folder), "-o", str(out), *map(str, more)]) == 0
    return out.read_text()


@pytest.mark.slow
def test_everything_is_there(folder, made):
    content = report(folder, "--data", "table", "--root", made.photo_folder(folder.parent / "photos", NAMES))
    assert "On 8 test images: SROCC 0.750, PLCC 0.800 (epoch 2 of 2, by the rule validation)." in content
    assert "0.750 [" in content  # the interval
    assert "interactions" in content  # the budget by slot
    assert 'role="img" aria-label="Plot: SROCC after each epoch: table' in content
    assert "1 of 9 train, 1 validation, 8 test: s1" in content
    assert "epochs 2, lr 0.001" in content
    assert "feedbeef" in content
    assert "--seed 7 --selection validation" in content
    assert content.count('<img src="data:image/jpeg') == 8
    assert "part:" not in content


@pytest.mark.slow
def test_without_the_dataset_predictions_have_no_labels(folder):
    content = report(folder)
    assert "No images are shown: give the dataset again" in content
    assert "Predictions of the test images" in content
    assert "No interval" in content


@pytest.mark.slow
@pytest.mark.parametrize("part", ["run.json", "split.json", "history.json", "result.json", "weights.safetensors"])
def test_a_missing_part_is_named_and_the_rest_is_shown(folder, part):
    (folder / part).unlink()
    content = report(folder)
    assert f"Missing part: {part}" in content
    if part != "result.json":
        assert "SROCC 0.750" in content
    else:
        assert "The training has no result yet: 2 of 2 epochs are finished." in content
    if part != "run.json":
        assert "feedbeef" in content


@pytest.mark.slow
def test_a_damaged_part_is_named(folder):
    (folder / "history.json").write_text("[{")
    (folder / "split.json").write_text("[]")
    content = report(folder)
    assert "Damaged part: history.json" in content
    assert "Damaged part: split.json" in content


@pytest.mark.slow
def test_a_model_that_cannot_be_built_keeps_the_rest(folder):
    run = json.loads((folder / "run.json").read_text())
    run["model"]["head"]["type"] = "gone"
    (folder / "run.json").write_text(json.dumps(run))
    content = report(folder)
    assert "The budget cannot be counted" in content
    assert "SROCC 0.750" in content


@pytest.mark.slow
def test_figures_of_explain_are_shown_with_alternative_text(folder):
    (folder / "explain").mkdir()
    (folder / "explain" / "routing.png").write_bytes(b"\x89PNG")
    (folder / "explain" / "routing.txt").write_text("Expert 2 takes all <blurred> images")
    (folder / "explain" / "notes.md").write_text("no picture")
    content = report(folder)
    assert 'alt="Expert 2 takes all &lt;blurred&gt; images"' in content
    assert content.count('class="explain"') == 1


@pytest.mark.slow
def test_an_oracle_gives_a_warning(folder):
    result = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**result, "selection": "test-oracle"}))
    assert "selects on the test part" in report(folder)
