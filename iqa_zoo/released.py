"""Checkpoints of the authors' own code, as models of the zoo.

One table of names and one reader of sizes per system; the model is built from the sizes and its state dict is
filled by name, so that an unknown or a missing key cannot pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from iqa_zoo import plugins
from iqa_zoo.build import build_model
from iqa_zoo.config import model_config
from iqa_zoo.errors import CheckpointError, UnknownName, not_one_of
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.weights import plain_state_dict, shorten, without_prefixes

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class ReleasedSystem:
    """How a system's own checkpoints become a model of the zoo.

    A plugin offers one through the entry-point group ``iqa_zoo.released``: a function without arguments that returns it.

    Args:
        config: the config, from the shape of every tensor by its released name; a KeyError says which is missing.
        name: a parameter of our model -> its released name.
        left_out: whether a released tensor is not needed (a constant that is computed, a classifier); by default none is.
        prepared: what is done to the released state dict first (split a fused matrix, say); by default nothing.
    """

    config: Callable[[Shapes], dict[str, Any]]
    name: Callable[[str], str]
    left_out: Callable[[str], bool] = lambda name: False
    prepared: Callable[[dict[str, Tensor]], dict[str, Tensor]] = lambda state: state


def with_batch_counts(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with a count of batches for every batch norm, which old checkpoints lack and evaluation does not read.

    >>> with_batch_counts({"bn.running_mean": torch.ones(2)})
    {'bn.num_batches_tracked': tensor(0), 'bn.running_mean': tensor([1., 1.])}
    """
    norms = (name.removesuffix("running_mean") for name in state if name.endswith("running_mean"))
    return {**{f"{norm}num_batches_tracked": torch.zeros((), dtype=torch.long) for norm in norms}, **state}


SWINS: dict[tuple[int, tuple[int, ...]], str] = {  # (width, blocks per stage) -> timm's name
    (96, (2, 2, 6, 2)): "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k",
    (96, (2, 2, 18, 2)): "swin_small_patch4_window7_224.ms_in22k_ft_in1k",
    (128, (2, 2, 18, 2)): "swin_base_patch4_window7_224.ms_in22k_ft_in1k",
    (192, (2, 2, 18, 2)): "swin_large_patch4_window7_224.ms_in22k_ft_in1k",
}
DEIT3S = {  # (width, blocks) -> timm's name
    (384, 12): "deit3_small_patch16_224",
    (512, 12): "deit3_medium_patch16_224",
    (768, 12): "deit3_base_patch16_224",
}


def import_released(system: str, state_dict: Mapping[str, Tensor]) -> QualityModel:
    """Return the model that a released checkpoint belongs to, with its weights, in eval mode.

    Sizes (experts, depth, widths, the backbone's) are read from the shapes. The number of attention heads does not
    show in a shape and is the released code's: 6 in the decoder, 64 channels a head in DeiT III.

    Args:
        system: ``"lifeiqa"``, ``"deiqt"``, or what an installed plugin adds.
        state_dict: the authors' own names and tensors, or a checkpoint that holds them
            (:func:`iqa_zoo.weights.plain_state_dict`); a prefix of all names is taken off.

    Raises:
        UnknownName: no importer of that name.
        CheckpointError: keys that are missing, unknown or of a wrong shape; all are listed.
    """
    released = _system(system)
    given = plain_state_dict(state_dict, f"the {system} checkpoint")
    lacking: KeyError | None = None
    for variant in without_prefixes(given):
        state = {
            name: value
            for name, value in variant.items()
            if not name.endswith(RECOMPUTED) and not released.left_out(name)
        }
        try:
            state = released.prepared(state)
            shapes = {name: tuple(value.shape) for name, value in state.items()}
            cfg = released.config(shapes)
            break
        except KeyError as error:
            lacking = lacking or error
    else:
        assert lacking is not None
        raise CheckpointError(
            f"not a checkpoint of {system}: {lacking.args[0]!r}, from which its sizes are read, is missing. "
            f"It holds {shorten(given, 6)}"
        ) from lacking
    model = build_model(cfg)
    own = {name: released.name(name) for name in model.state_dict()}
    problems = []
    if missing := set(own.values()) - set(state):
        problems.append(f"missing: {shorten(missing, 40)}")
    if unknown := set(state) - set(own.values()):
        problems.append(f"unknown: {shorten(unknown, 40)}")
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name, theirs in own.items():
        if theirs in state and _squeezed(shapes[theirs]) != _squeezed(expected[name]):
            problems.append(f"{theirs} is {shapes[theirs]}, expected {expected[name]}")
    if problems:
        raise CheckpointError(f"the checkpoint does not fit {system}:\n  - " + "\n  - ".join(problems))
    model.load_state_dict({name: state[theirs].view(expected[name]) for name, theirs in own.items()})
    return model.eval()


def _system(name: str) -> ReleasedSystem:
    added = {part.name: part for part in plugins.installed_parts() if part.group == plugins.IMPORTERS}
    if name in SYSTEMS:
        return SYSTEMS[name]
    if name not in added:
        raise UnknownName(not_one_of(name, [*SYSTEMS, *added], "released system"))
    found: ReleasedSystem = plugins.load(added[name])()  # type: ignore[operator]
    return found


# Constants that older timm versions kept in the state dict and newer ones compute.
RECOMPUTED = (".relative_position_index", ".attn_mask")


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without a 1x1 convolution's kernel dimensions."""
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape


