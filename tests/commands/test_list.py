"""iqa-zoo list"""

import json

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.registry import REGISTRIES, list_components


def test_everything(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for registry in REGISTRIES.values():
        for component in registry.components():
            assert component.name in out
            assert component.summary.split(":")[0][:40] in out


def test_one_slot(capsys):
    assert main(["list", "heads"]) == 0
    out = capsys.readouterr().out
    assert "A mixture of experts after the decoder" in out
    assert "iqa_zoo" in out
    assert "cross_attention" not in out


def test_json(capsys):
    assert main(["list", "head", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [component._asdict() for component in list_components("head")]
    assert main(["list", "models", "--json"]) == 0
    assert [model["name"] for model in json.loads(capsys.readouterr().out)] == iqa_zoo.list_models()
    assert main(["list", "--json"]) == 0
    assert {part["slot"] for part in json.loads(capsys.readouterr().out)} == set(REGISTRIES)
