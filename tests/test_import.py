"""The public names, and what looking around costs."""

import subprocess
import sys

import pytest

import iqa_zoo

LOOK_AROUND = """
import contextlib, io, sys
import iqa_zoo
assert dir(iqa_zoo) == sorted(iqa_zoo.__all__)
from iqa_zoo.cli import main, COMMANDS
iqa_zoo.list_models(); iqa_zoo.list_components(); iqa_zoo.list_components("datasets")
for argv in (["list"], ["list", "heads"], ["list", "all", "--json"], ["--help"], ["--version"],
             *([command, "--help"] for command in COMMANDS), ["lst"], ["list", "haeds"]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main(argv)
        except SystemExit:
            pass
    heavy = {"torch", "timm", "torchvision", "torch_geometric", "fvcore", "scipy", "skimage", "matplotlib"}
    loaded = heavy & set(sys.modules)
    assert not loaded, (argv, loaded)
parts = [m for m in sys.modules if m.startswith(("iqa_zoo.heads", "iqa_zoo.backbones", "iqa_zoo.models"))]
assert not parts, parts
"""


@pytest.mark.slow
def test_looking_around_imports_neither_torch_nor_a_part():
    done = subprocess.run([sys.executable, "-c", LOOK_AROUND], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


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
