"""check_plugin: what is sound passes, each fault is found by its own check, and every failure says what to fix."""

import importlib.util
import inspect
import json

import pytest

from iqa_zoo.check_plugin import check_plugin
from iqa_zoo.cli import main
from iqa_zoo.errors import PluginError, UnknownName
from iqa_zoo.testing import SUITES
from iqa_zoo.testing.fixes import FIXES

HEAD = '''
from torch import nn

from iqa_zoo.contracts import HeadOutput

from iqa_zoo.values import Size
from iqa_zoo.values import checked


class Sound(nn.Module):
    """A linear score."""

    @checked
    def __init__(self, *, dim: int, hidden: Size):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(dim, hidden), nn.Linear(hidden, 1))

    examples = ({"hidden": 4}, {"hidden": 5})

    def forward(self, queries_BND):
        score_BN = self.fc(queries_BND).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
'''
FAULTY = """
import random

import torch
from torch import nn

from iqa_zoo.contracts import HeadOutput
from sound_head import Sound


class Faulty(Sound):
    def __init__(self, *, dim: int, hidden: int = 4, names: list = []):
        super().__init__(dim=dim, hidden=4)
        self.idle = nn.Parameter(torch.zeros(1))
        self.scale = nn.Parameter(torch.tensor(random.random()))

    examples = ({}, {"hidden": 3})

    def forward(self, queries_BND):
        score_BN = self.scale * super().forward(queries_BND).score_BN + torch.fft.rfft(queries_BND).real.mean(-1)
        return HeadOutput(score_BN.mean(1) - score_BN.mean(), score_BN)
"""


@pytest.fixture(autouse=True)
def on_one_thread(one_thread):
    pass


def found(distribution):
    return {(check.name, check.check): check for check in check_plugin(distribution)}


@pytest.mark.slow
def test_a_sound_part_passes_with_the_arguments_it_declares_and_each_fault_of_another_is_found(install):
    install(
        "good-and-bad",
        {"heads": {"sound": "sound_head:Sound", "faulty": "faulty_head:Faulty"}},
        sound_head=HEAD,
        faulty_head=FAULTY,
    )
    checks = found("Good_and.bad")
    sound = {check: told for (name, check), told in checks.items() if name == "sound"}
    assert {check for check, told in sound.items() if not told.passed} == {"name is the file"}  # which is skipped
    assert sound["name is the file"].passed is None
    assert sound["loads"].passed

    failed = {check: told for (name, check), told in checks.items() if name == "faulty" and told.passed is False}
    assert set(failed) == {
        "public classes of its module have docstrings",
        "defaults are immutable",
        "values out of range are refused",
        "item does not depend on the batch",
        "every parameter gets a gradient",
        "same seed gives the same part",
        "budget counts every operator as torch does",
    }
    assert "idle has no gradient" in failed["every parameter gets a gradient"].said
    assert "requires_grad_(False)" in failed["every parameter gets a gradient"].fix
    assert "['scale'] differ" in failed["same seed gives the same part"].said
    assert "aten::fft_rfft" in failed["budget counts every operator as torch does"].said
    assert "add_formula" in failed["budget counts every operator as torch does"].fix
    assert all(told.fix for told in failed.values())


@pytest.mark.slow
def test_what_does_not_load_is_shown_with_the_fix_and_the_rest_is_checked(install):
    install(
        "broken",
        {
            "heads": {
                "sound": "part_of_it:Sound",
                "sounds": "part_of_it:Sounds",
                "linear": "part_of_it:Sound",
                "needy": "needy_part:Head",
                "away": "no_such_part_of_it:Head",
                "sour": "sour_part:Head",
            },
            "head": {"lost": "part_of_it:Sound"},
            "released": {"no": "part_of_it:nothing", "yes": "part_of_it:system"},
        },
        part_of_it=HEAD
        + "\ndef nothing():\n    return 3\n"
        + "\ndef system():\n    from iqa_zoo.released import ReleasedSystem\n    return ReleasedSystem(dict, str)\n",
        needy_part="import a_package_nobody_has\n",
        sour_part="raise RuntimeError('no such luck')\n",
    )
    checks = found("broken")

    def told(name, check="loads"):
        return checks[name, check].passed, checks[name, check].said, checks[name, check].fix

    passed, said, fix = told("sounds")
    assert (passed, "has no attribute 'Sounds'" in said) == (False, True)
    assert "did you mean 'Sound'?" in fix
    assert told("needy")[0] is False
    assert "pip install a_package_nobody_has" in told("needy")[2]
    assert "spelt as its file is" in told("away")[2]
    assert told("sour")[1:] == ("RuntimeError: no such luck", "python -c 'import sour_part' shows where it fails.")
    assert "is built in" in told("linear")[1]
    assert "such as my_linear" in told("linear")[2]
    assert "did you mean 'iqa_zoo.heads'?" in told("lost")[1]
    assert told("no", "gives a ReleasedSystem")[:2] == (False, "it gives 3")
    assert told("yes", "gives a ReleasedSystem")[0] is True
    assert told("sound", "shapes")[0] is True


