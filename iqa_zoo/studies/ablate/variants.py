"""What to change in a model to ask which of its parts helps: one change at a time, from the config alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from iqa_zoo.config import Config, load_config, resolve_config

Change = Callable[[Config], tuple[Config, str] | None]
ROUTING_LOSSES = {"load_balance": 0.01, "router_z": 0.001}  # and the paper's weights


@dataclass(frozen=True)
class Variant:
    """A model with one change: its name, a description of the change, the whole config."""

    name: str
    change: str
    config: Config


def variants(cfg: str | Mapping[str, Any]) -> list[Variant]:
    """Return the replacements and removals that a model's parts allow, those of the Life-IQA paper first.

    Losses that read routing go with the last mixture of experts and come with the first. Sizes stay as they are: match them afterwards.

    >>> [variant.name for variant in variants("deiqt")][:3]
    ['guided queries', 'plain queries', 'attention -> GCN']
    """
    base = resolve_config(load_config(cfg))
    found = []
    for name, change in CHANGES.items():
        changed = change(load_config(base))
        if changed is not None:
            config, description = changed
            found.append(Variant(name, description, _with_routing_losses(config)))
    return found


def _with_routing_losses(cfg: Config) -> Config:
    """Where there are experts they are kept busy, with the weights of the paper unless it has others; else nothing is."""
    mixtures = [part["type"] for part in (*cfg["interactions"], cfg["head"]) if part["type"].startswith("moe")]
    plain = [loss for loss in cfg["losses"] if loss["type"] not in ROUTING_LOSSES]
    if not mixtures:
        return {**cfg, "losses": plain}
    routing = [loss for loss in cfg["losses"] if loss["type"] in ROUTING_LOSSES]
    added = [dict(type=name, weight=weight) for name, weight in ROUTING_LOSSES.items()]
    return {**cfg, "losses": plain + (routing or added)}


def _has(cfg: Config, kind: str) -> bool:
    return any(block["type"] == kind for block in cfg["interactions"])


def _heads(cfg: Config) -> int:
    """The attention heads of a config's blocks, the most common number in the field where it has none."""
    return next((block["num_heads"] for block in cfg["interactions"] if "num_heads" in block), 6)


def _blocks(kind: str, *new: Config) -> Change:
    """Replace every block of a kind by others, or by none."""

    def change(cfg: Config) -> tuple[Config, str] | None:
        if not _has(cfg, kind) or (not new and all(block["type"] == kind for block in cfg["interactions"])):
            return None
        made: list[Config] = [
            {key: _heads(cfg) if value == "heads" else value for key, value in block.items()} for block in new
        ]
        blocks = [part for block in cfg["interactions"] for part in (made if block["type"] == kind else [block])]
        description = f"interactions: {kind} -> {' + '.join(block['type'] for block in made) or 'none'}"
        return {**cfg, "interactions": blocks}, description

    return change


def _head(new: str, old: tuple[str, ...]) -> Change:
    """Replace the head, keeping the keys that both have."""

    def change(cfg: Config) -> tuple[Config, str] | None:
        head = cfg["head"]
        if head["type"] not in old:
            return None
        kept = {key: head[key] for key in ("hidden", "residual", "activation", "gamma", "dropout") if key in head}
        made = {"type": new, **(kept if new != "linear" else {})}
        return {**cfg, "head": made}, f"head: {head['type']} -> {new}"

    return change


def _key(slot: str, kind: str, key: str, old: Any, new: Any) -> Change:
    """Give one key of a part (of every such block) another value."""

    def change(cfg: Config) -> tuple[Config, str] | None:
        parts = cfg[slot] if slot == "interactions" else [cfg[slot]]
        if not any(part and part["type"] == kind and part.get(key) == old for part in parts):
            return None
        changed = [
            {**part, key: new} if part and part["type"] == kind and part.get(key) == old else part for part in parts
        ]
        path = f"{slot}.*.{key}" if slot == "interactions" else f"{slot}.{key}"
        return {**cfg, slot: changed if slot == "interactions" else changed[0]}, f"{path}: {old} -> {new}"

    return change


def _queries(new: str, old: tuple[str, ...]) -> Change:
    def change(cfg: Config) -> tuple[Config, str] | None:
        queries = cfg["queries"]
        if queries["type"] not in old:
            return None
        return {
            **cfg,
            "queries": {"type": new, "num_queries": queries["num_queries"]},
        }, f"queries: {queries['type']} -> {new}"

    return change


