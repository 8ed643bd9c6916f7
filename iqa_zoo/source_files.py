"""The source files that some modules run, found by following their imports; nothing is imported to find them.

Of this package only what is imported counts, file by file, so that a changed table changes no number's identity. A plugin
and a user's own code count as a whole package: a helper module changes what a part computes as much as the part's own file.
Installed libraries count by their version. Imports by a name that is computed (``importlib.import_module(name)``) are not seen.
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
# These find, name, keep and distribute; they compute nothing that a result depends on.
NOT_COMPUTING = {
    f"{ZOO}.{name}" for name in ("cache", "errors", "identity", "plugins", "registry", "source_files", "engine.workers")
}
CODE = (".py", ".so", ".pyd")
DOCUMENTS = (
    ".md",
    ".rst",
    ".txt",
    ".pyi",
    ".typed",
    ".pyc",
)  # in a plugin's package; its other files may be data it reads
CARD = "card.yaml"
BASE = {"torch", "torchvision", "torch_geometric", "timm"}  # too large to read, and never edited in place


@dataclass
class Sources:
    """What :func:`find_sources` found: files by module name (data files by path), top-level names of libraries, and modules
    without a file (a notebook's)."""

    files: dict[str, Path] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    interactive: set[str] = field(default_factory=set)


def find_sources(modules: Iterable[str], parts: Iterable[str] = ()) -> Sources:
    """Find the files that modules run, their own and those that they import.

    Args:
        modules: names of modules.
        parts: modules that define parts of models: their source counts even where they are installed as a library is.

    >>> found = find_sources(["iqa_zoo.stats.metrics"])
    >>> "iqa_zoo.stats.metrics" in found.files, "scipy" in found.libraries, "iqa_zoo.reports.table" in found.files
    (True, True, False)
    """
    parts = set(parts)
    found, todo, seen = Sources(), [*modules, *parts], set()
    own = {part.partition(".")[0] for part in parts} - BASE
    while todo:
        module = _real_name(todo.pop())
        top = module.partition(".")[0]
        unit = module if top == ZOO else top
        if unit in seen or unit in NOT_COMPUTING or top in sys.stdlib_module_names:
            continue
        seen.add(unit)
        if top == ZOO:
            files = _zoo_file(module)
        elif module == "__main__" and _place("__main__") is None:
            found.interactive.add(module)
            continue
        elif _place(top) is None or (top not in own and _is_library(top)):
            found.libraries.add(top)
            continue
        else:
            files = dict(_files_of(top))
        found.files |= files
        for name, path in files.items():
            if path.suffix == ".py":
                stat = path.stat()
                todo += _imports(name, path, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return found


def _real_name(module: str) -> str:
    """The name of ``__main__`` where it was started by name (``python -m package.module``)."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None) if module in ("__main__", "__mp_main__") else None
    if spec is not None and spec.name not in ("__main__", "__mp_main__"):
        return str(spec.name).removesuffix(".__main__")
    return "__main__" if module == "__mp_main__" else module


def _zoo_file(module: str) -> dict[str, Path]:
    """The file of a module of this package; none where the name is that of an object in one."""
    place = PACKAGE.joinpath(*module.split(".")[1:])
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return {module: path}
    return {}


def _place(top: str) -> Path | None:
    """Where a top-level module lies: its file, or the folder of a package."""
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
    """Whether a module is known by its version: one that is installed, and no plugin."""
    place = _place(top)
    assert place is not None
    return top not in _tops_of_plugins() and any(place.is_relative_to(folder) for folder in _site_folders())


@functools.cache
def _site_folders() -> tuple[Path, ...]:
    paths = {sysconfig.get_paths()[key] for key in ("purelib", "platlib")}
    return tuple(Path(path) for path in {*paths, *site.getsitepackages(), site.getusersitepackages()})


@functools.cache
def distributions_by_top() -> dict[str, list[str]]:
    """The distributions that bring each top-level module."""
    return dict(importlib.metadata.packages_distributions())


def _tops_of_plugins() -> set[str]:
    parts = plugins.installed_parts()
    owners = {part.distribution for part in parts}
    named = {part.target.partition(":")[0].partition(".")[0] for part in parts}
    return named | {top for top, distributions in distributions_by_top().items() if owners & set(distributions)}


def _files_of(top: str) -> Iterator[tuple[str, Path]]:
    """The files of a module or package outside this one, by module name, or by path where they are data of a plugin."""
    place = _place(top)
    assert place is not None
    if place.is_file():
        yield top, place
        return
    whole = top in _tops_of_plugins()
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
def _imports(module: str, path: Path, stat: tuple[int, ...]) -> list[str]:
    """The modules that a file imports, in functions too, but not for type checkers only. ``stat`` tells when to read it anew."""
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
            found += _imported_from(node, package)
        todo += ast.iter_child_nodes(node)
    return found


def _imported_from(node: ast.ImportFrom, package: str) -> list[str]:
    base = node.module or ""
    if node.level:
        parents = package.split(".")
        base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
    submodules = [f"{base}.{alias.name}" for alias in node.names if _zoo_file(f"{base}.{alias.name}")]
    named_in_base = len(submodules) < len(node.names)
    return submodules + ([base] if named_in_base else [])