@pytest.mark.parametrize(
    ("examples", "said", "fix"),
    [
        ("({},)", "it requires hidden, and its examples are ({},)", 'examples = ({"hidden": ...},)'),
        ("({'hidden': 3}, {})", "it requires hidden", 'examples = ({"hidden": ...},)'),
        ("{'hidden': 3}", "its examples are {'hidden': 3}", "a tuple of dicts"),
        ("()", "its examples are ()", "a tuple of dicts"),
    ],
)
def test_a_part_that_does_not_say_how_to_build_it_is_told_how(install, examples, said, fix):
    source = HEAD.replace('examples = ({"hidden": 4}, {"hidden": 5})', f"examples = {examples}")
    install("shy", {"heads": {"shy": "shy_head:Sound"}}, shy_head=source)
    loads, problem = check_plugin("shy")
    assert (loads.passed, problem.passed, problem.check) == (True, False, "declares what to test it with")
    assert said in problem.said
    assert fix in problem.fix


MODEL = '''
import torch
from torch import nn


class Idle(nn.Module):
    """Queries with a parameter too many."""

    num_queries = 1

    def __init__(self, *, dim: int):
        super().__init__()
        self.learned = nn.Parameter(torch.randn(1, dim))
        self.idle = nn.Parameter(torch.zeros(2))

    def forward(self, features):
        return self.learned.expand(len(features.global_BC), 1, -1)


def idle():
    """A model."""
    return dict(backbone=dict(type="timm_features", name="test_resnet", image_size=32, stages=[4]), dim=8,
                queries=dict(type="idle"), head=dict(type="linear"), losses=[dict(type="l1")])


def wrong():
    """A model whose head has a key too many."""
    return {**idle(), "head": dict(type="linear", bais=True)}


def everywhere(root):
    """A data set that is happy with any folder."""
    return root
'''


@pytest.mark.slow
def test_models_and_data_sets(install):
    groups = {
        "queries": {"idle": "a_model:Idle"},
        "models": {"idle_model": "a_model:idle", "wrong": "a_model:wrong"},
        "datasets": {"everywhere": "a_model:everywhere"},
    }
    install("with-models", groups, a_model=MODEL)
    checks = found("with-models")
    gradient = checks["idle_model", "every parameter gets a gradient"]
    assert gradient.passed is False
    assert "1 of" in gradient.said
    assert "queries.idle" in gradient.said
    for check in ("config is valid", "weights go through a file", "budget counts every operator as torch does"):
        assert checks["idle_model", check].passed, check
    assert "did you mean 'bias'?" in checks["wrong", "config is valid"].said
    assert checks["everywhere", "takes a root and keywords"].passed
    assert checks["everywhere", "an empty folder is named"].passed is False
    assert "InputError" in checks["everywhere", "an empty folder is named"].fix


def test_the_command_prints_a_line_a_check_and_exits_1_where_one_fails(install, capsys):
    install("sour-plugin", {"heads": {"sour": "sour_part:Head"}}, sour_part="raise RuntimeError('no such luck')\n")
    assert main(["check-plugin", "sour-plugin"]) == 1
    out = capsys.readouterr().out
    for line in (
        "head: sour\n",
        "  FAIL  loads\n",
        "RuntimeError: no such luck\n",
        "fix: python -c 'import sour_part'",
    ):
        assert line in out
    assert "0 checks passed, 1 failed" in out
    assert main(["check-plugin", "sour-plugin", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["plugin"], told["passed"]) == ("sour-plugin", False)
    assert told["checks"][0]["name"] == "sour"


def test_the_command_exits_0_where_all_is_well(install, capsys):
    install("quick", {"released": {"yes": "quick_part:system"}}, quick_part=SYSTEM)
    assert main(["check-plugin", "quick"]) == 0
    assert "2 checks passed, 0 failed" in capsys.readouterr().out


SYSTEM = "def system():\n    from iqa_zoo.released import ReleasedSystem\n    return ReleasedSystem(dict, str)\n"


def test_what_cannot_be_checked_is_said(install, monkeypatch, capsys):
    install("my-plugin", {"heads": {"mine": "my_plugin:Head"}}, my_plugin="")
    with pytest.raises(UnknownName, match=r"unknown plugin 'my-plugni'; did you mean 'my-plugin'\? .*pip install -e"):
        check_plugin("my-plugni")
    with pytest.raises(PluginError, match=r"pytest [\d.]+ is installed and adds nothing: .*project\.entry-points"):
        check_plugin("pytest")
    assert main(["check-plugin", "my-plugni"]) == 2
    assert "did you mean 'my-plugin'?" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setenv("IQA_ZOO_DISABLE_PLUGINS", "my-plugin")
        with pytest.raises(PluginError, match="switched off by IQA_ZOO_DISABLE_PLUGINS; unset it"):
            check_plugin("my-plugin")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="pip install pytest"):
        check_plugin("my-plugin")


def test_every_check_of_every_suite_has_its_fix():
    tests = {
        name.removeprefix("test_")
        for suite in SUITES.values()
        for name, test in inspect.getmembers(suite)
        if name.startswith("test_") and test is not None
    }
    assert tests - {"name_is_the_file"} == set(FIXES)  # of built-in parts only
