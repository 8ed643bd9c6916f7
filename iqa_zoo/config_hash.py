"""A short name for a config: equal models have equal hashes."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from iqa_zoo.config import resolve_config


def _canonical(value: Any) -> Any:
    """The same for equal values: a file may say 1 where a default says 1.0."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def config_hash(cfg: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that name the resolved config: equal models have equal hashes.

    A ``dim`` of None counts as the width of the backbone, which is made for it without weights.

    Raises:
        ConfigError: the config has problems.

    >>> from iqa_zoo.config import model_config
    >>> config_hash(model_config("deiqt")) == config_hash(resolve_config(model_config("deiqt")))
    True
    """
    resolved = resolve_config(cfg)
    if resolved["dim"] is None:
        from iqa_zoo.blank import backbone_key, declared_spec  # here, as it imports torch

        resolved["dim"] = declared_spec(*backbone_key(resolved)).global_channels
    canonical = json.dumps(_canonical(resolved), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
