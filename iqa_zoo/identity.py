"""Hashes of everything that a number depends on, used as keys of the cache and of run folders.

Images are identified by name and content in order, labels with all metadata of the images, code by its source
(:mod:`iqa_zoo.source_files`), libraries by version. Times and locations of files do not count.
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
from iqa_zoo.source_files import find_sources, map_distributions

if TYPE_CHECKING:
    from torch import nn

    from iqa_zoo.data.rated import RatedImages

# Libraries that affect results, whether imported or not.
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "Pillow", "scikit-image", "scikit-learn", "einops",
             "torch-geometric", "mmengine")  # fmt: skip
CODECS = ("jpg", "libjpeg_turbo", "zlib", "libtiff", "webp", "jpg_2000", "avif")
SETTLED = 2e9  # nanoseconds after which a further change surely changes the file's times

_HASHES: dict[tuple[str, int, int, int, int], str] = {}
_WHEN_IMPORTED: dict[str, tuple[object, str]] = {}  # module -> its spec, and the first hash of its file


def digest(*parts: Any) -> str:
    """Hash JSON-like values to 16 hexadecimal digits.

    >>> digest({"b": 1, "a": [2.5]}) == digest({"a": (2.5,), "b": 1}), digest(1, 2) == digest([1, 2])
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def identify_file(path: Path) -> str:
    """Hash the bytes of a file, cached by its size, times and inode.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        stat = path.stat()
        key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if key in _HASHES:
            return _HASHES[key]
        with path.open("rb") as file:
            digest_hex = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED:
        _HASHES[key] = digest_hex
    return digest_hex


def identify_images(data: RatedImages, indices: Iterable[int] | None = None) -> str:
    """Identify images by names (which determine crops) and content, in order; those of a box by its description.

    Args:
        data: the dataset.
        indices: images to include; default: all.

    Raises:
        InputError: an image cannot be read.
    """
    chosen = range(len(data)) if indices is None else indices
    if data.box is not None:
        return digest([data.names[i] for i in chosen], identify_file(data.box))
    return digest([[data.names[i], identify_file(data.paths[i])] for i in chosen])


def identify_labels(data: RatedImages) -> str:
    """Identify the labels of a dataset, in order: scores at full precision, direction, scale, kind, references and distortions,
    but not the name of the dataset."""
    known = [data.names, data.references, data.distortions]
    return digest(
        known, [float(score).hex() for score in data.mos], data.higher_is_better, data.score_range, data.label
    )


def identify_weights(model: nn.Module) -> str:
    """Identify a model's parameters and buffers, including non-persistent ones."""
    import torch

    hasher = hashlib.sha256()
    tensors = {**dict(model.named_buffers()), **model.state_dict()}
    for name, tensor in sorted(tensors.items()):
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        hasher.update(name.encode() + raw.numpy().tobytes())
    return hasher.hexdigest()[:16]


def find_part_modules(cfg: Mapping[str, Any]) -> set[str]:
    """Find the modules that define the parts of a config, including nested ones; slots may be missing.

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
    """Identify the code that modules and parts of models run.

    If a module was edited after its import, both versions count. Code without a file (notebooks) gets a new identity each time.

    Args:
        modules: names of modules.
        parts: names of modules that define parts, from :func:`find_part_modules`.

    Returns:
        A hash by module or data file, and a version by imported library.
    """
    found = find_sources(modules, parts)
    code = {name: _identify_import(name, identify_file(path)[:16]) for name, path in found.files.items()}
    code |= {name: uuid.uuid4().hex for name in found.interactive}
    code |= {name: _find_version(map_distributions().get(name, [name])[0]) for name in found.libraries}
    return dict(sorted(code.items()))


def identify_libraries() -> dict[str, str]:
    """Identify the versions of Python, the libraries and Pillow's codecs."""
    from PIL import features

    codecs = {f"Pillow {name}": str(features.version(name)) for name in CODECS if features.version(name)}
    return {"python": platform.python_version(), **{name: _find_version(name) for name in LIBRARIES}, **codecs}


def describe_origin(modules: Iterable[str]) -> dict[str, Any]:
    """Describe the code behind results: ``versions``, and ``source``, a hash of the code."""
    versions = {"iqa_zoo": iqa_zoo.__version__, **identify_libraries()}
    return {"versions": versions, "source": digest(identify_code(modules))}


def _identify_import(name: str, now: str) -> str:
    module = sys.modules.get(name)
    if module is None:
        return now
    spec = getattr(module, "__spec__", None)
    imported, then = _WHEN_IMPORTED.get(name, (None, now))
    if imported is None or imported is not spec:  # a reload has a new spec
        _WHEN_IMPORTED[name] = spec, now
        return now
    return now if now == then else f"{then}, on disk {now}"


def _find_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "missing"
