"""data_efficiency.py as a user runs it, and what it decides before it trains."""

import argparse
import csv
import json

import pytest


@pytest.fixture(scope="module")
def script(load_script):
    return load_script("data_efficiency")


def test_the_whole_study(noise_folder, run_study, script, monkeypatch, capsys):
    first = run_study(
        "data_efficiency.py", noise_folder, "gcn.yaml", "attention.json", "--data", "table", "--root", "photos", "--fractions", 1, 0.5,
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
    assert script.main(["--from", "efficiency", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == text
    assert "gcn and attention at 2 shares" in capsys.readouterr().out


def test_equal_steps_and_equal_epochs(script):
    asked = argparse.Namespace(equal="steps", epochs=12, batch_size=32)
    for images in (20, 100, 333, 840):
        steps = script.epochs_for(images, 840, asked) * script.steps_an_epoch(images, 32)
        assert abs(steps - 12 * 26) <= script.steps_an_epoch(images, 32) / 2
    asked.equal = "epochs"
    assert script.epochs_for(20, 840, asked) == 12


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fractions", "20"], "0.2 for 20 %"),
        (["lifeiqa", "lifeiqa"], "named twice"),
    ],
)
def test_usage_errors(script, arguments, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        script.main(arguments)
    assert stopped.value.code == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_an_output_in_no_folder(script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert script.main(["--json", "nowhere/r.json"]) == 2
    assert capsys.readouterr().err == "error: nowhere/r.json: there is no folder nowhere\n"


def test_not_a_run(script, tmp_path, capsys):
    assert script.main(["--from", str(tmp_path)]) == 2
    assert "not a run of data_efficiency.py" in " ".join(capsys.readouterr().err.split())
