"""Parts of a user's own file: known to every command and worker, part of the identities, and errors that name the line."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo import user_files
from iqa_zoo.cli import main
from iqa_zoo.config import dump_config, load_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.identity import find_part_modules, identify_code
from iqa_zoo.registry import HEADS, MODELS
from iqa_zoo.training.workers import run_all

HEAD = """
from torch import nn
from iqa_zoo import register_head, register_model, model_config
from iqa_zoo.contracts import HeadOutput
from scaling import scale

print("executed")

@register_head("halved")
class Halved(nn.Module):
    '''Half of a linear layer.'''

    def __init__(self, *, dim: int, bias: bool = True):
        super().__init__()
        self.linear = nn.Linear(dim, 1, bias)

    def forward(self, queries_BND):
        score_BN = scale(self.linear(queries_BND)).squeeze(2)
        return HeadOutput(score_BN.mean(1), score_BN)

@register_model("halved_tiny")
def halved_tiny():
    '''LifeIQA with half a head.'''
    return dict(model_config("lifeiqa_tiny"), head=dict(type="halved"), losses=[dict(type="l1")])
"""


@pytest.fixture
def head(tmp_path, monkeypatch):
    monkeypatch.setenv(user_files.VARIABLE, "")
    monkeypatch.setattr(user_files, "_tried", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "my_head.py"
    file.write_text(HEAD)
    (tmp_path / "scaling.py").write_text("def scale(x):\n    return x / 2\n")
    yield file
    for name in ("my_head", "scaling", "broken"):
        sys.modules.pop(name, None)
    HEADS.module_dict.pop("halved", None)
    MODELS.module_dict.pop("halved_tiny", None)


@pytest.mark.parametrize("argv", [["--import", "{}", "list", "heads"], ["list", "heads", "--import={}"]])
def test_every_command_knows_the_parts(head, capsys, argv):
    assert main([each.format(head) for each in argv]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if " halved " in line]
    assert "my_head" in line
    assert "Half of a linear layer." in line


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["describe halved", "validate halved_tiny --set head.bias=false", "budget halved_tiny"]
)
def test_before_the_arguments_are_checked(head, capsys, command):
    assert main([*command.split(), "--import", str(head)]) == 0
    assert capsys.readouterr().err == ""


def test_a_relative_path_and_the_environment(head, capsys, monkeypatch):
    monkeypatch.chdir(head.parent)
    assert main(["list", "heads", "--import", "my_head.py"]) == 0
    assert os.environ[user_files.VARIABLE] == str(head)
    monkeypatch.setattr(user_files, "_tried", set())
    assert "halved_tiny" in MODELS.names()


def test_twice_does_no_harm(head, capsys, tmp_path):
    (tmp_path / "link.py").symlink_to(head)
    for file in (head, head, tmp_path / "link.py"):
        assert main(["--import", str(file), "--import", str(file), "list", "heads"]) == 0
    assert capsys.readouterr().out.count("executed") == 1


@pytest.mark.parametrize("edited", ["my_head.py", "scaling.py"])
def test_an_edit_changes_the_identity_of_the_code(head, edited):
    user_files.add_user_files([head])
    cfg = load_config("halved_tiny")
    parts = find_part_modules(cfg)
    assert "my_head" in parts
    before, hashed = identify_code([], parts), config_hash(cfg)
    assert identify_code([], parts) == before
    assert {"my_head", "scaling"} <= set(before)
    file = head.parent / edited
    file.write_text(file.read_text() + "\n# edited\n")
    after = identify_code([], parts)
    assert [name for name in before if before[name] != after[name]] == [edited.removesuffix(".py")]
    assert config_hash(cfg) == hashed


def look_up(name: str) -> str:
    return HEADS.get(name).__module__


@pytest.mark.slow
def test_workers_know_the_parts(head, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    assert [type(result).__name__ for _, result in run_all(look_up, [("halved",)], jobs=2)] == [
        "Failure"
    ]  # a server runs
    user_files.add_user_files([head])
    assert [result for _, result in run_all(look_up, [("halved",), ("halved",)], jobs=2)] == ["my_head", "my_head"]


@pytest.mark.slow
def test_a_training_and_its_scores(head, tmp_path, capsys):
    cfg = load_config("lifeiqa_tiny")
    cfg["backbone"] |= {"name": "test_resnet", "image_size": 32, "stages": [3, 4], "final_norm": True}
    dump_config(cfg | {"head": {"type": "halved"}, "losses": [{"type": "l1"}]}, tmp_path / "mine.yaml")
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    (tmp_path / "photos").mkdir()
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (34, 36, 3), dtype=np.uint8)).save(tmp_path / "photos" / f"{index}.png")
        lines.append(f"{index}.png,{index}")
    (tmp_path / "photos" / "scores.csv").write_text("\n".join(lines))
    run, known = tmp_path / "run", ["--import", str(head)]
    words = ["--data", "table", "--root", str(tmp_path / "photos"), "--recipe-set", "epochs=1", "test_crops=1"]
    assert main(["train", str(tmp_path / "mine.yaml"), "--out", str(run), *words, *known]) == 0
    assert {"my_head", "scaling"} <= set(json.loads((run / "run.json").read_text())["code"])
    assert main(["score", str(tmp_path / "photos" / "0.png"), "--run", str(run), *known]) == 0
    head.write_text(head.read_text() + "\n# edited\n")
    assert main(["train", "--resume", str(run), *known]) == 2
    assert "code.my_head: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n\ndef f():\n    return 1 / 0\n\nf()\n", "broken.py, line 4: ZeroDivisionError"),
        ("x = 1\nif x\n    pass\n", "broken.py, line 2: SyntaxError"),
        ("\nfrom iqa_zoo import register_haed\n", "broken.py, line 2: ImportError"),
        ("from iqa_zoo import register_head\n\n@register_head('moe')\nclass Moe: pass\n", "line 3: ValueError: head 'moe' is taken"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_and_the_line(head, capsys, text, message):
    file = head.with_name("broken.py")
    file.write_text(text)
    assert main(["list", "--import", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--import", "nothing.py"], "nothing.py: there is no such file"),
        (["--import", "head.txt"], "head.txt: give a .py file"),
        (["--import"], "--import needs a file"),
        (["--import", "{folder}/random.py"], "the name random is that of another module (of the standard library)"),
        (["--import", "{folder}/torch.py"], "the name torch is that of another module"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_message(head, capsys, argv, message):
    for name in ("random.py", "torch.py"):
        head.with_name(name).touch()
    assert main(["list", *(each.format(folder=head.parent) for each in argv)]) == 2
    assert message in capsys.readouterr().err
