"""Plugins: found without import, blamed by name, unable to break what is not theirs; and the example, installed."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Protocol

import pytest
import torch
from torch import nn

import iqa_zoo
from iqa_zoo import contracts, plugins
from iqa_zoo.cli import COMMANDS
from iqa_zoo.config import check_config, model_config
from iqa_zoo.contracts import HANDED_DOWN
from iqa_zoo.errors import PluginError, UnknownName
from iqa_zoo.new_plugin import new_plugin
from iqa_zoo.registry import HEADS, INTERACTIONS, MODELS, list_components

REPOSITORY = Path(__file__).resolve().parents[1]
HEAD = """
from torch import nn
from iqa_zoo.contracts import HeadOutput

class Head(nn.Module):
    def __init__(self, *, dim: int, factor: float = 1.0):
        super().__init__()
        self.fc = nn.Linear(dim, 1)
        self.factor = factor

    def forward(self, queries_BND):
        score_BN = self.factor * self.fc(queries_BND).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)
"""


def everything_else_works(tiny):
    assert {"ffn", "linear", "moe"} <= set(HEADS.names())
    assert "deiqt" in iqa_zoo.list_models()
    assert iqa_zoo.build_model(tiny)(torch.zeros(1, 3, 160, 160)).shape == (1,)


def origins(slot):
    return {component.name: component.origin for component in list_components(slot)}


def test_a_plugin_built_for_another_version_fails_by_name_with_the_fix(install, tiny):
    install("late", {"heads": {"late": "late:Head"}}, requires=["numpy", "iqa_zoo>=99"], late=HEAD)
    said = r"'late' comes from the plugin late 1.0 .*built for iqa-zoo >=99, and this is .*pip install --upgrade iqa-zoo late"
    with pytest.raises(PluginError, match=said):
        HEADS.get("late")
    assert "late" not in sys.modules
    everything_else_works(tiny)


def test_what_a_plugin_requires_is_no_obstacle_where_it_is_met_or_cannot_be_read(install):
    install(
        "fits", {"heads": {"fits": "fits:Head"}}, requires=["iqa-zoo>=0.1", "iqa-zoo>=99; extra == 'new'"], fits=HEAD
    )
    install("odd", {"heads": {"odd": "odd:Head"}}, requires=["not a requirement !!"], odd=HEAD)
    assert HEADS.get("fits").__name__ == HEADS.get("odd").__name__ == "Head"


def test_a_missing_dependency_is_named_with_what_to_install(install, tiny):
    install("needy", {"heads": {"needy": "needy:Head"}}, needy="import no_such_package.part\n")
    with pytest.raises(PluginError, match=r"No module named 'no_such_package'.*pip install no_such_package"):
        HEADS.get("needy")
    everything_else_works(tiny)


def test_a_plugin_s_part_is_listed_unseen_then_built_like_any_other(install, tiny):
    install("my-plugin", {"heads": {"mine": "my_plugin:Head"}}, version="2.1", my_plugin=HEAD)
    listed = {component.name: component for component in list_components("head")}
    assert (listed["mine"].origin, listed["mine"].summary) == ("my-plugin 2.1", "what my-plugin adds")
    assert "my_plugin" not in sys.modules

    model = iqa_zoo.build_model({**tiny, "head": {"type": "mine", "factor": 0}, "losses": []})
    assert model(torch.zeros(2, 3, 160, 160)).tolist() == [0.0, 0.0]
    assert model.config["head"] == {"type": "mine", "factor": 0}
    (problem,) = check_config({**tiny, "head": {"type": "mine", "facotr": 1}, "losses": []})
    assert "did you mean 'factor'?" in problem


BROKEN = {
    "raises": ("raise RuntimeError('no such luck')", "RuntimeError: no such luck"),
    "needs_more": ("import a_package_nobody_has", "ModuleNotFoundError: No module named 'a_package_nobody_has'"),
    "garbled": ("def (:", "SyntaxError: invalid syntax"),
    "empty": ("", "AttributeError: module 'empty' has no attribute 'Head'"),
    "not_callable": ("Head = 3", "TypeError: not_callable:Head is a int, not a class or function"),
}


@pytest.mark.parametrize("module", BROKEN)
def test_a_plugin_that_fails_breaks_only_its_own_name(install, tiny, module):
    source, error = BROKEN[module]
    install("bad-plugin", {"heads": {"broken": f"{module}:Head"}}, **{module: source})
    assert origins("head")["broken"] == "bad-plugin 1.0"
    assert module not in sys.modules
    everything_else_works(tiny)

    for _ in range(2):  # the failure is kept
        with pytest.raises(PluginError) as caught:
            HEADS.get("broken")
        message = str(caught.value)
        assert message.startswith(
            f"'broken' comes from the plugin bad-plugin 1.0 ({module}:Head), which failed to load: {error}"
        )
        assert message.endswith("switch it off with IQA_ZOO_DISABLE_PLUGINS=bad-plugin")
        assert type(caught.value.__cause__).__name__ == error.split(":")[0]
    everything_else_works(tiny)

    problems = check_config({**tiny, "head": {"type": "broken"}, "dim": 0})
    assert [problem.split(":")[0] for problem in problems] == ["dim", "head.type"]
    assert "bad-plugin 1.0" in problems[1]


def test_a_module_that_is_not_there(install, tiny):
    install("bad-plugin", {"models": {"ghost": "no_such_module_anywhere:model"}})
    with pytest.raises(PluginError, match=r"bad-plugin 1\.0 .* ModuleNotFoundError: No module named 'no_such_module"):
        model_config("ghost")
    everything_else_works(tiny)


def test_a_built_in_name_cannot_be_taken(install, tiny):
    install("taker", {"heads": {"moe": "taker:Head"}}, taker="raise RuntimeError('never imported')")
    assert origins("head")["moe"] == "iqa_zoo"
    assert HEADS.names().count("moe") == 1
    with pytest.warns(UserWarning, match="head 'moe' is built in and cannot be replaced; that of taker 1.0 is ignored"):
        part = HEADS.get("moe")
    assert part.__module__ == "iqa_zoo.heads.moe"
    with pytest.warns(UserWarning, match="taker 1.0"):
        everything_else_works(tiny)
    assert "taker" not in sys.modules


def test_a_name_that_two_plugins_claim_belongs_to_neither(install, tiny):
    install("one", {"heads": {"same": "one_head:Head"}}, version="1.2", one_head=HEAD)
    install("two", {"heads": {"same": "two_head:Head"}, "losses": {"free": "two_head:Head"}}, two_head=HEAD)
    assert origins("head")["same"] == "one 1.2 and two 1.0"
    with pytest.raises(PluginError) as caught:
        HEADS.get("same")
    assert str(caught.value) == (
        "head 'same' is claimed by one 1.2 (one_head:Head) and two 1.0 (two_head:Head); uninstall one, or switch it "
        "off with IQA_ZOO_DISABLE_PLUGINS=one"
    )
    assert not {"one_head", "two_head"} & set(sys.modules)
    assert origins("losses")["free"] == "two 1.0"
    everything_else_works(tiny)


def test_switching_one_off_settles_who_has_the_name(install, monkeypatch):
    install("one", {"heads": {"same": "one_head:Head"}}, one_head=HEAD)
    install("two", {"heads": {"same": "two_head:Head"}}, two_head=HEAD)
    monkeypatch.setenv("IQA_ZOO_DISABLE_PLUGINS", "one")
    assert origins("head")["same"] == "two 1.0"
    assert HEADS.get("same").__module__ == "two_head"


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("", {"mine", "yours"}),
        ("0", {"mine", "yours"}),
        ("1", set()),
        ("true", set()),
        ("my-plugin", {"yours"}),
        ("My_Plugin", {"yours"}),
        ("other, my.plugin", {"yours"}),
        ("my-plugin,your-plugin", set()),
        ("my", {"mine", "yours"}),
    ],
)
def test_switching_plugins_off(install, monkeypatch, tiny, value, left):
    install("my-plugin", {"heads": {"mine": "my_plugin:Head"}}, my_plugin=HEAD)
    install("your-plugin", {"heads": {"yours": "your_plugin:Head"}}, your_plugin=HEAD)
    monkeypatch.setenv("IQA_ZOO_DISABLE_PLUGINS", value)
    assert {"mine", "yours"} & set(HEADS.names()) == left
    assert {part.name for part in plugins.disabled_parts()} >= {"mine", "yours"} - left
    for name in {"mine", "yours"} - left:
        with pytest.raises(UnknownName, match=f"unknown head '{name}'"):
            HEADS.get(name)
    everything_else_works(tiny)


def test_a_plugin_with_a_model(install):
    source = """
