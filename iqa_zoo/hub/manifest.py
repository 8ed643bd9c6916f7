"""``config.json`` of a model on a hub: what the model is, and every other file with its SHA-256. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.errors import HubError

FILE = "config.json"
FORMAT = "iqa_zoo hub model, version 1"
CARD = "README.md"
RUN, TRAINED = "run", "trained model"
SUFFIXES = (".json", ".safetensors")  # of files that are loaded; nothing that runs code
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file of a model: its name, its size in bytes and its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What ``config.json`` says.

    Attributes:
        kind: ``run``, the folder of a training, or ``trained model``, one with a name.
        name: of the trained model; empty for a run.
        model: the config of the model.
        files: that are needed to load it.
        iqa_zoo: the version that wrote it.
    """

    kind: str
    name: str
    model: Mapping[str, Any]
    files: tuple[HubFile, ...]
    iqa_zoo: str

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {"format": FORMAT, "library_name": "iqa_zoo", **asdict(self)}


def is_manifest(content: object) -> bool:
    """Return whether the content of a JSON file is that of a model of iqa_zoo, of any version."""
    return isinstance(content, Mapping) and str(content.get("format", "")).startswith("iqa_zoo hub model")


def read_manifest(path: Path, where: str) -> Manifest:
    """Read and check ``config.json``.

    Args:
        path: of the file.
        where: the address, for messages.

    Raises:
        HubError: it is not of iqa_zoo, of another version, or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise HubError(f"{where}: {FILE} cannot be read ({error})") from error
    if not is_manifest(content):
        raise HubError(
            f"{where}: is not a model of iqa_zoo: its {FILE} is of something else. iqa-zoo push RUN user/name writes one; "
            "weights of a backbone are fetched by their timm name, with --pretrained"
        )
    if content["format"] != FORMAT:
        raise HubError(
            f"{where}: is of another version: {content['format']!r}, and this iqa_zoo reads {FORMAT!r}; "
            "pip install --upgrade iqa-zoo"
        )
    try:
        files = tuple(HubFile(each["name"], each["bytes"], each["sha256"]) for each in content["files"])
        found = Manifest(content["kind"], content["name"], content["model"], files, str(content["iqa_zoo"]))
        sound = found.kind in (RUN, TRAINED) and isinstance(found.model, dict) and all(map(_is_safe, files))
        sound = sound and (found.kind == RUN or _NAME.fullmatch(found.name) is not None)
    except (KeyError, TypeError) as error:
        raise HubError(f"{where}: {FILE} is damaged ({type(error).__name__}: {error})") from error
    if not sound:
        raise HubError(f"{where}: {FILE} is damaged, or names files that iqa_zoo does not load")
    return found


def _is_safe(file: HubFile) -> bool:
    """Return whether a file is one that push writes: a plain name, of JSON or safetensors."""
    return (
        _NAME.fullmatch(file.name) is not None
        and file.name.endswith(SUFFIXES)
        and isinstance(file.bytes, int)
        and _SHA256.fullmatch(file.sha256) is not None
    )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
