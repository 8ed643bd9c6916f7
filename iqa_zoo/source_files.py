"""Find the source files that modules run, by following their imports without importing them.

Of this package only imported files count, so that changes to reports do not change identities. A plugin and a user's own code
count as whole packages, since helper modules affect results too. Installed libraries count by version. Imports by a computed
name (``importlib.import_module(name)``) are not found.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from iqa_zoo import plugins

PACKAGE = Path(__file__).parent
ZOO = PACKAGE.name
# Infrastructure that no result depends on.
NOT_COMPUTING = {
    f"{ZOO}.{name}" for name in ("cache", "errors", "identity", "plugins", "registry", "source_files", "engine.workers")
}
CODE = (".py", ".so", ".pyd")
DOCUMENTS = (".md", ".rst", ".txt", ".pyi", ".typed", ".pyc")  # ignored in plugins; other files may be data
CARD = "card.yaml"
BASE = {"torch", "torchvision", "torch_geometric", "timm"}  # too large to parse; always identified by version


@dataclass
class Sources:
    """Files by module name (data files by path), top-level names of libraries, and modules without a file (notebooks)."""

    files: dict[str, Path] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    interactive: set[str] = field(default_factory=set)


def find_sources(modules: Iterable[str], parts: Iterable[str] = ()) -> Sources:
    """Find the files of modules and of their imports.

    Args:
        modules: names of modules.
        parts: modules that define parts of models; their source counts even if they are installed.

    >>> found = find_sources(["iqa_zoo.stats.metrics"])
    >>> "iqa_zoo.stats.metrics" in found.files, "scipy" in found.libraries, "iqa_zoo.reports.table" in found.files
    (True, True, False)
    """
    parts = set(parts)
    found, todo, seen = Sources(), [*modules, *parts], set()
    own = {part.partition(".")[0] for part in parts} - BASE
    while todo:
        module = _resolve_main(todo.pop())
        top = module.partition(".")[0]
        unit = module if top == ZOO else top
        if unit in seen or unit in NOT_COMPUTING or top in sys.stdlib_module_names:
            continue
        seen.add(unit)
        if top == ZOO:
            files = _find_zoo_file(module)
        elif module == "__main__" and _locate("__main__") is None:
            found.interactive.add(module)
            continue
        elif _locate(top) is None or (top not in own and _is_library(top)):
            found.libraries.add(top)
            continue
        else:
            files = dict(_list_files(top))
        found.files |= files
        for name, path in files.items():
            if path.suffix == ".py":
                stat = path.stat()
                todo += _list_imports(name, path, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return found


def _resolve_main(module: str) -> str:
    """Resolve ``__main__`` to the module it was started from (``python -m package.module``)."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None) if module in ("__main__", "__mp_main__") else None
    if spec is not None and spec.name not in ("__main__", "__mp_main__"):
        return str(spec.name).removesuffix(".__main__")
    return "__main__" if module == "__mp_main__" else module


def _find_zoo_file(module: str) -> dict[str, Path]:
    """Find the file of a module of this package; empty if the name is an object in a module."""
    place = PACKAGE.joinpath(*module.split(".")[1:])
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return {module: path}
    return {}


def _locate(top: str) -> Path | None:
    """Locate a top-level module: its file, or the folder of a package."""
    module = sys.modules.get(top)
    folders = list(getattr(module, "__path__", None) or ())
    file = getattr(module, "__file__", None)
    if module is None and top != "__main__":
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        folders = list((spec and spec.submodule_search_locations) or ())
        file = spec.origin if spec and spec.has_location else None
    if folders:
        return Path(folders[0])
    return Path(file) if file and Path(file).is_file() else None


def _is_library(top: str) -> bool:
    """Whether a module is identified by version: installed, and not a plugin."""
    place = _locate(top)
    assert place is not None
    return top not in _list_plugin_modules() and any(place.is_relative_to(folder) for folder in _list_site_folders())


@functools.cache
def _list_site_folders() -> tuple[Path, ...]:
    """List the folders of installed packages, those that PYTHONPATH or a .pth file adds from another environment included."""
    paths = {sysconfig.get_paths()[key] for key in ("purelib", "platlib")}
    added = (path for path in sys.path if Path(path).name in ("site-packages", "dist-packages"))
    return tuple(Path(path) for path in {*paths, *site.getsitepackages(), site.getusersitepackages(), *added})


@functools.cache
def map_distributions() -> dict[str, list[str]]:
    """Map each top-level module to its distributions."""
    return dict(importlib.metadata.packages_distributions())


def _list_plugin_modules() -> set[str]:
    parts = plugins.installed_parts()
    owners = {part.distribution for part in parts}
    targets = {part.target.partition(":")[0].partition(".")[0] for part in parts}
    return targets | {top for top, distributions in map_distributions().items() if owners & set(distributions)}


def _list_files(top: str) -> Iterator[tuple[str, Path]]:
    """List the files of an external module or package by module name; data files of plugins by path."""
    place = _locate(top)
    assert place is not None
    if place.is_file():
        yield top, place
        return
    whole = top in _list_plugin_modules()
    for path in sorted(place.rglob("*")):
        parts = path.relative_to(place).parts
        if "__pycache__" in parts or any(part.startswith(".") for part in parts) or not path.is_file():
            continue
        if path.suffix in CODE:
            dotted = ".".join([top, *parts[:-1], path.stem])
            yield dotted.removesuffix(".__init__"), path
        elif whole and path.suffix not in DOCUMENTS and path.name != CARD:
            yield "/".join([top, *parts]), path


@functools.lru_cache(maxsize=4096)
def _list_imports(module: str, path: Path, stat: tuple[int, ...]) -> list[str]:
    """List the modules that a file imports, except under TYPE_CHECKING. ``stat`` is part of the cache key."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[str] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += _list_imported_from(node, package)
        todo += ast.iter_child_nodes(node)
    return found


def _list_imported_from(node: ast.ImportFrom, package: str) -> list[str]:
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
    submodules = [f"{base}.{alias.name}" for alias in node.names if _find_zoo_file(f"{base}.{alias.name}")]
    has_names = len(submodules) < len(node.names)
    return submodules + ([base] if has_names else [])
