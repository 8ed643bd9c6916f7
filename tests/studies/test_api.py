"""Studies as Python calls: the numbers of the command to the bit, and what a call refuses."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import iqa_zoo
from iqa_zoo.errors import InputError, UnknownName
from iqa_zoo.progress import Silent
from iqa_zoo.studies.api import call_study
from iqa_zoo.studies.results import load_result

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = dict(
    data="table", root="photos", backbone="test_resnet", splits=2, epochs=1, crops=1, batch_size=8, selection="last",
    jobs=1, no_latency=True,
)  # fmt: skip
CHANGING = ("command", "seconds", "from_cache")  # run by run


def list_numbers(values):
    runs = [{k: v for k, v in run.items() if k not in ("seconds", "resumed")} for run in values["runs"]]
    summary = {model: {k: v for k, v in row.items() if k != "seconds"} for model, row in values["summary"].items()}
    return {**{k: v for k, v in values.items() if k not in CHANGING}, "runs": runs, "summary": summary}


@pytest.mark.slow
def test_the_call_the_command_and_the_script_give_the_same_numbers(noise_folder, run_study, monkeypatch, tmp_path):
    words = [f"--{key.replace('_', '-')}={value}" for key, value in SETTINGS.items() if value is not True]
    words += ["--no-latency", "--fresh"]
    command = run_study("compare", noise_folder, "gcn.yaml", "attention.json", *words, "--json", "c.json", small=False)
    assert command.returncode == 0, command.stderr
    result = iqa_zoo.compare(
        ["gcn.yaml", "attention.json"], **SETTINGS, fresh=True, out=str(tmp_path / "run"), progress=Silent()
    )
    script = [
        sys.executable,
        ROOT / "benchmarks" / "compare.py",
        "gcn.yaml",
        "attention.json",
        *words,
        "--json",
        "s.json",
    ]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = subprocess.run([str(word) for word in script], cwd=noise_folder, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    kept = [json.loads((noise_folder / name).read_text()) for name in ("c.json", "s.json")]
    values = json.loads(json.dumps(result.values))
    for each in (*kept, values):  # how many threads torch has is the process's own
        each.pop("threads")
    assert list_numbers(kept[0]) == list_numbers(values) == list_numbers(kept[1])
    assert load_result(tmp_path / "run").verdict() == result.verdict()
    assert " ".join(result.verdict().split()) in " ".join(command.stdout.split())  # a terminal wraps lines
    assert [record["model"] for record in result.to_records()] == ["gcn", "attention", "ridge_baseline"] * 2
    assert result.study == "compare"


@pytest.mark.slow
def test_a_config_by_label(tiny, monkeypatch, noise_folder, tmp_path):
    monkeypatch.chdir(noise_folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    result = iqa_zoo.compare({"mine": tiny}, **{**SETTINGS, "no_train": True}, progress=Silent())
    assert result.values["compared"] == ["mine"]
    assert result.runs == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(epoch=1), "did you mean 'epochs'?"),
        (dict(dry_run=True), "a dry run has no result; use iqa-zoo compare --dry-run"),
        (dict(splits=0), "--splits is a positive number, got 0"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(settings, message):
    with pytest.raises(InputError) as error:
        iqa_zoo.compare(["lifeiqa_tiny"], **settings)
    assert message in str(error.value)


def test_a_study_that_does_not_exist_names_the_closest():
    with pytest.raises(UnknownName, match="unknown study 'compre'; did you mean 'compare'"):
        call_study("compre", ["deiqt"])


@pytest.mark.parametrize(
    "name", ["compare", "ablate", "swap", "data_efficiency", "scaling", "cross_dataset", "load_result"]
)
def test_calls_are_public(name):
    assert name in iqa_zoo.__all__
    assert callable(getattr(iqa_zoo, name))


PLAIN = """
import sys
from pathlib import Path
print("the script runs")
import iqa_zoo
from iqa_zoo import compare, register_head
from iqa_zoo.heads.linear import LinearHead
from iqa_zoo.progress import Silent


def count_trained(models):
    result = compare(models, data="table", root={root!r}, splits=2, epochs=1, crops=1, batch_size=8, selection="last",
                     no_latency=True, jobs=2, progress=Silent())
    return len([run for run in result.runs if "error" not in run])


print(count_trained([{config!r}]), "trained")


@register_head("of_the_script")
class OfTheScript(LinearHead):
    '''A head of the script.'''


own = iqa_zoo.model_config("linear_probe") | dict(head=dict(type="of_the_script"))
print(count_trained(dict(own=own)), "trained with a head of the script")
"""


@pytest.mark.slow
def test_a_plain_script_without_a_guard_runs_once(noise_folder, tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(PLAIN.format(root=str(noise_folder / "photos"), config=str(noise_folder / "gcn.yaml")))
    environment = {**os.environ, "IQA_ZOO_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["the script runs", "4 trained", "4 trained with a head of the script"]


# What a notebook does with its cells: no __main__ file, an event loop that runs, a stream without a file descriptor.
NOTEBOOK = """
import asyncio, code, io, sys


class Stream(io.TextIOBase):
    def write(self, text):
        return sys.__stdout__.write(text)


async def run():
    sys.stdout = Stream()
    shell = code.InteractiveConsole(vars(sys.modules["__main__"]))
    for number, cell in enumerate(sys.argv[1:], start=1):
        shell.runsource(cell, f"<ipython-input-{number}>", "exec")


assert not hasattr(sys.modules["__main__"], "__file__")
asyncio.run(run())
"""

CELLS = [
    """
from iqa_zoo import compare, model_config
from iqa_zoo.progress import Silent
small = dict(backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4]))
models = {name: model_config(name) | small for name in ("lifeiqa", "deiqt")}
settings = dict(images=30, backbone="test_resnet", crops=1, batch_size=8, selection="last", no_latency=True, jobs=2, progress=Silent())
print(compare(models, data="table", root="photos", splits=2, epochs=1, **settings).verdict())
""",
    """
from iqa_zoo import register_head
from iqa_zoo.heads.linear import LinearHead

@register_head("of_the_cell")
class OfTheCell(LinearHead):
    '''A head of the cell.'''

own = model_config("linear_probe") | dict(head=dict(type="of_the_cell"))
result = compare(dict(own=own), data="table", root="photos", splits=2, epochs=1, **settings)
print([(run["model"], "error" in run) for run in result.runs])
""",
]


@pytest.mark.slow
def test_the_cells_of_a_notebook(noise_folder, tmp_path):
    """The comparison of the README on a small backbone, and then one of a model with a head that a cell defines."""
    changes = {"IQA_ZOO_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-c", NOTEBOOK, *CELLS]
    done = subprocess.run(
        words, cwd=noise_folder, env={**os.environ, **changes}, capture_output=True, text=True, timeout=580
    )
    assert (done.returncode, done.stderr) == (0, "")
    verdict, *against_baseline, records = done.stdout.splitlines()
    few = "a verdict needs at least 5 splits"
    assert re.fullmatch(rf"lifeiqa and deiqt: undecided, .* lifeiqa ahead in [012] of 2 splits; {few}\.", verdict)
    assert [re.sub(",.*", "", line) for line in against_baseline] == [
        f"{model} and ridge_baseline: undecided" for model in ("lifeiqa", "deiqt")
    ]
    assert ast.literal_eval(records) == [("own", False), ("ridge_baseline", False)] * 2
