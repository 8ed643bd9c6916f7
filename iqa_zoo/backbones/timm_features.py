"""Any timm model as a backbone: stage maps, tokens and one global vector, whatever its layout.

timm is imported when a model is made. Its import takes seconds, and a config can be checked and counted without it.
"""

from __future__ import annotations

import socket
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

import huggingface_hub
import torch
from torch import Tensor, nn

from iqa_zoo.allocation import LimitReached
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import CheckpointError, PartError, closest
from iqa_zoo.packaged_weights import PACKAGED, load_packaged
from iqa_zoo.registry import register_backbone
from iqa_zoo.values import Pixels, checked

SEVERAL_OUTPUTS = ("CoaT", "CrossVit", "EfficientViM")  # classes of timm
_TRIED: set[str] = set()  # variants whose forward pass takes an image of the size they declare
STAGE_STRIDES = {1: 4, 2: 8, 3: 16, 4: 32}


@register_backbone("timm_features")
class TimmFeatures(nn.Module):
    """Features of a timm model: Swin, ViT and CNN alike, always channels first.

    Stages are numbered as the papers do: stage 1 to 4 of a hierarchical model are the outputs at stride 4, 8, 16
    and 32. A plain ViT has one stride; its stages are the outputs of the blocks at a quarter, half, three
    quarters and the whole of its depth. Stage maps are block outputs before any final norm. The tokens and the
    global vector come after the final norm: for a ViT the patch tokens and the class token (the mean of the
    patch tokens where it has none), otherwise the last map, flattened and averaged.

    Args:
        name: timm's model name, with its weights tag where ``pretrained`` is to fetch particular weights.
        stages: which stage maps to give.
        stage_blocks: of a plain transformer, which block each of ``stages`` is, counted from 0, in the place of the
            quarters of its depth. MANIQA reads blocks 6 to 9.
        image_size: height and width of the input in pixels; the model's own where left out.
        final_norm: keep the model's final norm. Life-IQA's released code deletes it.
        model_args: arguments that timm's model takes, for example ``{"drop_path_rate": 0.2}``.
        pretrained: load ImageNet weights: those of an installed package (:data:`iqa_zoo.packaged_weights.PACKAGED`) where
            there is one for ``name``, otherwise timm's from the model hub. Handed down by ``build_model``.

    Raises:
        PartError: no such model in timm, a stage or a block that it lacks, or arguments that it does not take.
        CheckpointError: the weights cannot be fetched, or the package that has them is missing or another one.

    >>> backbone = TimmFeatures(name="resnet18", stages=(3, 4))
    >>> backbone.spec.stages[3]
    StageInfo(channels=256, stride=16)
    """

    model: Any  # timm's own class

    @checked
    def __init__(
        self,
        *,
        name: str,
        stages: Sequence[int] = (),
        stage_blocks: Sequence[int] | None = None,
        image_size: Pixels | None = None,
        final_norm: bool = True,
        model_args: Mapping[str, Any] | None = None,
        pretrained: bool = False,
    ):
        import timm

        super().__init__()
        base = name.split(".")[0]
        if not timm.is_model(base):
            raise PartError(
                f"timm has no model {name!r}{closest(base, timm.list_models())}; timm.list_models() lists all"
            )
        try:
            made_for = timm.get_pretrained_cfg(name)
        except RuntimeError as error:  # timm's way to say that it has no weights of this tag
            tags = timm.list_pretrained(f"{base}.*")
            raise PartError(f"{error}{closest(name, tags)}; it has {', '.join(tags) or 'no weights'}") from error
        options = dict(model_args or {})
        self.fixed_size = bool(made_for and made_for.fixed_input_size)
        if image_size is not None and self.fixed_size:
            options["img_size"] = image_size
        self.model = _create(name, pretrained, options)
        if type(self.model).__name__ in SEVERAL_OUTPUTS:
            raise _several_outputs(base)
        if not hasattr(self.model, "forward_intermediates"):
            raise PartError(f"timm's {base!r} does not give intermediate features; choose another model")
        if not final_norm:
            if not isinstance(getattr(self.model, "norm", None), nn.Module):
                raise PartError(f"timm's {base!r} has no final norm to leave out; set final_norm=True")
            self.model.norm = nn.Identity()

        index, available = find_stages(self.model)
        unknown = [stage for stage in stages if stage not in available]
        if unknown:
            there = ", ".join(map(str, available)) or "none"
            raise PartError(f"{base!r} has no stage {unknown[0]}; it has the stages {there}")
        if stage_blocks is not None:
            index = {**index, **_blocks(self.model, base, stages, stage_blocks)}
        self.stages = tuple(stages)
        self._index = {stage: index[stage] for stage in self.stages}
        config = self.model.pretrained_cfg
        size = image_size or config["input_size"][-1]
        packaged = PACKAGED.get(name) if pretrained else None
        width = self.model.num_features
        info = self.model.feature_info
        self.spec = FeatureSpec(
            stages={s: StageInfo(info[index[s]]["num_chs"], int(info[index[s]]["reduction"])) for s in self.stages},
            token_channels=width,
            global_channels=width,
            image_size=size,
            fixed_size=self.fixed_size,
            mean=packaged.mean if packaged else tuple(config["mean"]),
            std=packaged.std if packaged else tuple(config["std"]),
            available_stages=available,
            token_stage=available[-1] if _ends_in_a_map(self.model) else None,
        )
        if model_args or size != config["input_size"][-1]:
            self._try_image(f"{name} image_size={image_size} model_args={model_args}")

    def _try_image(self, variant: str) -> None:
        """Run the forward pass on an image of the declared size without computing it, once in a process for each variant."""
        from torch._subclasses.fake_tensor import FakeTensorMode

        weight = next(self.model.parameters())
        if weight.is_meta or variant in _TRIED:
            return
        training = self.training
        self.eval()
        size = self.spec.image_size
        try:
            with torch.no_grad(), FakeTensorMode(allow_non_fake_inputs=True):
                TimmFeatures.forward(self, weight.new_empty(1, 3, size, size))
        except (AssertionError, RuntimeError, ValueError, TypeError) as error:
            raise PartError(
                f"timm's {variant} cannot take an RGB image of {size} x {size} pixels ({type(error).__name__}: {error})"
            ) from error
        finally:
            self.train(training)
        _TRIED.add(variant)

    def forward(self, image_BCHW: Tensor) -> Features:
        wanted = sorted(set(self._index.values())) or [len(self.model.feature_info) - 1]  # timm gives at least one
        last, maps = self.model.forward_intermediates(
            image_BCHW, indices=wanted, norm=False, output_fmt="NCHW", intermediates_only=False
        )
        if not isinstance(last, Tensor):
            raise _several_outputs(type(self.model).__name__)
        by_index = dict(zip(wanted, maps, strict=True))
        stage_maps = {stage: by_index[self._index[stage]] for stage in self.stages}
        if last.ndim == 3:  # BLC with the class token, if any, in front
            prefix = getattr(self.model, "num_prefix_tokens", 0)
            tokens_BLC = last[:, prefix:]
            has_class_token = getattr(self.model, "cls_token", None) is not None
            return Features(stage_maps, tokens_BLC, last[:, 0] if has_class_token else tokens_BLC.mean(1))
        if getattr(self.model, "output_fmt", "NCHW") == "NHWC":
            tokens_BLC = last.flatten(1, 2)
        else:
            tokens_BLC = last.flatten(2).transpose(1, 2)
        return Features(stage_maps, tokens_BLC, tokens_BLC.mean(1))


