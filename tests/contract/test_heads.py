from typing import ClassVar

from iqa_zoo.testing import HeadContract


class TestHeads(HeadContract):
    examples: ClassVar = {
        "linear": [{}, {"bias": False, "norm": True, "dropout": 0.2}],
        "ffn": [{"hidden": 16}, {"hidden": 16, "residual": "released", "activation": "gelu"}],
        "moe": [
            {"hidden": 16},
            {"hidden": 16, "residual": "released", "num_experts": 2},
            {"hidden": 16, "num_experts": 8, "top_k": 1},
            {"hidden": 16, "num_experts": 1, "top_k": 1},
        ],
    }
