"""One thing is done in one way: --from reads the study's own runs only, and a run folder is named by what changes numbers."""

import json
from pathlib import Path

import pytest

from iqa_zoo.cli import main
from iqa_zoo.errors import IqaZooError
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.results import _KEYS, load_result, migrate_values
from iqa_zoo.studies.study import find_study

RESULTS = Path(__file__).resolve().parents[1] / "data" / "kept_results"
KEPT = {
    "compare_1.json": "compare",
    "compare_end_to_end_1.json": "compare",
    "ablate_1.json": "ablate",
    "sensitivity_1.json": "ablate",
    "swap_1.json": "swap",
    "data_efficiency_1.json": "data_efficiency",
    "tsne_1.json": "tsne",
    "scaling_1.json": "scaling",
    "layer_probe_1.json": "layer_probe",
}


@pytest.mark.parametrize(("file", "study"), KEPT.items())
def test_results_that_do_not_name_their_study_are_recognised(file, study):
    results = json.loads((RESULTS / file).read_text())
    unnamed = {key: value for key, value in results.items() if key != "study"}
    assert migrate_values(unnamed, RESULTS / file)["study"] == study


@pytest.mark.parametrize("holds", STUDIES.built_in())
@pytest.mark.parametrize("wanted", STUDIES.built_in())
def test_the_run_of_another_study_is_refused_by_name(holds, wanted, tmp_path):
    results = {**{key: [] for key in _KEYS[holds]}, "seconds": 1.0}
    for named in ({}, {"study": holds}):
        (tmp_path / "results.json").write_text(json.dumps(results | named))
        if holds == wanted:
            assert load_result(tmp_path, wanted).values == results | {"study": holds, "schema": 3}
            continue
        with pytest.raises(IqaZooError) as error:
            load_result(tmp_path, wanted)
        assert str(error.value) == (
            f"{tmp_path} holds {find_study(holds).title} ({holds}), not {wanted}; "
            f"print it with iqa-zoo {holds.replace('_', '-')} --from {tmp_path}"
        )


def test_a_comparison_is_not_printed_from_an_ablation(tmp_path, capsys):
    (tmp_path / "results.json").write_text((RESULTS / "ablate_1.json").read_text())
    assert main(["compare", "--from", str(tmp_path)]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "holds an ablation (ablate), not compare; print it with iqa-zoo ablate --from" in message


@pytest.mark.parametrize(
    "content", ["[]", "3", "{}", '{"seconds": 1}', '{"study": "another", "seconds": 1}', '{"study": 4}']
)
def test_what_is_no_study_is_refused(content, tmp_path):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(IqaZooError, match=r"does not hold the results of a study \(.*compare|holds no results, but"):
        load_result(tmp_path, "compare")


BASE = ["lifeiqa_tiny", "--data", "table", "--root", "d"]
SAME = [
    ["--jobs", "1"], ["--ray", "auto"], ["--slurm", "local"], ["--no-latency"], ["--max-cache-gb", "3"], ["--dry-run"], ["--fresh"],
    ["--json", "x.json"], ["--csv", "x.csv"], ["--markdown", "x.md"], ["--html", "x.html"], ["--out", "y"],
    ["--device", "cpu"],
]  # fmt: skip
OTHER = [
    ["--seed", "1"], ["--splits", "3"], ["--epochs", "3"], ["--lr", "0.1"], ["--crops", "2"], ["--batch-size", "3"],
    ["--backbone", "resnet18"], ["--match", "macs"], ["--selection", "last"], ["--precision", "float32"],
    ["--images", "40"], ["--option", "labels=x.csv"], ["--protocol", "end-to-end"], ["--validation-fraction", "0.2"],
    ["--test", "livec", "--test-root", "r"],
]  # fmt: skip


@pytest.mark.parametrize("words", SAME, ids=" ".join)
def test_what_changes_no_number_changes_no_folder(words, plan_command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert plan_command("compare", *BASE, *words).folder() == plan_command("compare", *BASE).folder()


@pytest.mark.parametrize("words", OTHER, ids=" ".join)
def test_what_changes_a_number_changes_the_folder(words, plan_command):
    assert plan_command("compare", *BASE, *words).folder() != plan_command("compare", *BASE).folder()


def test_devices_of_a_kind_share_a_folder(plan_command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    folders = [plan_command("compare", *BASE, "--device", name).folder() for name in ("cuda:0", "cuda:1", "cpu")]
    assert folders[0] == folders[1] != folders[2]
