"""A trained model is made from the box by one command, and scores photographs."""

import pytest

import iqa_zoo
from iqa_zoo.errors import UnknownName
from iqa_zoo.trained.battery import load_photographs
from iqa_zoo.trained.entry import read_trained


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("train_box")


def test_a_model_of_the_box(script, tmp_path, monkeypatch, one_thread):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    words = [
        "probe.livec",
        "linear_probe",
        "--set",
        "head.type=ridge",
        "--recipe-set",
        "epochs=2",
        "--splits",
        "2",
        "--out",
        str(tmp_path),
    ]
    made = script.make(script.make_parser().parse_args(words))
    entry = read_trained("probe.livec", tmp_path)
    assert (entry.sha256, entry.recipe["epochs"], entry.recipe["precision"]) == (made.sha256, 2, "float32")
    assert (entry.measured.images, entry.measured.splits) == (1162, 2)
    assert abs(entry.measured.coverage - 0.9) < 0.03
    assert entry.measured.srocc.mean > 0.7
    assert entry.backbone_sha256.startswith("579344248a93")
    assert entry.bytes < 1e6  # without the backbone
    scorer = iqa_zoo.load("probe.livec", "cpu", folder=tmp_path)
    assert len(scorer.photographs.names) == 1162
    for name, image_HWC in load_photographs().items():
        assert scorer.score(image_HWC).score == pytest.approx(entry.golden[name], abs=1e-4)


def test_a_key_that_the_recipe_lacks(script):
    assert script.make_recipe({"epochs": 3}).epochs == 3
    with pytest.raises(UnknownName, match=r"unknown key of the recipe 'epoch'; did you mean 'epochs'\?"):
        script.make_recipe({"epoch": 3})
