"""timm is imported without torch's compiler, which works afterwards. In processes of their own, as imports last."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def _run(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scoring_imports_neither_the_compiler_nor_what_only_studies_need(tmp_path):
    from PIL import Image

    Image.effect_noise((200, 200), 30).save(tmp_path / "noise.png")
    script = """
import sys
from iqa_zoo.cli import main
assert main(["score", sys.argv[1]]) == 0
unwanted = {"torch._dynamo", "torch._inductor", "sympy", "networkx", "mmengine", "matplotlib", "skimage", "sklearn", "scipy", "pandas"}
print("imported:", sorted(unwanted & set(sys.modules)))
"""
    assert "imported: []" in _run(script, str(tmp_path / "noise.png"))


def test_the_compiler_works_afterwards():
    script = """
import sys
import torch
disable = torch.compiler.disable
from iqa_zoo.commands.lean_timm import import_lean_timm
import_lean_timm()
assert "torch._dynamo" not in sys.modules and "timm" in sys.modules
assert torch.compiler.disable is disable
doubled = torch.compile(lambda x: 2 * x, backend="eager")(torch.ones(2))
assert doubled.tolist() == [2.0, 2.0]
from torch._dynamo.utils import counters
print("graphs:", counters["stats"]["unique_graphs"])
"""
    assert "graphs: 1" in _run(script)


def test_whoever_needs_more_of_the_compiler_gets_it():
    script = """
import importlib, sys
import torch
from iqa_zoo.commands.lean_timm import UTILS, import_lean_timm
seen = []

class AsImported:
    def find_spec(self, name, path=None, target=None):
        if name == "timm":
            from torch._dynamo.utils import counters, is_compile_supported
            seen.append(counters)

sys.meta_path.insert(0, AsImported())
import_lean_timm()
real = importlib.import_module(UTILS)
assert seen == [real.counters] and seen[0] is real.counters
print("real:", sys.modules[UTILS] is real and "timm" in sys.modules)
"""
    assert "real: True" in _run(script)
