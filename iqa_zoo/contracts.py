"""What the parts of a model hand to each other: one dataclass or Protocol per slot.

Shape legend, used as a suffix of every tensor name:

    B batch    C channels    H, W height and width    N queries    L memory tokens    D model width
    E experts  T tokens met by a router (B * N)       K experts chosen per token

How a part is wired: its constructor takes keyword-only arguments. Those named in ``HANDED_DOWN`` for
its slot are filled in by :mod:`iqa_zoo.build` when the constructor asks for them; a config never
repeats them. Every other argument is a config key of the part.

A model calls its parts as modules, ``part(...)``, and no other method of theirs in its forward pass: hooks, and budgets,
see a part only there. A graph of a model (``torch.jit.trace``, ``torch.export``) must be right on other images: where the
operators of a part depend on values, :func:`iqa_zoo.layers.graphs.is_recorded` says when to use others. A part that cannot do
so says why in an attribute ``no_graph``, a sentence; tracing or exporting a model with it is then an error that names it.

A part of any slot that computes something which depends on no image, and keeps it (the embeddings of prompts), offers
``compute_constants()``. Budgets call it before they count, so that the MACs of an image do not hold it, whatever was
kept before.

What to test a part with: its attribute ``examples``, a tuple of its config keys and values, one dict a variant, for example
``examples = ({}, {"hidden": 8})``. The suites of :mod:`iqa_zoo.testing` and ``iqa-zoo check-plugin`` build it with each;
without the attribute, with its defaults. A part with a required key needs it. On a model's function it is a tuple of overrides
that make the model small, by config path: ``mine.examples = ({"dim": 32, "backbone.name": "test_resnet"},)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

# Slot -> the constructor arguments that the builder fills in, never the config.
HANDED_DOWN: dict[str, tuple[str, ...]] = {
    "backbone": ("pretrained",),
    "queries": ("dim", "features"),
    "memory": ("dim", "features"),
    "interactions": ("dim", "num_queries"),
    "head": ("dim", "num_queries", "features"),
    "losses": ("features",),
}


@dataclass(frozen=True)
class PartOf:
    """In an annotation, the slot whose parts a config key holds: such a key is checked, completed and overridden like a slot."""

    slot: str


@dataclass(frozen=True)
class Range:
    """In an annotation, the least and the greatest number that a config key takes: ``Annotated[int, Range(1, 64)]``.

    A config whose value lies outside is refused before anything is built; with :func:`iqa_zoo.values.checked` the constructor
    refuses it too. Elements of a list have the range of their own annotation, ``Sequence[Size]``.

    >>> 0.5 in Range(0, 1), 2 in Range(0, 1), float("nan") in Range(0, 1)
    (True, False, False)
    """

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        low, high = (str(bound) if isinstance(bound, int) else f"{bound:g}" for bound in (self.low, self.high))
        return f"from {low} to {high}"


# The ranges that most keys have. The upper bounds are far above what models use and below what no machine can run.
Size = Annotated[int, Range(1, 65_536)]  # channels, the width of a layer
Width = Annotated[int, Range(1, 2**24)]  # the model width D, which may be a product of channels
Count = Annotated[int, Range(1, 4_096)]  # queries, heads, experts
Depth = Annotated[int, Range(1, 256)]  # layers
Grid = Annotated[int, Range(1, 64)]  # cells per side
Pixels = Annotated[int, Range(1, 16_384)]  # height or width of an image
Share = Annotated[float, Range(0, 1)]  # a probability, as of dropout
Scale = Annotated[float, Range(-1_000_000, 1_000_000)]  # a factor that may be 0
Positive = Annotated[float, Range(1e-9, 1e9)]  # a number that is divided by

# What a part that is made of several backbones takes, one config each: ``branches: Sequence[BackboneConfig]``.
BackboneConfig = Annotated[Mapping[str, Any], PartOf("backbone")]


@dataclass(frozen=True)
class StageInfo:
    """One stage map of a backbone: its channels, and how many input pixels one cell covers."""

    channels: int
    stride: int


@dataclass(frozen=True)
class FeatureSpec:
    """What a backbone gives, known before any image is seen.

    Args:
        stages: the stage maps the config asked for, by stage number (1 is the shallowest).
        token_channels: width of ``Features.tokens_BLC``.
        global_channels: width of ``Features.global_BC``.
        image_size: height and width the backbone was made for, in pixels.
        fixed_size: whether it takes exactly that size (ViT, Swin) or any size from it upwards (CNNs).
        mean, std: how an RGB image in 0..1 is normalised before it enters, per channel.
        available_stages: every stage the backbone could give.
        token_stage: the stage whose cells the tokens are, unchanged; None where they are something of their own.
        view: what features and scores of a photograph are computed from: "crops" of ``image_size``, or the "whole" of it,
            whose stage maps have the cells of an image of ``image_size`` whatever its own size.
    """

    stages: Mapping[int, StageInfo]
    token_channels: int
    global_channels: int
    image_size: int
    fixed_size: bool = False
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    available_stages: tuple[int, ...] = (1, 2, 3, 4)
    token_stage: int | None = None
    view: Literal["crops", "whole"] = "crops"


def spec_of(backbone: Any) -> FeatureSpec:
    """What a backbone declares, with its type, which torch hides from type checkers."""
    return backbone.spec


@dataclass
class Features:
    """What a backbone computed for a batch of images.

    ``maps[s]`` is the output of stage ``s`` as BCHW; ``tokens_BLC`` the final token sequence without
    class or register tokens (the flattened last stage where the backbone has no tokens of its own);
    ``global_BC`` one vector an image (the class token, or the mean of the last stage).
    """

    maps: dict[int, Tensor]
    tokens_BLC: Tensor
    global_BC: Tensor


@dataclass
class Routing:
    """What one mixture of experts decided: ``logits_TE`` before, ``weights_TE`` after the choice
    (softmax over the chosen experts, 0 elsewhere), ``choice_TK`` the chosen experts."""

    logits_TE: Tensor
    weights_TE: Tensor
    choice_TK: Tensor


@dataclass
class HeadOutput:
    """``score_B`` is the model's answer; ``score_BN`` the score of each query it was pooled from."""

    score_B: Tensor
    score_BN: Tensor
    routing: list[Routing] = field(default_factory=list)


