"""The arrows of the design: which packages may import which, no circle, and files that stay small."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from iqa_zoo.registry import registry_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "iqa_zoo"
FILES = sorted(PACKAGE.rglob("*.py"))
SLOTS = ("backbones", "queries", "memories", "interactions", "heads", "losses")
UPPER = ("commands", "serve", "studies", "reports", "explain", "training", "inference", "engine")

# A package or module -> what nothing in it imports. Imports inside functions count as well.
FORBIDDEN = {
    "stats": ("*",),  # a leaf: errors only
    "layers": (*UPPER, *SLOTS, "models", "data", "budgets", "build", "quality_model", "stats"),
    **dict.fromkeys(SLOTS, (*UPPER, "models", "data", "budgets", "build", "quality_model", "stats")),
    "models": (*UPPER, "data", "budgets", "build", "stats"),
    "data": (*UPPER, "budgets", "build", "models"),
    "build": (*UPPER, "budgets", "data", "stats"),
    "budgets": ("commands", "serve", "studies", "reports", "explain"),
    "training": ("commands", "serve", "studies", "reports", "explain", "budgets"),
    "inference": ("commands", "serve", "studies", "reports", "explain"),
    "trained": ("commands", "serve", "studies", "explain"),
    "hub": ("commands", "serve", "studies", "explain"),
    "reports": ("commands", "serve", "studies"),
    "explain": ("commands", "studies", "serve"),
    "serve": ("commands", "studies", "reports", "training", "budgets"),
    "studies": ("commands", "serve"),
}
ALLOWED_OF_A_LEAF = ("errors", "stats")


def name_module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_module(path): path for path in FILES}


@cache
def read_imports(path: Path, everywhere: bool) -> frozenset[str]:
    """The modules of the package that a file imports; ``everywhere``: inside functions as well, type checking aside."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not everywhere:
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
                names = {alias.name for alias in child.names}
                modules = {name for name in names if f"{child.module}.{name}" in MODULES}
                found.update(f"{child.module}.{name}" for name in modules)
                found.update({child.module} if names - modules else ())
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return frozenset(found)


def find_top(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.slow
@pytest.mark.parametrize("package", FORBIDDEN)
def test_arrows_point_one_way(package):
    wrong = []
    for module, path in MODULES.items():
        if find_top(module) != package:
            continue
        for imported in read_imports(path, True):
            top = find_top(imported)
            if not imported.startswith("iqa_zoo.") or top == package or imported not in MODULES:
                continue
            if "*" in FORBIDDEN[package]:
                wrong += [f"{module} imports {imported}"] if top not in ALLOWED_OF_A_LEAF else []
            elif top in FORBIDDEN[package]:
                wrong.append(f"{module} imports {imported}")
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.slow
@pytest.mark.parametrize("everywhere", [False, True], ids=["at the top", "inside functions of the lower half"])
def test_there_is_no_circle_of_imports(everywhere):
    graph = {
        module: {each for each in read_imports(path, everywhere) if each in MODULES and each != module}
        for module, path in MODULES.items()
        if not everywhere or find_top(module) not in UPPER
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("slot", SLOTS)
def test_a_file_of_a_slot_registers_one_part_of_its_name(slot):
    files = {path.stem for path in (PACKAGE / slot).glob("*.py")} - {"__init__"}
    registered = {name: part.module for name, part in registry_of(slot).built_in().items()}
    assert registered == {name: f"iqa_zoo.{slot}.{name}" for name in files}


def test_argparse_is_known_to_commands_only():
    found = [module for module, path in MODULES.items() if "argparse" in read_imports(path, True)]
    assert {find_top(module) for module in found} <= {"commands", "cli"}


def test_no_file_is_long():
    long = {name_module(path): count for path in FILES if (count := len(path.read_text().splitlines())) > 300}
    assert not long
