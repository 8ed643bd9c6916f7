"""Models without initial weights: to count them and to read their shapes in a fraction of the time."""

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from iqa_zoo.build import build_backbone
from iqa_zoo.config import Config, part_parameters, resolve_config
from iqa_zoo.contracts import FeatureSpec, spec_of
from iqa_zoo.known_backbones import find_known
from iqa_zoo.registry import SLOTS

BackboneKey = tuple[Any, str, int | None]


def backbone_key(cfg: Config, image_size: int | None = None) -> BackboneKey:
    """What the backbone of a config is remembered by: what its name stands for now, as a name can be registered anew, its
    resolved config as JSON, and the size it is asked about."""
    part = resolve_config(cfg)["backbone"]
    if image_size is not None and "image_size" in part_parameters("backbone", part["type"]):
        part["image_size"] = image_size
    return SLOTS["backbone"].get(part["type"]), json.dumps(part, sort_keys=True), image_size


@functools.lru_cache(maxsize=2)  # of two models that are compared, between their specs and their shapes
def empty_backbone(kind: Any, part: str, image_size: int | None) -> nn.Module:
    """The backbone of a :func:`backbone_key` without memory for its weights, where it can be made so."""
    cfg = {"backbone": json.loads(part)}
    with blank():
        try:
            with torch.device("meta"):
                return build_backbone(cfg)
        except (NotImplementedError, RuntimeError):  # a part that reads values while it is made
            return build_backbone(cfg)


@functools.lru_cache(maxsize=64)
def declared_spec(kind: Any, part: str, image_size: int | None) -> FeatureSpec:
    """What the backbone of a :func:`backbone_key` declares. A usual one is known; another is made once in a process, and neither
    counted nor run.

    >>> from iqa_zoo.config import model_config
    >>> declared_spec(*backbone_key(model_config("linear_probe"))).global_channels
    384
    """
    known = find_known(json.loads(part), image_size)
    return known.spec if known is not None else spec_of(empty_backbone(kind, part, image_size))


class _Zeros(TorchFunctionMode):
    """Zeros in the place of random initial weights, which would take longer than the count. They come as memory that is
    not touched yet, and what a truncated normal does to its uniform numbers next is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.blank = WeakTensorKeyDictionary()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensor = args[0] if args else kwargs.get("tensor")
        name = getattr(func, "__name__", "")
        if isinstance(tensor, Tensor) and name.endswith(("uniform_", "normal_")):
            if not tensor.is_meta:
                tensor.data = torch.zeros_like(tensor)
            self.blank[tensor] = True
            return tensor
        if name in ("erfinv_", "mul_", "add_", "clamp_") and tensor in self.blank:
            return tensor
        return func(*args, **kwargs)


@contextmanager
def blank() -> Iterator[None]:
    """Where a model is built to be counted only."""
    with torch.random.fork_rng(devices=[]), _Zeros():
        yield
