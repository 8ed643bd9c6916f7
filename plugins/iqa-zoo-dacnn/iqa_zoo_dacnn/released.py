"""Checkpoints of the authors' own DACNN code: their names and sizes."""

from __future__ import annotations

import re
from typing import Any

from iqa_zoo.released import ReleasedSystem, with_batch_counts
from iqa_zoo_dacnn.dacnn import dacnn_released

NETWORKS = ("ADANet.", "SDANet.efficient.")
WHOLE = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
BLOCK = {  # timm's names in a block that widens first -> efficientnet-pytorch's
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "se.conv_reduce": "_se_reduce",
    "se.conv_expand": "_se_expand",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
FIRST_BLOCK = BLOCK | {"conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}  # it does not widen
FIELDS = {"point": "conv1_MSFB", "near": "conv3_MSFB_s2_1", "wide.0": "conv3_MSFB_s2_2", "wide.1": "conv3_MSFB_s1"}
GATES = {"first": "conv3_s1_1", "second": "conv3_s1_2"}


def released() -> ReleasedSystem:
    """How ``import_released("dacnn", state_dict)`` reads a checkpoint."""
    return ReleasedSystem(config=config, name=name, prepared=with_batch_counts)


def config(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """The config of a checkpoint. The networks are EfficientNet-B0, the released code's.

    Raises:
        KeyError: a tensor from which a size is read is missing.
    """
    cfg = dacnn_released()
    cfg["dim"] = shapes["fc1.weight"][1]
    cfg["head"]["hidden"] = tuple(shapes[f"fc{i}.weight"][0] for i in (1, 2))
    classifiers = [[shapes[f"{network}_fc.weight"][0]] for network in NETWORKS]
    pretraining = [shapes[f"SDANet.fc{i}.weight"][0] for i in (1, 2, 3)]
    cfg["backbone"]["branches"][0]["unread"] = [classifiers[0]]
    cfg["backbone"]["branches"][1]["unread"] = [classifiers[1], pretraining]
    return cfg


def name(ours: str) -> str:
    """The released name of a parameter of ours.

    >>> name("backbone.branches.0.model.blocks.1.0.conv_dw.weight"), name("queries.gates.3.first.bias")
    ('ADANet._blocks.1._depthwise_conv.weight', 'wgb4.conv3_s1_1.bias')
    >>> name("queries.second.1.wide.0.weight"), name("backbone.branches.1.unread.1.2.bias")
    ('msfb22.conv3_MSFB_s2_2.weight', 'SDANet.fc3.bias')
    """
    part, _, rest = ours.partition(".")
    if part == "backbone":
        _, branch, inside, rest = rest.split(".", 3)
        if inside == "unread":
            which, layer, kind = rest.split(".")
            return f"{NETWORKS[int(branch)]}_fc.{kind}" if which == "0" else f"SDANet.fc{int(layer) + 1}.{kind}"
        return NETWORKS[int(branch)] + _efficientnet(rest)
    if part == "queries":
        what, pair, rest = rest.split(".", 2)
        where, _, kind = rest.rpartition(".")
        number = int(pair) + 1
        if what == "gates":
            return f"wgb{number}.{GATES[where]}.{kind}"
        block = {"first": f"msfb{number}1", "second": f"msfb{number}2", "fused": f"msfb_{number}"}[what]
        return f"{block}.{FIELDS[where]}.{kind}"
    if found := re.fullmatch(r"(layers|slopes)\.(\d+)\.(\w+)", rest):
        return f"{'fc' if found[1] == 'layers' else 'prelu'}{int(found[2]) + 1}.{found[3]}"
    return rest.replace("fc.", "fc3.", 1)


def _efficientnet(ours: str) -> str:
    """The efficientnet-pytorch name of a parameter of timm's EfficientNet-B0."""
    if found := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(.+)\.(\w+)", ours):
        stage, block = int(found[1]), int(found[2])
        return f"_blocks.{_BEFORE[stage] + block}.{(BLOCK if stage else FIRST_BLOCK)[found[3]]}.{found[4]}"
    where, _, kind = ours.rpartition(".")
    return f"{WHOLE[where]}.{kind}"


_BEFORE = (0, 1, 3, 5, 8, 11, 15)  # blocks in the stages before each, of EfficientNet-B0