def _count(shapes: Shapes, pattern: str) -> int:
    """How many consecutive things a pattern numbers: its highest number plus one."""
    numbers = [int(found[1]) for name in shapes if (found := re.match(pattern, name))]
    if not numbers:
        raise KeyError(pattern.replace("\\", "").replace("(d+)", "*"))
    return max(numbers) + 1


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor from which sizes are read."""
    if len(shapes[name]) != dimensions:
        raise CheckpointError(f"{name} is {shapes[name]}, expected {dimensions} dimensions")
    return shapes[name]


def _rename(name: str, table: Mapping[str, str]) -> str:
    for ours, theirs in table.items():
        renamed, hits = re.subn(f"^{ours}", theirs, name)
        if hits:
            return renamed
    raise AssertionError(f"no released name for {name}")


def _lifeiqa_config(shapes: Shapes) -> dict[str, Any]:
    cfg = model_config("lifeiqa_released")
    _, num_queries, cfg["dim"] = _shape(shapes, "bunch_embedding", 3)
    cfg["queries"]["num_queries"] = num_queries
    gcn, attention = cfg["interactions"][:2]
    layers = _count(shapes, r"bunch_decoder\.layers\.0\.GCN\.gcn(\d+)\.") - 1
    gcn["hidden"] = [_shape(shapes, f"bunch_decoder.layers.0.GCN.gcn{i}.weight", 2)[1] for i in range(1, layers)]
    cfg["interactions"] = [gcn, attention] * _count(shapes, r"bunch_decoder\.layers\.(\d+)\.")
    experts = _shape(shapes, "MOE.router.linear.weight", 2)[0]
    cfg["head"].update(num_experts=experts, hidden=_shape(shapes, "MOE.experts.0.net.0.weight", 2)[0])

    swin = "pretrain_model.layers"
    stages = _count(shapes, rf"{re.escape(swin)}\.(\d+)\.")
    depths = tuple(_count(shapes, rf"{re.escape(swin)}\.{s}\.blocks\.(\d+)\.") for s in range(stages))
    width = _shape(shapes, "pretrain_model.patch_embed.proj.weight", 4)[0]
    name = SWINS.get((width, depths))
    if name is not None:
        cfg["backbone"]["name"] = name
    else:
        heads = [_shape(shapes, f"{swin}.{s}.blocks.0.attn.relative_position_bias_table", 2)[1] for s in range(stages)]
        cfg["backbone"]["model_args"] = dict(embed_dim=width, depths=depths, num_heads=heads)
    return cfg


def _lifeiqa_name(name: str) -> str:
    name = _rename(
        name,
        {
            r"backbone\.model\.": "pretrain_model.",
            r"queries\.embedding": "bunch_embedding",
            r"queries\.proj": "proj_layer4",
            r"memory\.proj": "proj_layer3",
            r"head\.gamma": "gamma",
            r"head\.norm": "norm3",
            r"head\.fc": "fc",
            r"head\.router": "MOE.router.linear",
            r"head\.experts\.(\d+)": r"MOE.experts.\1.net",
            r"interactions\.": "bunch_decoder.layers.",
        },
    )
    if found := re.match(r"bunch_decoder\.layers\.(\d+)\.(?:layers\.(\d+)|(attn|norm))(\..*)", name):
        block, graph_layer, attention, rest = found.groups()
        part = {"attn": "multihead_attn", "norm": "norm2"}[attention] if attention else f"GCN.gcn{int(graph_layer) + 1}"
        return f"bunch_decoder.layers.{int(block) // 2}.{part}{rest}"
    return name


def _deiqt_config(shapes: Shapes) -> dict[str, Any]:
    cfg = model_config("deiqt")
    _, cfg["queries"]["num_queries"], cfg["dim"] = _shape(shapes, "head.bunch_embedding", 3)
    layer = cfg["interactions"]
    layer[2]["hidden"] = _shape(shapes, "head.bunch_decoder.layers.0.linear1.weight", 2)[0]
    cfg["interactions"] = layer * _count(shapes, r"head\.bunch_decoder\.layers\.(\d+)\.")

    _, patches, width = _shape(shapes, "pos_embed", 3)
    depth = _count(shapes, r"blocks\.(\d+)\.")
    patch = _shape(shapes, "patch_embed.proj.weight", 4)[-1]
    cfg["backbone"]["image_size"] = int(patches**0.5) * patch
    if (width, depth) in DEIT3S and patch == 16:
        cfg["backbone"]["name"] = DEIT3S[width, depth]
    else:
        cfg["backbone"]["model_args"] = dict(
            embed_dim=width,
            depth=depth,
            num_heads=max(1, width // 64),
            patch_size=patch,
            mlp_ratio=_shape(shapes, "blocks.0.mlp.fc1.weight", 2)[0] / width,
        )
    return cfg


def _deiqt_name(name: str) -> str:
    name = _rename(
        name,
        {
            r"backbone\.model\.(.*)\.ls([12])\.gamma": r"\1.gamma_\2",
            r"backbone\.model\.": "",
            r"queries\.embedding": "head.bunch_embedding",
            r"head\.fc": "head.heads",
            r"interactions\.": "head.bunch_decoder.layers.",
        },
    )
    if found := re.match(r"head\.bunch_decoder\.layers\.(\d+)\.(attn|norm|fc1|fc2)(\..*)", name):
        block, part, rest = found.groups()
        layer, kind = divmod(int(block), 3)  # self-attention, cross-attention, feed-forward
        theirs = {
            "attn": ("self_attn", "multihead_attn")[kind] if kind < 2 else "",
            "norm": f"norm{kind + 1}",
            "fc1": "linear1",
            "fc2": "linear2",
        }[part]
        return f"head.bunch_decoder.layers.{layer}.{theirs}{rest}"
    return name


SYSTEMS = {
    "lifeiqa": ReleasedSystem(_lifeiqa_config, _lifeiqa_name),
    "deiqt": ReleasedSystem(_deiqt_config, _deiqt_name),
}
