"""iqa-zoo list"""

import json

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.registry import REGISTRIES, list_components
from iqa_zoo.training.recipe import list_recipes, load_recipe


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
    assert {part["slot"] for part in json.loads(capsys.readouterr().out)} == {*REGISTRIES, "recipes"}


def test_recipes(capsys):
    assert main(["list", "recipes"]) == 0
    out = capsys.readouterr().out
    for name in list_recipes():
        assert name in out
        assert load_recipe(name).summary[:40] in out
    assert main(["list", "recipe", "--json"]) == 0
    assert [part["name"] for part in json.loads(capsys.readouterr().out)] == list_recipes()
