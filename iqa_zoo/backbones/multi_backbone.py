from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import Features, FeatureSpec, spec_of
from iqa_zoo.errors import NestedPartError, PartError
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import NestedBackbone, Pixels, checked

FIRST_STAGE = 10  # branch b's stage s is stage 10 b + s


@register_backbone("multi_backbone")
class MultiBackbone(nn.Module):
    """Several backbones over the same image as one: their stage maps side by side, their global vectors joined.

    Branches are counted from 0, and stage s of branch b is stage ``10 * b + s``: 4 is the last stage of the first
    branch, 14 that of the second. ``global_BC`` is the global vectors of all branches, joined in their order; the tokens
    are those of the first branch, as branches differ in how many tokens they have. The image comes normalised as the
    first branch wants it, and is brought to the normalisation of each other branch where that is another.

    DBCNN (Zhang et al., TCSVT 2020), DACNN (Pan et al., TCSVT 2022) and Re-IQA (Saha et al., CVPR 2023) stand on two
    such networks.

    Args:
        branches: the config of each backbone; the builder builds them.
        stages: which stage maps to give, numbered as above, in the place of the branches' own ``stages``; those that the
            branches ask for where left out.
        image_size: height and width of the input in pixels, which the builder sets in the branches.
        freeze: whether the weights of the branches are not trained, for all of them or one flag a branch.
        freeze_batch_norm: whether batch normalisation stays in evaluation mode in training, so that its statistics do
            not move, for all branches or one flag a branch; the same as ``freeze`` where left out. Dropout and
            stochastic depth are left as they are.

    Raises:
        NestedPartError: a branch whose stages cannot be numbered.
        PartError: no branches, flags or image sizes that do not fit them, or a stage that none of them has.

    >>> from iqa_zoo.build import build_part
    >>> branches = [dict(type="timm_features", name="resnet18"), dict(type="nss")]
    >>> cfg = dict(type="multi_backbone", branches=branches, stages=(4, 13), freeze=(True, False))
    >>> backbone = build_part("backbone", cfg, {})
    >>> {stage: info.channels for stage, info in backbone.spec.stages.items()}, backbone.spec.global_channels
    ({4: 512, 13: 121}, 633)
    """

    @checked
    def __init__(
        self,
        *,
        branches: Sequence[NestedBackbone],
        stages: Sequence[int] | None = None,
        image_size: Pixels | None = None,
        freeze: bool | Sequence[bool] = False,
        freeze_batch_norm: bool | Sequence[bool] | None = None,
    ):
        super().__init__()
        if not branches:
            raise PartError("branches is empty; give at least one backbone, dict(type=NAME, ...)")
        frozen = _flags("freeze", freeze, len(branches))
        self.still = frozen
        if freeze_batch_norm is not None:
            self.still = _flags("freeze_batch_norm", freeze_batch_norm, len(branches))
        self.branches = nn.ModuleList(branches)
        for branch, is_frozen in zip(self.branches, frozen, strict=True):
            if is_frozen:
                branch.requires_grad_(False)
        specs = [spec_of(branch) for branch in self.branches]
        given = [{FIRST_STAGE * b + s: info for s, info in spec.stages.items()} for b, spec in enumerate(specs)]
        known = {stage: info for of_branch in given for stage, info in of_branch.items()}
        self.stages = tuple(known if stages is None else stages)
        available = _available(specs)
        if lacking := [stage for stage in self.stages if stage not in known]:
            raise PartError(
                f"no branch gives stage {lacking[0]}; stages are numbered {FIRST_STAGE} x branch + stage of the branch, "
                f"and there are {', '.join(map(str, available))}"
            )
        self.spec = replace(
            specs[0],
            stages={stage: known[stage] for stage in self.stages},
            global_channels=sum(spec.global_channels for spec in specs),
            image_size=_image_size(specs),
            fixed_size=any(spec.fixed_size for spec in specs),
            available_stages=available,
        )
        for number, spec in enumerate(specs):
            scale, shift = _renormalisation(specs[0], spec)
            self.register_buffer(f"scale_{number}", torch.tensor(scale).view(3, 1, 1), persistent=False)
            self.register_buffer(f"shift_{number}", torch.tensor(shift).view(3, 1, 1), persistent=False)
        self._as_given = [(spec.mean, spec.std) == (specs[0].mean, specs[0].std) for spec in specs]
        self.train(self.training)

    @classmethod
    def nested_keys(cls, number: int, config: Mapping[str, Any]) -> dict[str, Any]:
        """The ``stages`` and the ``image_size`` of a branch, where they are set here."""
        keys = {} if config.get("image_size") is None else {"image_size": config["image_size"]}
        if config.get("stages") is not None:
            keys["stages"] = [stage % FIRST_STAGE for stage in config["stages"] if stage // FIRST_STAGE == number]
        return keys

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for branch, still in zip(self.branches, self.still, strict=True):
            if still:
                for module in branch.modules():
                    if isinstance(module, nn.modules.batchnorm._BatchNorm):
                        module.eval()
        return self

    def forward(self, image_BCHW: Tensor) -> Features:
        found = [branch(self._renormalised(image_BCHW, number)) for number, branch in enumerate(self.branches)]
        maps = {
            FIRST_STAGE * b + s: map_BCHW for b, features in enumerate(found) for s, map_BCHW in features.maps.items()
        }
        return Features({stage: maps[stage] for stage in self.stages}, found[0].tokens_BLC, self._joined(found))

    def _joined(self, found: Sequence[Features]) -> Tensor:
        """The global vectors of the branches as one."""
        return torch.cat([features.global_BC for features in found], dim=1)

    def _renormalised(self, image_BCHW: Tensor, number: int) -> Tensor:
        """The image as a branch wants it; the very same tensor where that is as the first one does."""
        if self._as_given[number]:
            return image_BCHW
        scale, shift = self.get_buffer(f"scale_{number}"), self.get_buffer(f"shift_{number}")
        return image_BCHW * scale + shift


def _flags(key: str, given: bool | Sequence[bool], branches: int) -> tuple[bool, ...]:
    flags = (given,) * branches if isinstance(given, bool) else tuple(given)
    if len(flags) != branches:
        raise PartError(
            f"{key}={list(flags)} is {len(flags)} flags for {branches} branches; give one for each, or one bool"
        )
    return flags


def _available(specs: Sequence[FeatureSpec]) -> tuple[int, ...]:
    for number, spec in enumerate(specs):
        if beyond := [stage for stage in spec.available_stages if not 0 <= stage < FIRST_STAGE]:
            raise NestedPartError(
                [f"branches.{number}: has a stage {beyond[0]}, and only 0 to 9 can be told apart here"]
            )
    return tuple(FIRST_STAGE * b + s for b, spec in enumerate(specs) for s in spec.available_stages)


def _image_size(specs: Sequence[FeatureSpec]) -> int:
    """The size that suits all branches."""
    size = max(spec.image_size for spec in specs)
    for number, spec in enumerate(specs):
        if spec.fixed_size and spec.image_size != size:
            raise PartError(
                f"branch {number} takes exactly {spec.image_size} x {spec.image_size} pixels and another one {size} or more; "
                "set image_size, which all of them are given"
            )
    return size


def _renormalisation(first: FeatureSpec, other: FeatureSpec) -> tuple[list[float], list[float]]:
    """By what an image that is normalised for one backbone is multiplied for another, and what is added then."""
    scale = [std / other_std for std, other_std in zip(first.std, other.std, strict=True)]
    means = zip(first.mean, other.mean, other.std, strict=True)
    return scale, [(mean - other_mean) / other_std for mean, other_mean, other_std in means]