def tiny_model():
    "A model."
    return dict(backbone=dict(type="timm_features", name="test_vit"), queries=dict(type="global_vector"),
                head=dict(type="linear"))
def none():
    return None
"""
    install(
        "models-only",
        {"models": {"theirs": "their_models:tiny_model", "none": "their_models:none"}},
        their_models=source,
    )
    assert "theirs" in iqa_zoo.list_models("th*")
    assert iqa_zoo.build_model("theirs")(torch.zeros(1, 3, 160, 160)).shape == (1,)
    with pytest.raises(ValueError, match=r"the model 'none' of models-only 1\.0:\n  - expected a dict, got None"):
        model_config("none")


def test_a_plugin_may_register_its_parts_by_decorator_as_well(install):
    source = "import iqa_zoo\nfrom torch import nn\n@iqa_zoo.register_head('both')\nclass Both(nn.Module):\n    pass\n"
    install("both-ways", {"heads": {"both": "both_ways:Both"}}, both_ways=source)
    assert origins("head")["both"] == "both-ways 1.0"
    assert HEADS.get("both") is HEADS.get("both")
    assert origins("head")["both"] == "both-ways 1.0"


def test_code_cannot_take_a_plugin_s_name(install):
    install("my-plugin", {"heads": {"mine": "my_plugin:Head"}}, my_plugin=HEAD)
    with pytest.raises(
        ValueError, match=r"'mine' is taken by the plugin my-plugin 1\.0 \(my_plugin:Head\); .*Also needs"
    ):

        @iqa_zoo.register_head("mine")
        class Also(nn.Module):
            pass


def test_a_plugin_with_entry_points_and_no_metadata(install, tiny):
    install("bare", {"heads": {"bare": "bare_head:Head"}}, metadata=False, bare_head=HEAD)
    assert origins("head")["bare"] == "unknown distribution ?"
    assert HEADS.get("bare").__module__ == "bare_head"
    everything_else_works(tiny)


def test_an_entry_in_a_group_that_is_no_slot_is_kept_apart(install, tiny):
    install("typo", {"head": {"mine": "typo:Head"}}, typo=HEAD)
    assert [(part.group, part.owner) for part in plugins.misplaced_parts()] == [("head", "typo 1.0")]
    assert "mine" not in HEADS.names()
    everything_else_works(tiny)


def test_the_plugin_of_the_readme_is_what_new_plugin_writes(tmp_path):
    text = (REPOSITORY / "plugins" / "README.md").read_text(encoding="utf-8")
    command, name = re.search(r"iqa-zoo (new-plugin) (\w+) --slot head", text).groups()
    assert command in COMMANDS
    folder = new_plugin(name, ["head"], folder=tmp_path / "new").folder
    part, test = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert part == (folder / f"iqa_zoo_{name}" / f"{name}.py").read_text()
    compile(test, "the test of the README", "exec")
    (declared,) = (tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    written = tomllib.loads((folder / "pyproject.toml").read_text())
    assert declared["project"]["entry-points"] == written["project"]["entry-points"]


def test_the_readme_names_every_slot_and_what_it_is_handed():
    text = (REPOSITORY / "plugins" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| `iqa_zoo\.(\w+)` \| (.*?) ?\|", text, re.MULTILINE)
    assert {group for _, group, _ in rows} == set(plugins.GROUPS) - {plugins.IMPORTERS}
    handed = {slot.strip("`"): tuple(re.findall(r"`(\w+)`", down)) for slot, _, down in rows if slot.startswith("`")}
    assert handed == HANDED_DOWN


def test_the_readme_names_every_ability_of_the_contracts():
    text = (REPOSITORY / "plugins" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)", text, re.MULTILINE))
    slots = set(contracts.CONTRACTS.values())
    protocols = [
        each for each in vars(contracts).values() if getattr(each, "_is_protocol", False) and each is not Protocol
    ]
    members = {
        name
        for each in set(protocols) - slots
        for name in (*each.__annotations__, *vars(each))
        if not name.startswith("_")
    }
    assert {"fit", "attention", "out_dim", "examples"} < members
    assert not {*contracts.FLAGS, *members} - named


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The example plugin, installed from a copy (building writes beside the source): (its source, its site folder)."""
    root = tmp_path_factory.mktemp("example")
    source = root / "iqa-zoo-example"
    shutil.copytree(
        REPOSITORY / "plugins" / "iqa-zoo-example", source, ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    site = root / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--isolated", "install", "--quiet", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(site)]
    done = subprocess.run([*pip, *options, str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return source, site


def run_with(site, *command):
    path = os.pathsep.join([str(site), str(REPOSITORY)])
    environment = {**os.environ, "PYTHONPATH": path, "IQA_ZOO_DISABLE_PLUGINS": "0"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=600, env=environment, cwd=REPOSITORY
    )


@pytest.mark.slow
def test_the_example_is_listed_without_torch(example):
    _, site = example
    code = "import sys; from iqa_zoo.cli import main; main(['list', '--json']); assert 'torch' not in sys.modules"
    done = run_with(site, "-c", code)
    assert done.returncode == 0, done.stderr
    added = {
        (part["slot"], part["name"]) for part in json.loads(done.stdout) if part["origin"] == "iqa-zoo-example 0.1.0"
    }
    assert added == {
        ("interactions", "memory_gate"),
        ("head", "weighted_mean"),
        ("models", "example_iqa"),
        ("studies", "seed_noise"),
    }


@pytest.mark.slow
def test_the_example_passes_its_own_tests_and_the_contracts(example):
    source, site = example
    contracts = [REPOSITORY / "tests" / "contract" / f"test_{slot}.py" for slot in ("interactions", "heads")]
    tests = [source / "tests", site / "iqa_zoo_example", *contracts]
    config = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(REPOSITORY), "-p", "no:cacheprovider"]
    only = "test_example or iqa_zoo_example or memory_gate or weighted_mean"
    done = run_with(site, "-m", "pytest", "-v", *config, "-k", only, *map(str, tests))
    assert done.returncode == 0, done.stdout + done.stderr
    for met in (
        "test_its_budget_is_matched",
        "iqa_zoo_example.memory_gate.MemoryGate",
        "[memory_gate]",
        "[weighted_mean]",
    ):
        assert f"{met} PASSED" in done.stdout, met


def test_the_example_changes_nothing_where_it_is_not_installed():
    if any(part.distribution == "iqa-zoo-example" for part in plugins.installed_parts()):
        pytest.skip("it is installed here")
    assert "memory_gate" not in INTERACTIONS.names()
    assert "example_iqa" not in MODELS.names()
