"""Count the usual backbones and write ``known_backbones.json``; for a new version of timm::

python -m iqa_zoo.budgets.write_known
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from iqa_zoo.budgets.measure import count_backbone
from iqa_zoo.build import build_backbone
from iqa_zoo.contracts import spec_of
from iqa_zoo.known_backbones import KnownBackbone, write_known

# (timm's name, whether the final norm is kept): backbones of the zoo's models, and those that studies usually name.
USUAL: tuple[tuple[str, bool], ...] = (
    *((f"swin_{size}_patch4_window7_224.ms_in22k_ft_in1k", False) for size in ("base", "small", "tiny")),
    *((f"swin_{size}_patch4_window7_224", True) for size in ("base", "small", "tiny")),
    ("deit3_small_patch16_224", True),
    *((f"deit_{size}_patch16_224", True) for size in ("tiny", "small", "base")),
    ("tf_efficientnet_lite0", True),
    *((f"resnet{depth}", True) for depth in (18, 34, 50, 101)),
    ("resnet50.tv_in1k", True),
    ("convnext_tiny", True),
)


def count_usual(name: str, final_norm: bool, stages: Sequence[int] | None = None) -> KnownBackbone:
    """Build and count one backbone, with the named stages or all that it has."""
    part = {"type": "timm_features", "name": name, "final_norm": final_norm}
    if stages is None:
        with torch.device("meta"):
            stages = spec_of(build_backbone({"backbone": part})).available_stages
    counted = count_backbone(json.dumps({**part, "stages": list(stages)}), None)
    budget = counted.budget
    assert budget.params == budget.trainable_params == budget.active_params
    return KnownBackbone(
        counted.spec,
        counted.tokens,
        counted.vector,
        counted.maps,
        budget.params,
        budget.macs_by_operator,
        budget.other_ops,
    )


if __name__ == "__main__":
    import timm

    write_known({each: count_usual(*each) for each in USUAL}, timm.__version__)
