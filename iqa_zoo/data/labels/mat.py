"""MATLAB label files (.mat), read in a subprocess, because damaged files can crash scipy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iqa_zoo.data.labels import mat_worker
from iqa_zoo.data.labels.rows import LabelRow, find_columns
from iqa_zoo.data.labels.text import read_bytes
from iqa_zoo.errors import InputError

SECONDS = 120  # a label file takes less than one
HDF5 = b"\x89HDF\r\n\x1a\n"  # version 7.3, after a header of 512 bytes
V7_3 = b"MATLAB 7.3 MAT-file"

Variables = dict[str, Any]  # by name: a list of values, or the reason why there is none


def read_mat(*wanted: tuple[Path, str]) -> list[list[LabelRow]]:
    """Read variables of MATLAB files, each as rows with one value.

    All files are read in one subprocess (about 0.3 s).

    ``wanted`` holds the file and the name of each variable.

    Raises:
        InputError: a file is damaged or of version 7.3, or a variable is missing or not a vector.
    """
    paths = list(dict.fromkeys(path for path, _ in wanted))
    content = dict(zip(paths, _load(paths), strict=True))
    return [_make_rows(path, content[path], [name]) for path, name in wanted]


def read_mat_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[LabelRow]:
    """Read variables of one MATLAB file as the columns of a table.

    Raises:
        InputError: as :func:`read_mat`, or the variables have different lengths.
    """
    return _make_rows(path, _load([path])[0], columns, optional)


def _make_rows(
    path: Path, variables: Variables, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[LabelRow]:
    names = list(variables)
    vectors = {}
    for column, at in find_columns(path, names, columns, optional, what="variable").items():
        vector = variables[names[at]]
        if isinstance(vector, str):
            raise InputError(f"{path}: the variable {names[at]!r} is {vector}; labels need a vector of text or numbers")
        vectors[column] = vector
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) > 1:
        each = ", ".join(f"{column} {len(vector)}" for column, vector in vectors.items())
        raise InputError(f"{path}: the variables have different lengths: {each}; give one value an image")
    return [
        LabelRow(path, f"entry {number}", dict(zip(vectors, values, strict=True)))
        for number, values in enumerate(zip(*vectors.values(), strict=True), start=1)
    ]


def _load(paths: Sequence[Path]) -> list[Variables]:
    for path in paths:
        begin = read_bytes(path)[: 512 + len(HDF5)]
        if begin.startswith((V7_3, HDF5)) or begin.endswith(HDF5):
            raise InputError(f"{path} is a MATLAB file of version 7.3 (HDF5); save it in MATLAB with the option -v7")
    # -P prevents imports from the user's folder.
    command = [sys.executable, "-P", mat_worker.__file__, *(str(path.absolute()) for path in paths)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, timeout=SECONDS)
        output, code = done.stdout, done.returncode
        ended = f"ended with {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
    except subprocess.TimeoutExpired as error:
        output, ended = error.stdout or b"", f"was not done after {SECONDS} s"
    except OSError as error:
        raise InputError(f"{paths[0]} cannot be read: its reader does not start: {error.strerror or error}") from error
    lines = output.decode("ascii").splitlines()
    content = []
    for index, path in enumerate(paths):
        if index >= len(lines):
            raise InputError(f"{path} is not a MATLAB file that can be read: its reader {ended}; get the file anew")
        record = json.loads(lines[index])
        if "error" in record:
            raise InputError(f"{path} is not a MATLAB file that can be read: {record['error']}; get the file anew")
        content.append(record["variables"])
    return content
