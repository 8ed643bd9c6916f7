"""Measure parameters and MACs of a model, in total and by slot."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iqa_zoo.blank import BackboneKey, backbone_key, blank, declared_spec, empty_backbone
from iqa_zoo.budgets.budget import Budget, sum_budgets
from iqa_zoo.budgets.count import OperatorCount, count_operators
from iqa_zoo.build import build_backbone, build_decoder
from iqa_zoo.config import Config, load_config
from iqa_zoo.contracts import Features, FeatureSpec, HasInactive, spec_of
from iqa_zoo.errors import BudgetError
from iqa_zoo.known_backbones import find_known
from iqa_zoo.quality_model import GivenFeatures, QualityModel
from iqa_zoo.registry import SLOTS

REMEMBERED = 64  # number of backbones whose counts are kept in the process

Model = str | Path | Mapping[str, Any] | QualityModel


def measure_budget(cfg_or_model: Model, image_size: int | None = None) -> Budget:
    """Measure parameters (all, trainable, active) and MACs for one image, in total and by slot.

    MACs are those of matrix products and convolutions in evaluation mode, counted by fvcore with this package's formulas
    (:mod:`iqa_zoo.budgets.formulas`). They do not depend on the mode, gradients, frozen parameters, fused attention or batch
    size. A built model does not change.

    Args:
        cfg_or_model: a zoo name, a config dict, a path to a .yaml or .json file, or a built model.
        image_size: height and width of the image in pixels; default: that of the model. A config is built for this size.

    Raises:
        ConfigError: the config has problems.
        BudgetError: an operator has no formula.

    >>> budget = measure_budget("deiqt")
    >>> budget.params, budget.by_slot["backbone"].macs, budget.decoder.macs
    (24043776, 4598498304, 71122176)
    """
    if image_size is not None and (not isinstance(image_size, int) or image_size < 1):
        raise BudgetError(f"image_size is a positive number of pixels, got {image_size!r}")
    model = getattr(cfg_or_model, "_orig_mod", cfg_or_model)  # torch.compile wraps the model
    if isinstance(model, QualityModel):
        if isinstance(model.backbone, GivenFeatures):
            raise BudgetError("the number of tokens is unknown without the backbone: use measure_decoder")
        spec: FeatureSpec = model.backbone.spec  # type: ignore[assignment]
        size = image_size or spec.image_size
        return _measure_slots(model, count_operators(model, _make_image(size, model)), size)
    if isinstance(model, nn.Module):
        raise BudgetError(
            f"expected a config or a QualityModel, got {type(model).__name__}; "
            "iqa_zoo.budgets.count_macs(module, *inputs) counts any module"
        )
    return measure_config(load_config(model), image_size)


def measure_config(cfg: Config, image_size: int | None = None) -> Budget:
    """Measure a config: its backbone once per process, its decoder on features of the same shapes."""
    backbone = measure_backbone(cfg, image_size)
    decoder = measure_decoder(cfg, backbone.spec, backbone.features())
    return sum_budgets(
        {"backbone": backbone.budget, **decoder.by_slot}, by_block=decoder.by_block, image_size=backbone.image_size
    )


def measure_decoder(cfg: str | Path | Mapping[str, Any], spec: FeatureSpec, features: Features) -> Budget:
    """Measure a config's model without its backbone, on the features of one image.

    >>> from iqa_zoo.contracts import StageInfo
    >>> features = Features({}, torch.zeros(1, 196, 384), torch.zeros(1, 384))
    >>> measure_decoder("deiqt", FeatureSpec({}, 384, 384, 224), features).macs
    71122176
    """
    with blank():
        decoder = build_decoder(cfg, spec)
    like = _find_example(decoder)
    stages = list(features.maps)
    tensors = [features.tokens_BLC, features.global_BC, *features.maps.values()]

    def call(decoder: nn.Module, tokens_BLC: Tensor, global_BC: Tensor, *maps: Tensor) -> None:
        decoder(Features(dict(zip(stages, maps, strict=True)), tokens_BLC, global_BC))

    return _measure_slots(
        decoder, count_operators(decoder, *(t.to(like.device, like.dtype) for t in tensors), call=call)
    )


def measure_parameters(cfg: Config, spec: FeatureSpec) -> Budget:
    """Count the parameters of a config's model without its backbone; nothing is initialised or run."""
    with blank():
        try:
            with torch.device("meta"):
                decoder = build_decoder(cfg, spec)
        except (NotImplementedError, RuntimeError):  # a part that reads values during construction
            decoder = build_decoder(cfg, spec)
    return _measure_slots(decoder, {})


@dataclass(frozen=True)
class BackboneShapes:
    """The spec of a backbone and the shapes of its features for one image."""

    spec: FeatureSpec
    image_size: int
    tokens: tuple[int, ...]
    vector: tuple[int, ...]
    maps: dict[int, tuple[int, ...]]

    def features(self) -> Features:
        """Make features of these shapes, equal at every call."""
        generator = torch.Generator().manual_seed(0)

        def rand(shape: tuple[int, ...]) -> Tensor:
            return torch.rand(shape, generator=generator, device="cpu")

        return Features(
            {stage: rand(shape) for stage, shape in self.maps.items()}, rand(self.tokens), rand(self.vector)
        )


@dataclass(frozen=True)
class MeasuredBackbone(BackboneShapes):
    """Shapes and budget of a backbone."""

    budget: Budget


_COUNTED: dict[BackboneKey, MeasuredBackbone] = {}  # in order of use


