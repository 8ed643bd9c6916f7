"""One thing is done in one way: --from reads the study's own runs only, and a run folder is named by what changes numbers."""

import json
import sys
from pathlib import Path

import pytest
from iqa_zoo.reports.run import STUDIES, find_study, read_run

from iqa_zoo.commands.study import run_folder
from iqa_zoo.errors import IqaZooError

SCRIPTS = Path(__file__).resolve().parents[2] / "benchmarks"
KEPT = {
    "livec_resnet18.json": "compare",
    "livec_resnet18_end_to_end.json": "compare",
    "livec_resnet18_ablation.json": "ablate",
    "livec_resnet18_sensitivity.json": "ablate",
    "livec_resnet18_swap.json": "swap",
    "livec_resnet18_data_efficiency.json": "data_efficiency",
    "livec_resnet18_tsne.json": "tsne",
    "livec_scaling.json": "scaling",
    "livec_layer_probe.json": "probe_layers",
}


@pytest.fixture
def load(monkeypatch):
    def run(name):
        monkeypatch.syspath_prepend(SCRIPTS)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    return run


@pytest.mark.parametrize(("file", "study"), KEPT.items())
def test_results_that_do_not_name_their_study_are_recognised(file, study):
    results = json.loads((SCRIPTS / "results" / file).read_text())
    assert find_study({key: value for key, value in results.items() if key != "study"}) == study


@pytest.mark.parametrize("holds", STUDIES)
@pytest.mark.parametrize("asked", STUDIES)
def test_the_run_of_another_study_is_refused_by_name(holds, asked, tmp_path):
    results = {**{key: [] for key in STUDIES[holds].keys}, "seconds": 1.0}
    for named in ({}, {"study": holds}):
        (tmp_path / "results.json").write_text(json.dumps(results | named))
        if holds == asked:
            assert read_run(tmp_path, asked) == results | named
            continue
        with pytest.raises(IqaZooError) as error:
            read_run(tmp_path, asked)
        assert str(error.value) == (
            f"{tmp_path} holds {STUDIES[holds].title} ({holds}.py), not {STUDIES[asked].title}; "
            f"print it with python benchmarks/{holds}.py --from {tmp_path}"
        )


def test_a_comparison_is_not_printed_from_an_ablation(load, tmp_path, capsys):
    (tmp_path / "results.json").write_text((SCRIPTS / "results" / "livec_resnet18_ablation.json").read_text())
    assert load("compare").main(["--from", str(tmp_path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "holds an ablation (ablate.py), not a comparison; print it with python benchmarks/ablate.py --from" in said


@pytest.mark.parametrize(
    "content", ["[]", "3", "{}", '{"seconds": 1}', '{"study": "another", "seconds": 1}', '{"study": 4}']
)
def test_what_is_no_study_is_said_to_be_none(content, tmp_path):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(IqaZooError, match=r"does not hold the results of compare\.py|holds no results, but"):
        read_run(tmp_path, "compare")


BASE = ["lifeiqa_tiny", "--data", "table", "--root", "d"]
SAME = [
    ["--jobs", "1"], ["--ray", "auto"], ["--no-latency"], ["--max-cache-gb", "3"], ["--dry-run"], ["--fresh"],
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
def test_what_changes_no_number_changes_no_folder(words, load, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    script = load("compare")
    assert run_folder(script.parse([*BASE, *words]), "a") == run_folder(script.parse(BASE), "a")


@pytest.mark.parametrize("words", OTHER, ids=" ".join)
def test_what_changes_a_number_changes_the_folder(words, load):
    script = load("compare")
    assert run_folder(script.parse([*BASE, *words]), "a") != run_folder(script.parse(BASE), "a")


def test_devices_of_a_kind_share_a_folder(load, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    script = load("compare")
    folders = [run_folder(script.parse([*BASE, "--device", name]), "a") for name in ("cuda:0", "cuda:1", "cpu")]
    assert folders[0] == folders[1] != folders[2]
