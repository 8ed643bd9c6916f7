"""iqa-zoo data-efficiency as a user runs it, and what it decides before it trains."""

import csv
import json

import pytest

from iqa_zoo.cli import main
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Silent
from iqa_zoo.studies.data_efficiency.study import count_epochs
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.study import find_study, plan_study
from iqa_zoo.training.recipe import FrozenRecipe, Recipe


def test_the_whole_study(noise_folder, run_study, monkeypatch, capsys):
    first = run_study(
        "data-efficiency", noise_folder, "gcn.yaml", "attention.json", "--data", "table", "--root", "photos", "--fractions", 1, 0.5,
        "--out", "efficiency", "--json", "e.json", "--csv", "e.csv", "--markdown", "e.md",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    results = json.loads((noise_folder / "e.json").read_text())
    assert [(share["fraction"], share["images"]) for share in results["shares"]] == [(0.5, 9), (1.0, 18)]
    assert [share["epochs"] for share in results["shares"]] == [4, 2]
    assert [share["steps"] for share in results["shares"]] == [4, 4]
    assert len(results["runs"]) == 2 * 2 * 3
    assert {(run["fraction"], run["epochs"]) for run in results["runs"]} == {(0.5, 4), (1.0, 2)}
    assert len(results["rows"]) == 2 * 3
    assert len(results["differences"]) == 2 * 3
    by_split = {}
    for run in results["runs"]:
        by_split.setdefault(run["whole"], set()).add(run["seed"])
    assert sorted(map(sorted, by_split.values())) == [[0], [1]]  # one seed a split, whatever the share
    with (noise_folder / "e.csv").open() as file:
        assert {row["fraction"] for row in csv.DictReader(file)} == {"0.5", "1.0"}
    for name in ("data_efficiency.png", "data_efficiency.svg", "differences.png", "tables.md"):
        assert (noise_folder / "efficiency" / name).is_file()
    text = (noise_folder / "e.md").read_text()
    assert "Steps are held equal" in text
    assert "How much data a model needs to reach another" in text
    monkeypatch.chdir(noise_folder)
    assert main(["data-efficiency", "--from", "efficiency", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == text
    assert "gcn and attention at 2 shares" in capsys.readouterr().out


def test_the_baseline_learns_from_the_images_of_a_share_and_not_from_the_validation_part(noise_folder, monkeypatch):
    learned = []

    def train(self, trainings, data, **_):
        learned.extend((each.model, len(each.split.train), len(each.split.validation)) for each in trainings)
        raise InputError("enough")

    monkeypatch.setattr(FrozenRunner, "train", train)
    monkeypatch.chdir(noise_folder)
    settings = {"data": "table", "root": "photos", "backbone": "nss", "splits": 1, "validation_fraction": 0.3}
    spec = plan_study("data_efficiency", ["gcn.yaml"], fractions=(0.5, 1.0), batch_size=4, **settings)
    with pytest.raises(InputError, match="enough"):
        find_study("data_efficiency").run(spec, Silent())
    of = {model: [each[1:] for each in learned if each[0] == model] for model in ("gcn", "ridge_baseline")}
    assert [train for train, _ in of["gcn"]] == [train for train, _ in of["ridge_baseline"]]
    assert all(validation for _, validation in of["gcn"])
    assert not any(validation for _, validation in of["ridge_baseline"])


def test_equal_steps_and_equal_epochs():
    frozen, whole = FrozenRecipe(epochs=12, batch_size=32), Recipe(summary="", epochs=12, batch_size=32, crops=2)
    assert (count_epochs(840, 840, frozen, "steps"), count_epochs(168, 840, frozen, "steps")) == (12, 62)
    for recipe, of_whole in ((frozen, 26), (whole, 52)):
        for images in (20, 100, 333, 840):
            steps = count_epochs(images, 840, recipe, "steps") * recipe.count_steps(images)
            assert abs(steps - 12 * of_whole) <= recipe.count_steps(images) / 2
        assert count_epochs(20, 840, recipe, "epochs") == 12
    with pytest.raises(InputError, match="a share of 15 training images does not fill a batch of 32 crops"):
        count_epochs(15, 840, whole, "steps")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fractions", "20"], "0.2 for 20 %"),
        (["lifeiqa", "lifeiqa"], "named twice"),
    ],
)
def test_usage_errors(arguments, says, capsys, exit_code):
    assert exit_code("data-efficiency", *arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_an_output_in_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data-efficiency", "--json", "nowhere/r.json"]) == 2
    assert capsys.readouterr().err == "iqa-zoo: nowhere/r.json: there is no folder nowhere\n"


def test_not_a_run(tmp_path, capsys):
    assert main(["data-efficiency", "--from", str(tmp_path)]) == 2
    assert "is not a run of a study" in " ".join(capsys.readouterr().err.split())