def measure_backbone(cfg: Config, image_size: int | None = None) -> MeasuredBackbone:
    """Measure the backbone of a config: a usual one is known, another is counted once per process."""
    key = backbone_key(cfg, image_size)
    if key not in _COUNTED:
        while len(_COUNTED) >= REMEMBERED:
            del _COUNTED[next(iter(_COUNTED))]
        _COUNTED[key] = _read_backbone(*key[1:]) or count_backbone(*key[1:])
    return _COUNTED[key]


def _read_backbone(part: str, image_size: int | None) -> MeasuredBackbone | None:
    """Return a usual backbone from the file of what counting found; None for another one."""
    known = find_known(json.loads(part), image_size)
    if known is None:
        return None
    budget = Budget(
        params=known.params,
        trainable_params=known.params,
        active_params=known.params,
        macs=sum(known.macs_by_operator.values()),
        macs_by_operator=dict(known.macs_by_operator),
        other_ops=dict(known.other_ops),
    )
    return MeasuredBackbone(
        known.spec, known.spec.image_size, known.tokens, known.vector, dict(known.maps), budget=budget
    )


def find_backbone_spec(cfg: Config) -> FeatureSpec:
    """Find the spec of a config's backbone, reusing a measured one."""
    key = backbone_key(cfg)
    return _COUNTED[key].spec if key in _COUNTED else declared_spec(*key)


def find_backbone_shapes(cfg: Config) -> BackboneShapes:
    """Find the shapes of a config's backbone without counting and, if possible, without computing."""
    key = backbone_key(cfg, None)
    return _COUNTED[key] if key in _COUNTED else _compute_shapes(*key)


@functools.lru_cache(maxsize=REMEMBERED)
def _compute_shapes(kind: Any, part: str, image_size: int | None) -> BackboneShapes:
    if known := _read_backbone(part, image_size):
        return known
    backbone = empty_backbone(kind, part, image_size)
    spec = spec_of(backbone)
    size = spec.image_size
    try:
        with torch.no_grad():
            given = backbone.eval()(torch.empty(1, 3, size, size, device=_find_example(backbone).device))
    except (NotImplementedError, RuntimeError, TypeError):  # it reads or creates values
        return count_backbone(part, image_size)
    return BackboneShapes(spec, size, *_list_shapes(given))


def _list_shapes(features: Features) -> tuple[tuple[int, ...], tuple[int, ...], dict[int, tuple[int, ...]]]:
    def shape(tensor: Tensor) -> tuple[int, ...]:
        return tuple(map(int, tensor.shape))

    maps = {stage: shape(map_BCHW) for stage, map_BCHW in features.maps.items()}
    return shape(features.tokens_BLC), shape(features.global_BC), maps


def count_backbone(part: str, image_size: int | None) -> MeasuredBackbone:
    """Build the backbone of a resolved config, as JSON, and count one image."""
    with blank():
        backbone = build_backbone({"backbone": json.loads(part)})
    spec: FeatureSpec = backbone.spec  # type: ignore[assignment]
    size = image_size or spec.image_size
    given: list[Features] = []
    counts = count_operators(
        backbone, _make_image(size, backbone), call=lambda backbone, image: given.append(backbone(image))
    )
    return MeasuredBackbone(spec, size, *_list_shapes(given[0]), budget=_Parameters().measure(backbone, counts[""]))


def _find_example(module: nn.Module) -> Tensor:
    """Find a tensor with the device and dtype of a module."""
    return next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))


def _make_image(size: int, module: nn.Module) -> Tensor:
    like = _find_example(module)
    image_BCHW = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0), device="cpu")
    return image_BCHW.to(like.device, like.dtype)


def _measure_slots(model: QualityModel, counts: Mapping[str, OperatorCount], image_size: int | None = None) -> Budget:
    parameters = _Parameters()
    by_slot, by_block = {}, {}
    nothing = OperatorCount(Counter(), Counter())  # for a part that is used twice: it counts at its first position
    for slot in SLOTS:
        part = getattr(model, slot)
        if slot == "interactions":
            for i, block in enumerate(part):
                by_block[f"interactions.{i}"] = parameters.measure(block, counts.get(f"interactions.{i}", nothing))
            if by_block:
                by_slot[slot] = replace(sum_budgets(by_block), by_slot={})
        elif part is None or isinstance(part, GivenFeatures) or (slot == "losses" and not any(part.parameters())):
            continue  # an empty slot; a loss counts only if it has parameters
        else:
            by_slot[slot] = parameters.measure(part, counts.get(slot, nothing))
    whole = sum_budgets(by_slot, by_block=by_block, image_size=image_size)
    if "" in counts and (run := counts[""].macs.total()) != whole.macs:
        raise BudgetError(
            f"the forward pass runs {run:,} MACs, but its parts {whole.macs:,}: some computation is outside the parts, or in a method of "
            "a part other than forward"
        )
    return whole


class _Parameters:
    """Counts the parameters of successive parts; each counts once, for the first part that holds it."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def measure(self, module: nn.Module, count: OperatorCount) -> Budget:
        new = {id(p): p for p in module.parameters() if id(p) not in self.seen}
        self.seen |= set(new)
        params = sum(p.numel() for p in new.values())
        return Budget(
            params=params,
            trainable_params=sum(p.numel() for p in new.values() if p.requires_grad),
            active_params=params - self._count_inactive(module),
            macs=count.macs.total(),
            macs_by_operator=dict(sorted(count.macs.items())),
            other_ops=dict(sorted(count.other_ops.items())),
        )

    def _count_inactive(self, module: nn.Module) -> int:
        if id(module) in self.seen:
            return 0
        self.seen.add(id(module))
        if isinstance(module, HasInactive):  # it covers all children
            return module.inactive_params
        return sum(self._count_inactive(child) for child in module.children())