@dataclass
class QualityOutput:
    """Everything one forward pass produced. Scores are on the scale and in the direction of the labels
    the model was trained on. ``queries_BND`` enters the head. ``routing`` has one entry a mixture of experts, in
    their order, the head's last. ``features`` is what the backbone gave, held only where a loss asks for it.

    What follows is filled by ``QualityModel.details`` only. ``attention`` holds, by config path of the block, the weights
    of each query over the memory, BNL, mean over heads; ``attention_by_head`` those of each head, BHNL with H heads, of
    blocks that tell them apart. Both are those before dropout. ``adjacency`` holds, by config path, the adjacency of
    each layer of a block that convolves over the queries, GNN with G layers.
    """

    score_B: Tensor
    score_BN: Tensor
    queries_BND: Tensor
    routing: list[Routing] = field(default_factory=list)
    attention: dict[str, Tensor] = field(default_factory=dict)
    attention_by_head: dict[str, Tensor] = field(default_factory=dict)
    adjacency: dict[str, Tensor] = field(default_factory=dict)
    features: Features | None = None


@dataclass(frozen=True)
class TokenGrid:
    """Where memory tokens lie: row by row on ``rows`` x ``columns`` cells that share out the image evenly. ``source``
    says what they are the cells of, in words for a figure."""

    rows: int
    columns: int
    source: str


@runtime_checkable
class Backbone(Protocol):
    """image_BCHW, normalised with ``spec.mean`` and ``spec.std`` -> Features."""

    spec: FeatureSpec

    def __call__(self, image_BCHW: Tensor) -> Features: ...


@runtime_checkable
class Queries(Protocol):
    """Features -> queries_BND; ``num_queries`` says N."""

    num_queries: int

    def __call__(self, features: Features) -> Tensor: ...


@runtime_checkable
class Memory(Protocol):
    """Features -> memory_BLD, the keys and values of cross-attention. A memory whose tokens lie on a grid over the image
    may also offer ``token_grid(length, height, width) -> TokenGrid | None``: the grid of its ``length`` tokens of an image
    of that size in pixels, None where they fit none. Attention over one without it has no picture. One that holds several scales, as many tokens of
    each, says how many with ``num_scales``; a block that reads one of them has a ``num_scales`` too, and the builder compares
    the two."""

    def __call__(self, features: Features) -> Tensor: ...


@runtime_checkable
class Interaction(Protocol):
    """(queries_BND, memory_BLD) -> queries_BND. For ``QualityModel.details`` a block that attends to the memory may also
    offer ``attention(queries_BND, memory_BLD) -> weights_BNL``, or ``attention_by_head`` -> weights_BHNL and have the mean
    taken; a graph convolution over the queries ``adjacencies() -> [adjacency_NN, ...]``, one a layer, Parameters where they
    are learned. One with a mixture of experts has ``routes = True`` and returns ``(queries_BND, Routing)``. One that
    changes the width of the queries says so with ``out_dim``, on the class (``out_dim = None``) and, with the width, on
    what it makes: what comes after it is handed that as ``dim``."""

    def __call__(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor | tuple[Tensor, Routing]: ...


@runtime_checkable
class Head(Protocol):
    """queries_BND -> HeadOutput. One with ``needs_features = True`` is called with (queries_BND, Features): for what reads the
    backbone beside the queries (a hyper-network, a pooled stage). One that is fitted in closed form offers
    ``fit(queries_BND, score_B)``, which replaces its weights: the frozen protocol calls it with all crops of the training
    part wherever a decoder is measured; training end to end refuses such a head."""

    def __call__(self, queries_BND: Tensor) -> HeadOutput: ...


@runtime_checkable
class Loss(Protocol):
    """(what the forward pass produced, mos_B) -> a scalar to minimise.

    One with ``needs_features = True`` finds the backbone's features in ``output.features``. One with ``needs_mirrored = True``
    is called with (output, mos_B, mirrored), where ``mirrored`` is the output for the same images flipped left to right: for
    what two views of an image should have in common. A model runs this second pass only where one of its losses asks for it,
    and cannot on features that were computed before. One with ``needs_routing = True`` needs a mixture of experts.
    """

    def __call__(self, output: QualityOutput, mos_B: Tensor) -> Tensor: ...


CONTRACTS = {
    "backbone": Backbone,
    "queries": Queries,
    "memory": Memory,
    "interactions": Interaction,
    "head": Head,
    "losses": Loss,
}