def _vanilla(cfg: Config) -> tuple[Config, str] | None:
    """Self-attention, cross-attention and feed-forward in every layer, a linear head."""
    depth = sum(block["type"] == "cross_attention" for block in cfg["interactions"])
    usual = ["self_attention", "cross_attention", "feed_forward"]
    if not depth or (
        [block["type"] for block in cfg["interactions"]] == usual * depth and cfg["head"]["type"] == "linear"
    ):
        return None
    heads = _heads(cfg)
    layer = [
        dict(type="self_attention", num_heads=heads),
        dict(type="cross_attention", num_heads=heads),
        dict(type="feed_forward"),
    ]
    return {
        **cfg,
        "interactions": load_config({"i": layer * depth})["i"],
        "head": dict(type="linear"),
    }, "interactions and head: a transformer's"


def _experts_in_every_layer(cfg: Config) -> tuple[Config, str] | None:
    """The head's mixture of experts after every cross-attention, and a linear head."""
    head = cfg["head"]
    if head["type"] != "moe" or not _has(cfg, "cross_attention"):
        return None
    block = {
        "type": "moe_feed_forward",
        **{key: head[key] for key in ("num_experts", "top_k", "hidden", "activation", "dropout")},
    }
    blocks = [
        part
        for old in cfg["interactions"]
        for part in ([old, dict(block)] if old["type"] == "cross_attention" else [old])
    ]
    return {**cfg, "interactions": blocks, "head": dict(type="linear")}, "head: moe -> moe_feed_forward in every layer"


CHANGES: dict[str, Change] = {
    "GCN -> attention": _blocks("query_gcn", dict(type="self_attention", num_heads="heads")),
    "MoE -> FFN": _head("ffn", ("moe",)),
    "vanilla decoder": _vanilla,
    "memory from stage 4": _key("memory", "grid_pool", "stage", 3, 4),
    "without MoE": _head("linear", ("moe", "ffn")),
    "without GCN": _blocks("query_gcn"),
    "released adjacency": _key("interactions", "query_gcn", "adjacency", "learned", "released"),
    "learned adjacency": _key("interactions", "query_gcn", "adjacency", "released", "learned"),
    "MoE in every layer": _experts_in_every_layer,
    "guided queries": _queries("guided", ("class_token", "learned")),
    "plain queries": _queries("learned", ("guided", "class_token")),
    "attention -> GCN": _blocks("self_attention", dict(type="query_gcn")),
    "without self-attention": _blocks("self_attention"),
    "without cross-attention": _blocks("cross_attention"),
    "feed-forward -> MoE": _blocks("feed_forward", dict(type="moe_feed_forward")),
    "without feed-forward": _blocks("feed_forward"),
    "MoE head": _head("moe", ("linear", "ffn")),
}


def sweep(cfg: str | Mapping[str, Any], knob: str) -> dict[int, Config]:
    """Return a model with one size at each of the values of ``SWEEPS``, where it has that size and the value fits.

    >>> list(sweep("lifeiqa", "top-k"))
    [1, 2, 3, 4]
    """
    base = resolve_config(load_config(cfg))
    made = {value: SWEEPS[knob][1](load_config(base), value) for value in SWEEPS[knob][0]}
    return {value: config for value, config in made.items() if config is not None}


def _swept(slot: str, key: str) -> Callable[[Config, int], Config | None]:
    def turn(cfg: Config, value: int) -> Config | None:
        if key not in cfg[slot]:
            return None
        cfg[slot][key] = value
        if slot == "head" and "num_experts" in cfg[slot]:
            experts = cfg[slot]["num_experts"]
            if key == "top_k" and value > experts:
                return None
            cfg[slot]["top_k"] = min(cfg[slot]["top_k"], experts)
        return cfg

    return turn


def _depth(cfg: Config, value: int) -> Config | None:
    blocks = cfg["interactions"]
    depth = sum(block["type"] == "cross_attention" for block in blocks)
    if not depth or len(blocks) % depth:
        return None
    layer = blocks[: len(blocks) // depth]
    return {**cfg, "interactions": load_config({"i": layer * value})["i"]} if blocks == layer * depth else None


def _dim(cfg: Config, value: int) -> Config | None:
    heads = [block["num_heads"] for block in cfg["interactions"] if "num_heads" in block]
    return {**cfg, "dim": value} if all(value % number == 0 for number in heads) else None


SWEEPS: dict[str, tuple[tuple[int, ...], Callable[[Config, int], Config | None]]] = {
    "queries": ((1, 2, 4, 6, 12, 24), _swept("queries", "num_queries")),
    "experts": ((1, 2, 4, 8, 16), _swept("head", "num_experts")),
    "top-k": ((1, 2, 3, 4), _swept("head", "top_k")),
    "depth": ((1, 2, 4, 6, 8), _depth),
    "dim": ((96, 192, 384, 768), _dim),
}
