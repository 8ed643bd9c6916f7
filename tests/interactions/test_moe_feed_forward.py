"""The mixture inside a layer: the sum over the chosen experts by hand, and its routing reaches the losses."""

import pytest
import torch

from iqa_zoo.build import build_model
from iqa_zoo.errors import PartError
from iqa_zoo.interactions.moe_feed_forward import MoEFeedForward

torch.manual_seed(0)


def test_each_query_is_the_gated_sum_of_its_experts():
    block = MoEFeedForward(dim=8, num_experts=5, top_k=3, hidden=16).eval()
    queries_BND = torch.randn(2, 4, 8)
    answer_BND, routing = block(queries_BND, None)
    normed_BND = block.norm(queries_BND)
    for b in range(2):
        for n in range(4):
            logits_E = block.router(normed_BND[b, n])
            chosen = logits_E.argsort(descending=True)[:3]
            gates = logits_E[chosen].softmax(0)
            expected = queries_BND[b, n] + sum(
                g * block.experts[e](normed_BND[b, n]) for g, e in zip(gates, chosen, strict=True)
            )
            torch.testing.assert_close(answer_BND[b, n], expected)
            assert set(routing.choice_TK[b * 4 + n].tolist()) == set(chosen.tolist())


def test_more_choices_than_experts_are_refused():
    with pytest.raises(PartError, match="top_k=3 is not between 1 and num_experts=2"):
        MoEFeedForward(dim=8, num_experts=2, top_k=3)


def test_every_layer_routes_and_the_losses_read_all_of_them(tiny):
    layer = dict(type="moe_feed_forward", hidden=8)
    tiny["interactions"] = [*tiny["interactions"], layer, layer]
    model = build_model(tiny)
    size = model.backbone.spec.image_size
    output = model.output(torch.randn(2, 3, size, size))
    heads = 1 if getattr(model.head, "routes", False) else 0
    assert len(output.routing) == 2 + heads
    loss = model.loss(torch.randn(2, 3, size, size), torch.zeros(2))["load_balance"]
    loss.backward()
    routers = [block.router for block in model.interactions if hasattr(block, "router")]
    assert all(router.weight.grad.abs().sum() > 0 for router in routers)
