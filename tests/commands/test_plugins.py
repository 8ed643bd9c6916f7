"""iqa-zoo plugins"""

import importlib.metadata
import json

import pytest

from iqa_zoo import plugins
from iqa_zoo.cli import main

GOOD = "def part(*, dim: int):\n    pass\n"


@pytest.fixture
def reports(install, capsys):
    def read():
        assert main(["plugins", "--json"]) == 0
        return {(report["plugin"], report["name"]): report for report in json.loads(capsys.readouterr().out)}

    return read


def test_every_plugin_what_it_adds_and_what_is_wrong(install, reports, capsys):
    install("good", {"heads": {"fine": "good_part:part"}, "models": {"fine": "good_part:part"}}, "2.0", good_part=GOOD)
    install("raising", {"losses": {"sour": "raising_part:part"}}, raising_part="raise RuntimeError('no such luck')")
    install("hollow", {"losses": {"number": "hollow_part:part"}}, hollow_part="part = 3")
    install("taker", {"heads": {"moe": "taker_part:part"}}, taker_part=GOOD)
    install("twin", {"heads": {"fine": "twin_part:part"}}, twin_part=GOOD)
    install("typo", {"head": {"lost": "typo_part:part"}}, typo_part=GOOD)
    found = reports()

    def state(plugin, name):
        return found[plugin, name]["loads"], found[plugin, name]["problem"]

    assert state("raising", "sour") == (False, "failed to load: RuntimeError: no such luck")
    assert state("hollow", "number") == (
        False,
        "failed to load: TypeError: hollow_part:part is a int, not a class or function",
    )
    assert state("taker", "moe") == (True, "ignored: 'moe' is built in and cannot be replaced")
    assert state("twin", "fine") == (True, "cannot be used: good 2.0 claims the same name")
    assert state("typo", "lost") == (
        None,
        "no slot has the entry-point group 'iqa_zoo.head'; did you mean 'iqa_zoo.heads'?",
    )
    assert found["taker", "moe"]["slot"] == "head"
    assert found["good", "fine"] == {
        "plugin": "good",
        "version": "2.0",
        "slot": "models",
        "name": "fine",
        "target": "good_part:part",
        "loads": True,
        "problem": "",
    }

    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    for line in ("good 2.0", "RuntimeError: no such luck", "is built in", "did you mean 'iqa_zoo.heads'?"):
        assert line in out


def test_a_plugin_that_is_switched_off_is_shown_and_not_loaded(install, reports, monkeypatch):
    install("raising", {"losses": {"sour": "raising_part:part"}}, raising_part="raise RuntimeError('no such luck')")
    monkeypatch.setenv("IQA_ZOO_DISABLE_PLUGINS", "1")
    report = reports()["raising", "sour"]
    assert (report["loads"], report["problem"]) == (None, "switched off by IQA_ZOO_DISABLE_PLUGINS")


def test_without_plugins_it_says_what_one_is(install, capsys, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda: importlib.metadata.EntryPoints(()))
    plugins.refresh()
    assert main(["plugins"]) == 0
    assert "No plugin is installed. A plugin is a package with entry points" in capsys.readouterr().out


def test_an_importer_of_released_checkpoints_is_listed_and_cannot_replace_ours(install, capsys):
    source = "def system():\n    raise NotImplementedError\n"
    install("reads", {"released": {"mine": "reads:system", "deiqt": "reads:system"}}, reads=source)
    assert main(["plugins", "--json"]) == 0
    told = {each["name"]: each for each in json.loads(capsys.readouterr().out) if each["plugin"] == "reads"}
    assert told["mine"]["slot"] == "released"
    assert (told["mine"]["loads"], told["mine"]["problem"]) == (True, "")
    assert "is built in and cannot be replaced" in told["deiqt"]["problem"]
