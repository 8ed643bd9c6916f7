"""The formats of exported files, and the packages that they need. Imports no torch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from iqa_zoo.errors import InputError

NEEDED = {".onnx": ("onnx", "onnxruntime", "onnxscript"), ".pt2": ()}  # suffix of a file -> packages of the extra


def check_format(file: Path) -> None:
    """Check, without importing them, that the packages for the format of a file are installed.

    Raises:
        InputError: the suffix is of no format, or a package is missing; says what to install.
    """
    if file.suffix not in NEEDED:
        raise InputError(f"{file}: give a file that ends in {' or '.join(NEEDED)}")
    check_packages(file.suffix, file)


def check_packages(suffix: str, shown: str | Path = "") -> None:
    """Check, without importing them, that the packages for a format are installed.

    Raises:
        InputError: one is missing; says what to install.
    """
    if missing := [name for name in NEEDED[suffix] if importlib.util.find_spec(name) is None]:
        raise InputError(f'{shown or suffix} needs {" and ".join(missing)}; pip install "iqa-zoo[export]"')
