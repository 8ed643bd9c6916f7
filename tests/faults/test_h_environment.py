"""The surroundings: terminals of another encoding, no home folder, files of another version, damaged results, timm's oddities."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iqa_zoo import __version__
from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.cache import cache_folder
from iqa_zoo.cli import main
from iqa_zoo.errors import CheckpointError, InputError, PartError
from iqa_zoo.studies.results import StudyResult, write_values
from iqa_zoo.training.run_folder import FORMAT, RunFolder

ROOT = Path(__file__).resolve().parents[2]
DAMAGED = int(os.environ.get("IQA_ZOO_FUZZ", "60"))
NAMES = [f"{i}.png" for i in range(8)]


@pytest.fixture(scope="module")
def made() -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location("html_results", ROOT / "tests" / "reports" / "html_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(made: ModuleType, tmp_path: Path) -> Path:
    write_values(StudyResult(made.made_up(NAMES)), tmp_path / "study")
    return tmp_path / "study"


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, timeout=300)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_terminal_of_an_encoding(encoding: str, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arrow that the encoding lacks is printed as an escape. The stream is what Python opens for that encoding."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    assert show(study) == 0
    arrow = "→" if encoding == "utf-8" else "\\u2192"
    assert f"head.hidden 64 {arrow} 32" in printed.getvalue().decode(encoding)


@pytest.mark.slow
def test_a_terminal_that_has_no_arrow(study: Path) -> None:
    done = python("-m", "iqa_zoo.cli", "compare", "--from", str(study), PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"head.hidden 64 \\u2192 32" in done.stdout


@pytest.mark.slow
def test_a_file_name_that_is_not_utf_8_is_printed_as_an_escape(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.yaml")
    for encoding in ("utf-8", "cp1252"):
        done = python("-m", "iqa_zoo.cli", "config", "deiqt", "-o", name + "x", PYTHONIOENCODING=encoding)
        assert done.returncode == 2
        assert b"caf\\udce9.yaml" in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_standard_output_on_a_full_disk_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "iqa_zoo.cli", "config", "deiqt"]
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr == "iqa-zoo: the standard output cannot be written (No space left on device)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slot", "closed", "code"),
    [("heads", ">&-", 0), ("heads", ">&- 2>&-", 0), ("nothing", "2>&-", 2)],
    ids=["stdout", "both", "stderr"],
)
def test_what_is_printed_on_a_closed_stream_goes_nowhere(slot: str, closed: str, code: int) -> None:
    command = f'"{sys.executable}" -m iqa_zoo.cli list {slot} {closed}'
    done = subprocess.run(["sh", "-c", command], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


def test_a_user_without_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_account() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_account)
    monkeypatch.delenv("IQA_ZOO_CACHE", raising=False)
    with pytest.raises(InputError, match="no home folder .* set IQA_ZOO_CACHE"):
        cache_folder()
    monkeypatch.setenv("IQA_ZOO_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")


def test_a_run_of_another_version_names_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"format": "iqa_zoo run, version 7"}))
    with pytest.raises(CheckpointError, match=f"'iqa_zoo run, version 7', and this iqa_zoo reads '{FORMAT}'"):
        RunFolder(run).read("run")
    assert main(["report", str(run), "-o", str(tmp_path / "r.html")]) == 0  # what is there of the others is shown
    assert "iqa_zoo run, version 7" in (tmp_path / "r.html").read_text()
    for damaged in (b"[1]", b"\xff\xfe{", b"[" * 100_000):
        (run / "run.json").write_bytes(damaged)
        with pytest.raises(CheckpointError, match=r"run.json"):
            RunFolder(run).read("run")


def test_results_of_another_version_name_both(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads((study / "results.json").read_text())
    for change in ({"summary": {"deiqt": {"quality": 0.8}}}, {"recipe": None}, {"splits": 3}):
        write_values(StudyResult({**results, **change, "versions": {"iqa_zoo": "9.9"}}), study)
        assert show(study) == 2
        said = capsys.readouterr().err
        assert f"(written by iqa_zoo 9.9, this is {__version__})" in said
        assert len(said.splitlines()) == 1


def show(study: Path) -> int:
    return main(["compare", "--from", str(study)])


def damage(content: bytes, rng: random.Random) -> bytes:
    """JSON with flipped bytes, cut off, or with a value removed or replaced by one of another kind."""
    kind = rng.randrange(4)
    if kind == 0:
        flipped = bytearray(content)
        for _ in range(rng.randint(1, 5)):
            flipped[rng.randrange(len(flipped))] = rng.randrange(256)
        return bytes(flipped)
    if kind == 1:
        return content[: rng.randrange(len(content))]
    value = json.loads(content)
    container, key = rng.choice(list(places(value)))
    if kind == 2:
        del container[key]
    else:
        container[key] = rng.choice([None, -1, 0.5, 10**30, "text", [], {}, [[]], {"a": None}, True])
    return json.dumps(value).encode()


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of nested JSON."""
    keys = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(keys):
        yield value, key
        yield from places(each)


