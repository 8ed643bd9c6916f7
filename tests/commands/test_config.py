"""iqa-zoo config"""

import json

import pytest
import yaml

from iqa_zoo.cli import main
from iqa_zoo.config import load_config, model_config, resolve_config


def test_yaml_on_stdout(capsys):
    assert main(["config", "deiqt"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == model_config("deiqt")


def test_json_resolved_and_overridden(capsys):
    assert main(["config", "deiqt", "--json", "--resolved", "--set", "dim=192", "queries.num_queries=3"]) == 0
    cfg = model_config("deiqt")
    cfg["dim"], cfg["queries"]["num_queries"] = 192, 3
    assert json.loads(capsys.readouterr().out) == resolve_config(cfg)


@pytest.mark.parametrize("name", ["mine.yaml", "mine.json"])
def test_a_file_that_loads_again(capsys, tmp_path, name):
    assert main(["config", "deiqt", "-o", str(tmp_path / name)]) == 0
    assert capsys.readouterr().out == ""
    assert load_config(tmp_path / name) == model_config("deiqt")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.txt", "name it mine.txt.yaml or .json; other endings are not read back"),
        ("there.yaml", "exists already; choose another name or remove it"),
        ("no/mine.yaml", "there is no folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_named_and_nothing_is_lost(capsys, tmp_path, name, message):
    (tmp_path / "there.yaml").write_text("dim: 7\n")
    assert main(["config", "deiqt", "-o", str(tmp_path / name)]) == 2
    assert f"{tmp_path / name}: {message}" in capsys.readouterr().err
    assert (tmp_path / "there.yaml").read_text() == "dim: 7\n"
    assert [path.name for path in tmp_path.iterdir()] == ["there.yaml"]


def test_a_config_with_problems_is_not_written(capsys, tmp_path):
    assert main(["config", "deiqt", "--set", "head.type=mo", "-o", str(tmp_path / "mine.yaml")]) == 2
    assert "head.type: unknown head 'mo'; did you mean 'moe'?" in capsys.readouterr().err
    assert not (tmp_path / "mine.yaml").exists()
