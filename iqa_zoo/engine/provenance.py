"""What a number depends on besides its configs: the source of this package and the versions of others."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import iqa_zoo


@functools.cache
def source_hash() -> str:
    """A hash of this package's source files: results of other code are not taken for results of this."""
    digest = hashlib.sha256()
    for path in sorted(Path(iqa_zoo.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """The versions a number depends on."""
    packages = {name: version(name) for name in ("torch", "timm", "numpy", "scipy", "scikit-image")}
    return {"iqa_zoo": iqa_zoo.__version__, "python": platform.python_version(), **packages}
