"""The public names, and what looking around costs."""

import json
import os
import subprocess
import sys

import pytest

import iqa_zoo
from iqa_zoo.cli import COMMANDS, STUDY
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.study import find_study
from iqa_zoo.studies.study_settings import find_settings

LOOK_AROUND = """
import contextlib, io, json, sys
from iqa_zoo.cli import main

def start(argv):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main(argv)
        except SystemExit:
            pass

start(sys.argv[1:])
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = {
    "torch",
    "timm",
    "torchvision",
    "torch_geometric",
    "fvcore",
    "scipy",
    "skimage",
    "sklearn",
    "matplotlib",
    "mmengine",
}
SLOW = {*HEAVY, "numpy", "PIL", "rich", "packaging", "unittest", "asyncio"}  # more than --help of a command needs
STUDY_NAMES = [name.replace("_", "-") for name in STUDIES.built_in()]
COMMAND_NAMES = [name for name in COMMANDS if name != STUDY]


def list_imports(*argv: str) -> set[str]:
    """The modules that a new process has imported after a command."""
    command = [sys.executable, "-c", LOOK_AROUND, *argv]
    environment = {**os.environ, "IQA_ZOO_DISABLE_PLUGINS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def list_parts(modules: set[str]) -> list[str]:
    slots = ("backbones", "queries", "memories", "interactions", "heads", "losses", "models")
    return [name for name in modules if name.startswith(tuple(f"iqa_zoo.{slot}" for slot in slots))]


@pytest.mark.slow
@pytest.mark.parametrize(
    "argv", [["list"], ["list", "heads"], ["list", "--json"], ["list", "models"], ["list", "haeds"]]
)
def test_a_list_imports_neither_torch_nor_a_part(argv):
    modules = list_imports(*argv)
    assert modules & (SLOW - {"rich"}) == set()
    assert list_parts(modules) == []


@pytest.mark.slow
def test_a_list_of_datasets_imports_neither_torch_nor_scipy():
    assert list_imports("data", "list") & HEAVY == set()


@pytest.mark.slow
@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["lst"], []], ids=str)
def test_help_and_a_typo_import_nothing_slow(argv):
    modules = list_imports(*argv)
    assert modules & SLOW == set()
    assert list_parts(modules) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", [*COMMAND_NAMES, *STUDY_NAMES])
def test_the_help_of_a_command_imports_itself_alone_and_nothing_slow(command):
    modules = list_imports(command, "--help")
    assert modules & SLOW == set()
    assert list_parts(modules) == []
    others = {f"iqa_zoo.commands.{name.replace('-', '_')}" for name in COMMAND_NAMES if name != command}
    assert modules & others == set()
    assert not [name for name in modules if name.startswith("iqa_zoo.studies.") and name.endswith(".study")]


@pytest.mark.slow
def test_a_comparison_imports_neither_torchs_compiler_nor_what_shards_tensors():
    program = "import json, sys, iqa_zoo.studies.compare.study; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert {"torch._dynamo", "torch.distributed.tensor", "sympy"} & set(json.loads(done.stdout)) == set()


def test_the_version_imports_no_command():
    modules = list_imports("--version")
    assert {name for name in modules if name.startswith("iqa_zoo.")} <= {
        f"iqa_zoo.{name}"
        for name in ("cli", "commands", "commands.imports", "errors", "jsonio", "program", "user_files")
    }


def test_a_study_declares_its_settings_without_being_imported():
    for name in STUDIES.built_in():
        settings, study = find_settings(name), find_study(name)
        assert type(settings) in type(study).__mro__
        for attribute in ("options", "refused", "defaults", "models", "takes_models"):
            assert getattr(settings, attribute) == getattr(study, attribute)


@pytest.mark.parametrize(
    "name",
    [
        "list_models",
        "list_components",
        "model_config",
        "build_model",
        "import_released",
        "measure_budget",
        "match_budget",
        "QualityModel",
        "register_backbone",
        "register_query",
        "register_memory",
        "register_interaction",
        "register_head",
        "register_loss",
        "register_model",
        "register_dataset",
        "load",
        "score",
    ],
)
def test_a_public_name_resolves(name):
    assert name in iqa_zoo.__all__
    assert callable(getattr(iqa_zoo, name))


def test_a_mistyped_public_name_says_the_closest():
    with pytest.raises(AttributeError, match="has no attribute 'buildmodel'; did you mean 'build_model'\\?"):
        _ = iqa_zoo.buildmodel
