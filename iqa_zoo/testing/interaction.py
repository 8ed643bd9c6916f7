from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from iqa_zoo.contracts import Attends, HasOutDim, find_width, has_flag
from iqa_zoo.registry import SLOTS
from iqa_zoo.testing.inputs import perturbed, randn
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.routing import check_choice, per_image
from iqa_zoo.testing.suite import Arguments

N, L, D = 6, 14, 24


class InteractionContract(PartContract):
    """Interactions: (queries_BND, memory_BLD) -> queries_BND, with a Routing where it routes; inputs stay as they were."""

    slot = "interactions"
    handed: ClassVar[dict[str, Any]] = {"dim": D, "num_queries": N}

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        return randn(batch, N, D, seed=seed), randn(batch, L, D, seed=seed + 1)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        if isinstance(output, Tensor):
            return {"queries": output}
        queries_BND, routing = output
        return {"queries": queries_BND, **per_image("routing", routing, queries_BND.shape[1])}

    def test_shape(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        assert self.run(part)["queries"].shape == (3, N, find_width(part, D))
        if isinstance(part, HasOutDim):
            assert isinstance(SLOTS[self.slot].get(name), HasOutDim), "out_dim = None is missing on the class"

    @pytest.mark.parametrize("count", [1, 2, 9])
    def test_any_number_of_queries(self, name: str, arguments: Arguments, count: int) -> None:
        part = self.make(name, arguments, num_queries=count)
        given = self.tensors(part(randn(2, count, D), randn(2, L, D)))
        assert given["queries"].shape == (2, count, find_width(part, D))

    def test_inputs_are_left_alone(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        queries_BND, memory_BLD = self.inputs(part, 2)
        before = queries_BND.clone(), memory_BLD.clone()
        part(queries_BND, memory_BLD)
        assert torch.equal(queries_BND, before[0])
        assert torch.equal(memory_BLD, before[1])

    def test_memory_is_read_where_it_says_so(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        queries_BND, memory_BLD = self.inputs(part, 2)
        with torch.no_grad():
            given, other = (
                self.tensors(part(queries_BND, memory))["queries"]
                for memory in (memory_BLD, memory_BLD + randn(2, L, D, seed=9))
            )
            moved = (given - other).abs().max()
            if has_flag(part, "needs_memory"):
                assert moved > 1e-6
            else:
                assert moved == 0
                part(queries_BND, None)

    def test_routing_is_a_choice(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        output = part(*self.inputs(part, 4))
        assert isinstance(output, tuple) == has_flag(part, "routes")
        if isinstance(output, tuple):
            check_choice(output[1], tokens=4 * N)

    def test_attention_is_a_distribution_over_the_memory(self, name: str, arguments: Arguments) -> None:
        part: Any = perturbed(self.make(name, arguments)).eval()
        if not isinstance(part, Attends):
            pytest.skip("it offers no attention")
        weights_BNL = part.attention(*self.inputs(part, 2))
        assert weights_BNL.shape == (2, N, L)
        assert (weights_BNL >= 0).all()
        assert torch.allclose(weights_BNL.sum(-1), torch.ones(2, N), atol=1e-5)
