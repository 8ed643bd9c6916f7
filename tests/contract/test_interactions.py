from typing import ClassVar

from iqa_zoo.testing import InteractionContract


class TestInteractions(InteractionContract):
    examples: ClassVar = {
        "query_gcn": [{}, {"adjacency": "released", "activate_last": False}, {"hidden": ()}],
        "pyg_conv": [{"conv": conv} for conv in ("gcn", "sage", "gin", "gat", "graph")] + [{"conv": "gat", "heads": 3}],
        "feed_forward": [{}, {"hidden": 8, "activation": "relu", "dropout": 0.2}],
        "self_attention": [{}, {"num_heads": 2, "dropout": 0.2, "norm": False}],
        "cross_attention": [{}, {"num_heads": 2, "dropout": 0.2, "norm": False}],
        "positioned_self_attention": [{}, {"num_heads": 2, "dropout": 0.2, "norm": False}],
    }
