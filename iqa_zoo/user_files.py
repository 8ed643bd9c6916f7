"""Parts in a user's own file: ``--import FILE.py`` of every command, or ``IQA_ZOO_IMPORT`` in the environment.

The file is executed as a module of its file's name, so that the parts that it registers are known by name. Its code is part
of their identity as a plugin's is (:mod:`iqa_zoo.source_files`). Processes that train for this one read the same
environment variable.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable, MutableMapping
from pathlib import Path

from iqa_zoo.errors import InputError

VARIABLE = "IQA_ZOO_IMPORT"  # files, separated as the paths of PATH are
_tried: set[Path] = set()


def add_user_files(files: Iterable[str | Path], environ: MutableMapping[str, str] = os.environ) -> None:
    """Execute files, in this process now, in its child processes when they first look up a part.

    Raises:
        InputError: a file is missing, has the name of another module, or raises; names the file and the line.
    """
    known = [Path(each) for each in environ.get(VARIABLE, "").split(os.pathsep) if each]
    paths = list(dict.fromkeys([*known, *(Path(file).absolute() for file in files)]))
    for path in paths:
        import_user_file(path)
    if paths:
        environ[VARIABLE] = os.pathsep.join(map(str, paths))


def import_named_files() -> None:
    """Execute the files that ``IQA_ZOO_IMPORT`` names, each once.

    Raises:
        InputError: as :func:`add_user_files`.
    """
    if names := os.environ.get(VARIABLE):
        for name in filter(None, names.split(os.pathsep)):
            import_user_file(Path(name))


def import_user_file(path: Path) -> None:
    """Execute a file as a module; one that was executed before is left as it is. Its folder is searched for imports.

    Raises:
        InputError: as :func:`add_user_files`.
    """
    path = path.resolve()
    if path in _tried:
        return
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"--import {path}: {'there is no such file' if path.suffix == '.py' else 'give a .py file'}")
    name = re.sub(r"\W", "_", path.stem)
    if taken := _find_other(name, path):
        raise InputError(f"--import {path}: the name {name} is that of another module ({taken}); rename the file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    if name in sys.modules:
        _tried.add(path)
        return
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _tried.add(path)  # before it runs: it may look up parts itself
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        _tried.discard(path)
        raise InputError(f"--import {path}, line {_find_line(error, path)}: {type(error).__name__}: {error}") from error


def _find_other(name: str, path: Path) -> str | None:
    """What else has this name: an imported module, a file that an import would find, or the standard library."""
    if name in sys.stdlib_module_names:
        return "of the standard library"
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None) if module else importlib.util.find_spec(name)
    if module is None and spec is None:
        return None
    place = spec.origin if spec and spec.origin else getattr(module, "__file__", None)
    return None if place and Path(place).resolve() == path else str(place)


def _find_line(error: Exception, path: Path) -> int | str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or "?"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] or "?" if lines else "?"
