from typing import ClassVar

import pytest
import torch

from .contract import PartContract, perturbed, randn

N, L, D = 6, 14, 24


class TestInteractions(PartContract):
    slot = "interactions"
    handed: ClassVar = {"dim": D, "num_queries": N}
    examples: ClassVar = {
        "query_gcn": [{}, {"adjacency": "released", "activate_last": False}, {"hidden": ()}],
        "pyg_conv": [{"conv": conv} for conv in ("gcn", "sage", "gin", "gat", "graph")] + [{"conv": "gat", "heads": 3}],
        "feed_forward": [{}, {"hidden": 8, "activation": "relu", "dropout": 0.2}],
        "self_attention": [{}, {"num_heads": 2, "dropout": 0.2, "norm": False}],
        "cross_attention": [{}, {"num_heads": 2, "dropout": 0.2, "norm": False}],
    }

    def inputs(self, part, batch, seed=0):
        return randn(batch, N, D, seed=seed), randn(batch, L, D, seed=seed + 1)

    def tensors(self, output):
        return {"queries": output}

    def test_shape(self, name, arguments):
        assert self.run(self.make(name, arguments))["queries"].shape == (3, N, D)

    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_any_number_of_queries(self, name, arguments, count):
        self.handed = {"dim": D, "num_queries": count}
        part = self.make(name, arguments)
        assert part(randn(2, count, D), randn(2, L, D)).shape == (2, count, D)

    def test_inputs_are_left_alone(self, name, arguments):
        part = self.make(name, arguments)
        queries_BND, memory_BLD = self.inputs(part, 2)
        before = queries_BND.clone(), memory_BLD.clone()
        part(queries_BND, memory_BLD)
        assert torch.equal(queries_BND, before[0])
        assert torch.equal(memory_BLD, before[1])

    def test_memory_is_read_where_it_says_so(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        queries_BND, memory_BLD = self.inputs(part, 2)
        with torch.no_grad():
            moved = (part(queries_BND, memory_BLD) - part(queries_BND, memory_BLD + randn(2, L, D, seed=9))).abs().max()
            if getattr(part, "needs_memory", False):
                assert moved > 1e-6
            else:
                assert moved == 0
                part(queries_BND, None)

    def test_attention_is_a_distribution_over_the_memory(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        if not hasattr(part, "attention"):
            pytest.skip("it offers no attention")
        weights_BNL = part.attention(*self.inputs(part, 2))
        assert weights_BNL.shape == (2, N, L)
        assert (weights_BNL >= 0).all()
        assert torch.allclose(weights_BNL.sum(-1), torch.ones(2, N), atol=1e-5)
