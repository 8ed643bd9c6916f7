"""The one composition class: every model of the zoo is this, with other parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import (
    Attends,
    AttendsByHead,
    Features,
    FeatureSpec,
    HasAdjacencies,
    HasNoGraph,
    HeadOutput,
    QualityOutput,
    has_flag,
    spec_of,
)
from iqa_zoo.errors import InputError
from iqa_zoo.layers.graphs import is_recorded


class GivenFeatures(nn.Module):
    """In the place of a backbone whose features are computed before (cached, or counted apart)."""

    def __init__(self, *, spec: FeatureSpec):
        super().__init__()
        self.spec = spec

    def forward(self, features: Features) -> Features:
        return features


@dataclass
class Inside:
    """What ``QualityModel.details`` adds to the output, by config path of the block."""

    attention: dict[str, Tensor] = field(default_factory=dict)
    attention_by_head: dict[str, Tensor] = field(default_factory=dict)
    adjacency: dict[str, Tensor] = field(default_factory=dict)

    def record(self, path: str, block: Any, queries_BND: Tensor, memory_BLD: Any) -> None:
        """Record what a block will do with these queries."""
        device = queries_BND.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):  # a plugin's attention may have dropout
            if isinstance(block, AttendsByHead):
                self.attention_by_head[path] = block.attention_by_head(queries_BND, memory_BLD)
                self.attention[path] = self.attention_by_head[path].mean(1)
            elif isinstance(block, Attends):
                self.attention[path] = block.attention(queries_BND, memory_BLD)
        if isinstance(block, HasAdjacencies):
            self.adjacency[path] = torch.stack([adjacency_NN.detach() for adjacency_NN in block.adjacencies()])


class QualityModel(nn.Module):
    """A blind image quality model: backbone, queries, memory, interactions and head in a row.

    Its input is a batch of RGB images, normalised with ``model.backbone.spec.mean`` and ``.std``; its output one
    score an image, on the scale and in the direction of the labels it was trained on. Make one with
    :func:`iqa_zoo.build_model`.

    Attributes:
        backbone, queries, memory, interactions, head: the parts.
        config: the resolved config it was built from.
        loss_weights: how much each loss counts in the total, by its type.
    """

    memory: nn.Module | None

    def __init__(
        self,
        *,
        backbone: nn.Module,
        queries: nn.Module,
        memory: nn.Module | None,
        interactions: Iterable[nn.Module],
        head: nn.Module,
        losses: dict[str, tuple[float, nn.Module]],
        config: dict[str, Any],
    ):
        super().__init__()
        self.backbone = backbone
        self.queries = queries
        self.memory = memory
        self.interactions = nn.ModuleList(interactions)
        self.head = head
        self.losses = nn.ModuleDict({name: loss for name, (_, loss) in losses.items()})
        self.loss_weights = {name: weight for name, (weight, _) in losses.items()}
        self.config = config

    @property
    def spec(self) -> FeatureSpec:
        """What the backbone declares: the image size it takes, how images are normalised, its stages."""
        return spec_of(self.backbone)

    @property
    def mirrored_losses(self) -> list[str]:
        """The losses that read the mirrored images, by type; with any, a training step runs the model twice."""
        return [name for name, loss in self.losses.items() if has_flag(loss, "needs_mirrored")]

    def forward(self, image_BCHW: Tensor | Features) -> Tensor:
        """Return score_B. A decoder built alone takes ``Features`` in the place of images, here and below."""
        return self.output(image_BCHW).score_B

    def output(
        self, image_BCHW: Tensor | Features, *, attention: bool = False, keep_features: bool = False
    ) -> QualityOutput:
        """Return everything the forward pass produces on its way to the score.

        Args:
            image_BCHW: a batch.
            attention: with what ``details`` adds.
            keep_features: with the backbone's features, which hold on to their memory.
        """
        self._check(image_BCHW)
        features = self.backbone(image_BCHW)
        queries_BND = self.queries(features)
        memory_BLD = None if self.memory is None else self.memory(features)
        inside = Inside() if attention else None
        routings = []
        for i, block in enumerate(self.interactions):
            if inside is not None:
                inside.record(f"interactions.{i}", block, queries_BND, memory_BLD)
            given = block(queries_BND, memory_BLD)
            if isinstance(given, Tensor):
                queries_BND = given
            else:
                queries_BND, routing = given
                routings.append(routing)
        head = self._in_single_precision(queries_BND, features)
        added: dict[str, Any] = vars(inside) if inside is not None else {}
        if keep_features:
            added = {**added, "features": features}
        return QualityOutput(head.score_B, head.score_BN, queries_BND, [*routings, *head.routing], **added)

    def _in_single_precision(self, queries_BND: Tensor, features: Features) -> HeadOutput:
        """The head's output; under autocast too in single precision, as bfloat16 has 8 bits and would make scores tie."""
        needs_features = has_flag(self.head, "needs_features")
        kind = queries_BND.device.type
        if not torch.is_autocast_enabled(kind):
            return self.head(queries_BND, features) if needs_features else self.head(queries_BND)
        with torch.autocast(kind, enabled=False):
            if needs_features:
                return self.head(queries_BND.float(), _single_precision(features))
            return self.head(queries_BND.float())

    def loss(self, image_BCHW: Tensor | Features, mos_B: Tensor) -> dict[str, Tensor]:
        """Return each configured loss by its type, unweighted, and their weighted sum as ``"total"``.

        Losses that read the mirrored images (:attr:`mirrored_losses`) cost a second forward pass, and only they do.

        Raises:
            InputError: labels of another shape than the scores; or features in the place of images, and a loss that reads the
                mirrored images.
        """
        mirrored_losses = self.mirrored_losses
        if mirrored_losses and isinstance(image_BCHW, Features):
            raise InputError(
                f"losses {', '.join(map(repr, mirrored_losses))}: no mirrored image can be made of features; train from images "
                "(iqa-zoo train, iqa-zoo compare --protocol end-to-end), or leave these losses out "
                "(iqa_zoo.training.frozen.decoder.drop_mirrored_losses(cfg))"
            )
        keep_features = any(has_flag(loss, "needs_features") for loss in self.losses.values())
        output = self.output(image_BCHW, keep_features=keep_features)
        if mos_B.shape != output.score_B.shape:
            raise InputError(
                f"expected one label an image, shape {tuple(output.score_B.shape)}, got {tuple(mos_B.shape)}; "
                "a label of another shape would be compared with every score of the batch"
            )
        label_B = mos_B if mos_B.is_floating_point() else mos_B.float()
        mirrored = None
        if mirrored_losses:
            assert isinstance(image_BCHW, Tensor)
            mirrored = self.output(image_BCHW.flip(3), keep_features=keep_features)
        losses = {
            name: loss(output, label_B, mirrored) if name in mirrored_losses else loss(output, label_B)
            for name, loss in self.losses.items()
        }
        weighted = (self.loss_weights[name] * loss for name, loss in losses.items())
        losses["total"] = sum(weighted, output.score_B.new_zeros(()))
        return losses

    def details(self, image_BCHW: Tensor | Features) -> QualityOutput:
        """Return the output with what every block attends to and along which graph, by its config path.

        The scores are those of ``model(image)`` to the last bit, in training too: what is added is computed from what
        enters each block, beside the forward pass and from no random number of its. A part that offers no attention or
        adjacency (see :class:`iqa_zoo.contracts.Interaction`) is left out.
        """
        return self.output(image_BCHW, attention=True)

    def _check(self, image_BCHW: Tensor | Features) -> None:
        if is_recorded() and not torch.compiler.is_dynamo_compiling():  # which recompiles where a constant changes
            for name, part in self.named_modules():
                if isinstance(part, HasNoGraph) and part.no_graph:
                    raise InputError(f"{name} cannot be traced or exported: {part.no_graph}")
        if isinstance(image_BCHW, Features):  # a decoder on features that were computed before
            return
        spec = self.spec
        if image_BCHW.ndim != 4 or image_BCHW.shape[1] != 3:
            raise InputError(
                "expected a batch of RGB images, (B, 3, height, width), "
                f"got a tensor of shape {tuple(image_BCHW.shape)}; "
                "add the batch dimension with image[None], and repeat a grey image over 3 channels"
            )
        if not image_BCHW.is_floating_point():
            raise InputError(
                f"the image is {image_BCHW.dtype}; divide by 255, then normalise with model.backbone.spec.mean and .std"
            )
        height, width = image_BCHW.shape[-2:]
        size = spec.image_size
        if min(height, width) < size:
            raise InputError(
                f"the image is {height}x{width} and this model's input is {size}x{size}: resize it so that its short "
                f"side is at least {size} (factor {size / min(height, width):.3g}) and take {size}x{size} crops, "
                "or build the model with a smaller backbone.image_size"
            )
        if spec.fixed_size and (height, width) != (size, size):
            raise InputError(
                f"the image is {height}x{width} and this model takes exactly {size}x{size}: take crops of that size "
                "and average their scores, or build the model with another backbone.image_size"
            )


def _single_precision(features: Features) -> Features:
    tensors = [features.tokens_BLC, features.global_BC, *features.maps.values()]
    if all(tensor.dtype == torch.float32 for tensor in tensors):
        return features
    maps = {stage: map_BCHW.float() for stage, map_BCHW in features.maps.items()}
    return Features(maps, features.tokens_BLC.float(), features.global_BC.float())
