from typing import ClassVar

import pytest
import torch

from iqa_zoo.contracts import HeadOutput

from .contract import PartContract, perturbed, randn

N, D = 6, 24


class TestHeads(PartContract):
    slot = "head"
    handed: ClassVar = {"dim": D, "num_queries": N}
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

    def inputs(self, part, batch, seed=0):
        return (randn(batch, N, D, seed=seed),)

    def tensors(self, output):
        per_token = {
            f"routing.{i}.{key}": value.unflatten(0, (-1, N))
            for i, routing in enumerate(output.routing)
            for key, value in vars(routing).items()
        }
        return {"score_B": output.score_B, "score_BN": output.score_BN, **per_token}

    @pytest.mark.parametrize("count", [1, 6, 9])
    def test_shapes(self, name, arguments, count):
        self.handed = {"dim": D, "num_queries": count}
        output = self.make(name, arguments)(randn(5, count, D))
        assert isinstance(output, HeadOutput)
        assert output.score_B.shape == (5,)
        assert output.score_BN.shape[0] == 5
        assert output.score_BN.shape[1] in (1, count)

    def test_routing_is_a_choice(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        routing = part(*self.inputs(part, 4)).routing
        assert bool(routing) == getattr(part, "routes", False)
        for mixture in routing:
            tokens, experts = mixture.logits_TE.shape
            assert tokens == 4 * N
            assert mixture.weights_TE.shape == (tokens, experts)
            assert torch.allclose(mixture.weights_TE.sum(-1), torch.ones(tokens), atol=1e-6)
            assert 0 <= mixture.choice_TK.min() <= mixture.choice_TK.max() < experts
            chosen = torch.zeros(tokens, experts, dtype=torch.bool).scatter(-1, mixture.choice_TK, True)
            assert (chosen.sum(-1) == mixture.choice_TK.shape[1]).all()
            assert (mixture.weights_TE[~chosen] == 0).all()