@pytest.mark.slow
def test_damaged_results_are_a_line_or_tables(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (study / "results.json").read_bytes()
    rng = random.Random(0)
    codes = []
    for number in range(DAMAGED):
        (study / "results.json").write_bytes(damage(whole, rng))
        codes.append(show(study))
        printed = capsys.readouterr()
        assert codes[-1] in (0, 2), number
        assert codes[-1] == 0 or len(printed.err.splitlines()) == 1, number
        if number % 5 == 0:
            assert main(["report", str(study), "-o", str(study / "r.html")]) in (0, 2), number
            capsys.readouterr()
    assert codes.count(2) > DAMAGED // 4


@pytest.mark.slow
def test_damaged_trainings_are_a_line_or_a_page(
    tmp_path: Path, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = dict(srocc=0.75, plcc=0.8, plcc_logistic4=0.81, krocc=0.5, rmse=9.0, rmse_logistic4=8.0)
    whole: dict[str, Any] = {
        "run": dict(format=FORMAT, model_hash="a", recipe=dict(epochs=2, lr=0.1), recipe_name="quick", seed=7,
                    data=dict(name="table", images=8, label="MOS", higher_is_better=True), selection="validation"),
        "split": dict(splits=[dict(id="s1", train=["t"], validation=["v"], test=NAMES)]),
        "history": [dict(epoch=1, loss=1.0, validation=metrics, test=None, seconds=3.0, selected=True)],
        "result": dict(selection="validation", epoch=1, epochs=2, validation=metrics, metrics=metrics,
                       predictions=dict.fromkeys(NAMES, 50.0), every_rule={"last": dict(epoch=1, **metrics)}, seconds=6.0),
    }  # fmt: skip
    rng = random.Random(1)
    for number in range(DAMAGED):
        for name, value in whole.items():
            content = json.dumps(value).encode()
            (tmp_path / f"{name}.json").write_bytes(damage(content, rng) if rng.random() < 0.4 else content)
        code = main(["report", str(tmp_path), "-o", str(tmp_path / "r.html")])
        printed = capsys.readouterr()
        assert code in (0, 2), number
        assert code == 0 or len(printed.err.splitlines()) == 1, number


@pytest.mark.parametrize("name", ["crossvit_tiny_240", "coat_tiny", "efficientvim_m1"])
def test_a_timm_model_of_several_outputs_is_refused_by_name(name: str) -> None:
    with pytest.raises(PartError, match=f"timm's '{name}' ends in several outputs"):
        TimmFeatures(name=name)


def test_the_same_line_in_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["budget", "linear_probe", "--set", "backbone.type=timm_features", "backbone.name=crossvit_tiny_240"]) == 2
    )
    said = capsys.readouterr().err
    assert "backbone: timm's 'crossvit_tiny_240' ends in several outputs side by side" in said
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(4))
def test_one_timm_model_of_every_family_works_or_is_refused(part: int) -> None:
    """A quarter of the families at a time, each by a small model."""
    import timm
    import torch

    def is_large(name: str) -> bool:
        return not ("tiny" in name or "small" in name or name.endswith("_s"))

    families: dict[str, str] = {}
    for name in sorted(timm.list_models(), key=lambda name: (is_large(name), len(name))):
        families.setdefault(timm.models._registry._model_to_module[name], name)  # type: ignore[attr-defined]
    refused = []
    for name in list(families.values())[part::4]:
        try:
            with torch.device("meta"):
                backbone = TimmFeatures(name=name).eval()
                if name != "gemma4_vit_167m":  # reads values of its positions, which meta tensors have not
                    size = backbone.spec.image_size
                    assert backbone(torch.zeros(1, 3, size, size)).global_BC.shape == (1, backbone.spec.global_channels)
        except PartError:
            refused.append(name)
    assert len(families) > 60
    assert len(refused) <= 2
