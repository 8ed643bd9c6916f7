"""Identities: hashes of everything that a number depends on. All keys of the cache and of run folders are made of these.

Images are identified by name and content in order, labels with all that is known of the images, code by the source of what
computes (:mod:`iqa_zoo.source_files`), libraries by their version. Times and places of files are no part of any identity.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import iqa_zoo
from iqa_zoo import plugins
from iqa_zoo.config import slots_inside
from iqa_zoo.errors import InputError
from iqa_zoo.registry import SLOTS
from iqa_zoo.source_files import distributions_by_top, find_sources

if TYPE_CHECKING:
    from torch import nn

    from iqa_zoo.data.rated import RatedImages

# What computes, or decodes what is computed with, whoever imports it.
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "Pillow", "scikit-image", "scikit-learn", "einops",
             "torch-geometric", "mmengine")  # fmt: skip
CODECS = ("jpg", "libjpeg_turbo", "zlib", "libtiff", "webp", "jpg_2000", "avif")
SETTLED = 2e9  # nanoseconds after a change from which on another change shows in the file's times

_HASHES: dict[tuple[str, int, int, int, int], str] = {}
# module -> its import, and the hash of its file when that was first seen
_WHEN_IMPORTED: dict[str, tuple[object, str]] = {}


def digest(*parts: Any) -> str:
    """Return 16 hexadecimal digits that name JSON-like values; equal values have equal digests.

    >>> digest({"b": 1, "a": [2.5]}) == digest({"a": (2.5,), "b": 1}), digest(1, 2) == digest([1, 2])
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def identify_file(path: Path) -> str:
    """Return a hash of a file's bytes; a file is read again only where its size, times or inode changed.

    Raises:
        InputError: it cannot be read.
    """
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if key in _HASHES:
            return _HASHES[key]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED:
        _HASHES[key] = found
    return found


def identify_images(data: RatedImages, indices: Iterable[int] | None = None) -> str:
    """Identify what features are computed from: names (crops depend on them) and content of the images, in order.

    Args:
        data: the dataset.
        indices: which of its images; all where left out.

    Raises:
        InputError: an image cannot be read; names the file.
    """
    chosen = range(len(data)) if indices is None else indices
    return digest([[data.names[i], identify_file(data.paths[i])] for i in chosen])


def identify_labels(data: RatedImages) -> str:
    """Identify what a dataset says of its images, in order: labels at full precision, their direction, scale and name,
    references and distortions. The name of the dataset does not count."""
    known = [data.names, data.references, data.distortions]
    return digest(
        known, [float(score).hex() for score in data.mos], data.higher_is_better, data.score_range, data.label
    )


def identify_weights(model: nn.Module) -> str:
    """Identify a model's parameters and buffers, those too that its state dict leaves out."""
    import torch

    found = hashlib.sha256()
    tensors = {**dict(model.named_buffers()), **model.state_dict()}
    for name, tensor in sorted(tensors.items()):
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        found.update(name.encode() + raw.numpy().tobytes())
    return found.hexdigest()[:16]


def find_part_modules(cfg: Mapping[str, Any]) -> set[str]:
    """The modules that define the parts of a config, nested ones too. ``cfg`` may hold some of the slots only.

    >>> sorted(find_part_modules({"head": {"type": "linear"}, "losses": [{"type": "l1"}]}))
    ['iqa_zoo.heads.linear', 'iqa_zoo.losses.l1']
    """
    modules: set[str] = set()
    todo = [(slot, cfg.get(slot)) for slot in SLOTS]
    while todo:
        slot, part = todo.pop()
        if isinstance(part, list | tuple):
            todo += [(slot, item) for item in part]
        elif part is not None:
            made_by = SLOTS[slot].get(part["type"])
            modules.add(getattr(made_by, "__module__", type(made_by).__module__))
            modules |= {
                claim.target.partition(":")[0]
                for claim in plugins.installed_parts()
                if (claim.group, claim.name) == (SLOTS[slot].group, part["type"])
            }
            todo += [(inside, part.get(key)) for key, inside in slots_inside(slot, part).items()]
    return modules


def identify_code(modules: Iterable[str], parts: Iterable[str] = ()) -> dict[str, str]:
    """Identify the code that some modules and parts of models run.

    An edit is seen at once. Where a module was edited after it was imported, what runs is no longer what the file says: both
    count. Code that has no file (a notebook's) is never the same twice.

    Args:
        modules: names of modules.
        parts: names of those that define parts: :func:`find_part_modules`.

    Returns:
        A hash by module (or data file of a plugin), and a version by library that these import.
    """
    found = find_sources(modules, parts)
    code = {name: _as_imported(name, identify_file(path)[:16]) for name, path in found.files.items()}
    code |= {name: uuid.uuid4().hex for name in found.interactive}
    code |= {name: _version(distributions_by_top().get(name, [name])[0]) for name in found.libraries}
    return dict(sorted(code.items()))


def identify_libraries() -> dict[str, str]:
    """The versions of what computes: Python, libraries, and what Pillow decodes with."""
    from PIL import features

    codecs = {f"Pillow {name}": str(features.version(name)) for name in CODECS if features.version(name)}
    return {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}, **codecs}


def describe_origin(modules: Iterable[str]) -> dict[str, Any]:
    """What results say of the code that made them: ``versions``, and ``source``, a hash of the code."""
    versions = {"iqa_zoo": iqa_zoo.__version__, **identify_libraries()}
    return {"versions": versions, "source": digest(identify_code(modules))}


def _as_imported(name: str, now: str) -> str:
    module = sys.modules.get(name)
    if module is None:
        return now
    spec = getattr(module, "__spec__", None)
    imported, then = _WHEN_IMPORTED.get(name, (None, now))
    if imported is None or imported is not spec:  # a reload has a new spec
        _WHEN_IMPORTED[name] = spec, now
        return now
    return now if now == then else f"{then}, on disk {now}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