def _several_outputs(name: str) -> PartError:
    return PartError(
        f"timm's {name!r} ends in several outputs side by side, which are no features of one stage; choose another model"
    )


def _ends_in_a_map(model: nn.Module) -> bool:
    """Whether the final output is the deepest stage map itself.

    Said only of the families that are known to add nothing; NFNet, LeViT and others end in one layer more.
    """
    from timm.models import ConvNeXt, ResNet

    if isinstance(model, ConvNeXt):
        return isinstance(model.norm_pre, nn.Identity)
    return isinstance(model, ResNet)


def _create(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    import timm

    if pretrained and name in PACKAGED:
        model = _create(name, False, options)
        if torch.get_default_device().type != "meta":
            load_packaged(model, name)
        return model
    try:
        if pretrained:
            _reach_hub(name)
        return timm.create_model(name, pretrained=pretrained, **{"num_classes": 0, **options})
    except LimitReached:
        raise
    except Exception as error:
        on_meta = torch.get_default_device().type == "meta"  # where timm may fail for want of values
        if options and not on_meta and (isinstance(error, TypeError) or not pretrained):
            raise PartError(
                f"timm's {name!r} does not take model_args={options} ({type(error).__name__}: {error})"
            ) from error
        if not pretrained:
            raise
        # The hub client's errors are of many kinds; all mean that no weights came.
        raise CheckpointError(
            f"the weights of {name!r} cannot be fetched from the model hub ({type(error).__name__}: {error}). "
            "Without a connection, give a file instead: build_model(..., weights=FILE) or --weights FILE"
        ) from error


def _reach_hub(name: str) -> None:
    """Raise OSError at once where the hub must be asked and does not answer; its own client retries for a minute."""
    import timm

    known = timm.get_pretrained_cfg(name)
    repository = known.hf_hub_id if known else None
    files = ("model.safetensors", "pytorch_model.bin")
    if not repository or any(huggingface_hub.try_to_load_from_cache(repository, file) for file in files):
        return
    if urllib.request.getproxies() or huggingface_hub.constants.HF_HUB_OFFLINE:
        return  # a proxy looks names up itself; offline, the client does not ask
    endpoint = urllib.parse.urlsplit(huggingface_hub.constants.ENDPOINT)
    port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
    socket.create_connection((endpoint.hostname, port), timeout=10).close()


def find_stages(model: Any) -> tuple[dict[int, int], tuple[int, ...]]:
    """Stage number -> index into timm's feature_info, and the stages there are."""
    strides = [int(info["reduction"]) for info in model.feature_info]
    if one_feature_a_block(model):
        depth = len(strides)
        index = {stage: max(round(depth * stage / 4), 1) - 1 for stage in STAGE_STRIDES}
    else:
        index = {stage: strides.index(stride) for stage, stride in STAGE_STRIDES.items() if stride in strides}
    return index, tuple(index)


def one_feature_a_block(model: Any) -> bool:
    """Whether this is a plain transformer, whose features all have one stride."""
    strides = {int(info["reduction"]) for info in model.feature_info}
    return len(strides) == 1 and len(model.feature_info) > 1


def _blocks(model: Any, base: str, stages: Sequence[int], blocks: Sequence[int]) -> dict[int, int]:
    """Stage number -> block, where a config says which."""
    if not one_feature_a_block(model):
        raise PartError(f"{base!r} is no plain transformer, its stages are what they are; leave stage_blocks out")
    if len(blocks) != len(stages):
        raise PartError(f"stage_blocks={tuple(blocks)} says a block for each of stages={tuple(stages)}, in their order")
    depth = len(model.feature_info)
    if wrong := [block for block in blocks if not 0 <= block < depth]:
        raise PartError(f"{base!r} has no block {wrong[0]}; it has the blocks 0 to {depth - 1}")
    return dict(zip(stages, blocks, strict=True))
