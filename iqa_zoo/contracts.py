"""What the parts of a model hand to each other: one dataclass or Protocol per slot.

Shape legend, used as a suffix of every tensor name:

    B batch    C channels    H, W height and width    N queries    L memory tokens    D model width
    E experts  T tokens met by a router (B * N)       K experts chosen per token

A constructor takes keyword-only arguments. :mod:`iqa_zoo.build` fills in those that ``HANDED_DOWN`` names for the slot, and a
config never repeats them; every other argument is a config key. The forward pass calls a part as a module, ``part(...)``: hooks
and budgets see it only there. A graph of a model must be right on other images: :func:`iqa_zoo.layers.graphs.is_recorded` says
when a part may not use operators that depend on values.

The end of this file lists what a part may offer beyond its contract: flags, read with :func:`has_flag`, and Protocols, tested
with ``isinstance``. A part opts in with an attribute or a method of that name; it inherits from nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

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
class StageInfo:
    """One stage map of a backbone: its channels, and how many input pixels one cell covers."""

    channels: int
    stride: int


@dataclass(frozen=True)
class FeatureSpec:
    """What a backbone gives, known before any image is seen.

    Args:
        stages: the stage maps of the config, by stage number (1 is the shallowest).
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

    ``maps[s]`` is the output of stage ``s`` as BCHW; ``tokens_BLC`` the final tokens without class or register tokens (or the
    flattened last stage); ``global_BC`` one vector an image (the class token, or the mean of the last stage).
    """

    maps: dict[int, Tensor]
    tokens_BLC: Tensor
    global_BC: Tensor


@dataclass
class Routing:
    """One mixture of experts: ``logits_TE``, ``choice_TK`` the chosen experts, ``weights_TE`` their softmax, 0 for the others."""

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
    """The result of one forward pass. Scores have the scale and direction of the labels of the training. ``queries_BND`` enters
    the head. ``routing`` has one entry a mixture of experts, the head's last. ``features`` is kept only where a loss needs it.

    ``QualityModel.details`` fills the rest, by config path of the block: the weights of each query over the memory before
    dropout, ``attention`` as BNL (mean over heads) and ``attention_by_head`` as BHNL, and ``adjacency`` as GNN with G layers.
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
    """Memory tokens, row by row on ``rows`` x ``columns`` equal cells of the image; ``source`` names them in a figure."""

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
    """Features -> memory_BLD, the keys and values of cross-attention."""

    def __call__(self, features: Features) -> Tensor: ...


@runtime_checkable
class Interaction(Protocol):
    """(queries_BND, memory_BLD) -> queries_BND; with ``routes``, (queries_BND, Routing)."""

    def __call__(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor | tuple[Tensor, Routing]: ...


@runtime_checkable
class Head(Protocol):
    """queries_BND -> HeadOutput; with ``needs_features``, (queries_BND, Features) -> HeadOutput."""

    def __call__(self, queries_BND: Tensor) -> HeadOutput: ...


@runtime_checkable
class Loss(Protocol):
    """(what the forward pass produced, mos_B) -> a scalar to minimise; with ``needs_mirrored``, a third argument."""

    def __call__(self, output: QualityOutput, mos_B: Tensor) -> Tensor: ...


CONTRACTS = dict(zip(HANDED_DOWN, (Backbone, Queries, Memory, Interaction, Head, Loss), strict=True))

# What a part may offer beyond the contract of its slot.
Flag = Literal["routes", "needs_memory", "needs_features", "needs_mirrored", "needs_routing"]
FLAGS: dict[Flag, str] = {
    "routes": "an interaction or a head: it has a mixture of experts and returns its Routing",
    "needs_memory": "an interaction: it reads the memory, and a model without one is refused",
    "needs_features": "a head is called with (queries_BND, Features); a loss finds the Features in output.features",
    "needs_mirrored": "a loss is called with (output, mos_B, mirrored), the output for the images flipped left to right; "
    "a training step then runs the model twice, and training on cached features is refused",
    "needs_routing": "a loss: it reads the routing, and a model without a mixture of experts is refused",
}


def has_flag(part: object, flag: Flag) -> bool:
    """Whether a part or its class sets a flag: an attribute that is True."""
    return bool(getattr(part, flag, False))


@runtime_checkable
class HasExamples(Protocol):
    """Any part: the arguments that the contract suites and check-plugin build it with, ``({}, {"hidden": 8})``; needed where
    a key is required. A model's function: overrides by config path that make the model small."""

    examples: tuple[dict[str, Any], ...]


@runtime_checkable
class HasKnobs(Protocol):
    """Any part: the keys that ``match_budget`` may change, the one with the smallest effect first."""

    knobs: tuple[str, ...]


@runtime_checkable
class HasConstants(Protocol):
    """Any part: computes and keeps what depends on no image (embeddings of prompts). Budgets call it before they count."""

    def compute_constants(self) -> object: ...


@runtime_checkable
class HasNoGraph(Protocol):
    """Any part that cannot be traced or exported: the reason, a sentence."""

    no_graph: str


@runtime_checkable
class HasInactive(Protocol):
    """A module with a mixture of experts: the number of parameters that one token does not use."""

    inactive_params: int


@runtime_checkable
class SetsNestedKeys(Protocol):
    """A part that holds parts: the keys of nested part ``number`` that it sets, from its own ``config``, if that part has them."""

    @classmethod
    def nested_keys(cls, number: int, config: Mapping[str, Any]) -> dict[str, Any]: ...


@runtime_checkable
class HasScales(Protocol):
    """A memory of several scales, equally many tokens each, or an interaction that reads one of them: how many scales."""

    num_scales: int


@runtime_checkable
class HasTokenGrid(Protocol):
    """A memory: the grid of ``length`` tokens of an image of ``height`` x ``width`` pixels, None if they have none."""

    def token_grid(self, length: int, height: int, width: int) -> TokenGrid | None: ...


@runtime_checkable
class HasOutDim(Protocol):
    """Queries or an interaction of a width of their own: None on the class, the width on the instance."""

    out_dim: int | None


def find_width(part: object, dim: Any) -> Any:
    """The width of the queries after a part: its own, or the width ``dim`` before it."""
    return part.out_dim if isinstance(part, HasOutDim) else dim


@runtime_checkable
class Attends(Protocol):
    """An interaction: its attention to the memory as weights_BNL, for ``QualityModel.details``."""

    def attention(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor: ...


@runtime_checkable
class AttendsByHead(Protocol):
    """An interaction: its attention to the memory as weights_BHNL; ``details`` takes the mean over the heads H."""

    def attention_by_head(self, queries_BND: Tensor, memory_BLD: Tensor) -> Tensor: ...


@runtime_checkable
class HasAdjacencies(Protocol):
    """An interaction that convolves over a graph of the queries: the adjacency_NN of each layer, Parameters if learned."""

    def adjacencies(self) -> list[Tensor]: ...


@runtime_checkable
class Fits(Protocol):
    """A head that is fitted in closed form: replaces its weights. Training on frozen features calls it with all crops wherever
    it measures a decoder; end-to-end training refuses such a head."""

    def fit(self, queries_BND: Tensor, score_B: Tensor) -> None: ...
