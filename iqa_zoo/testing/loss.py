"""What a part of this slot must hold to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from iqa_zoo.contracts import QualityOutput, Routing
from iqa_zoo.testing.inputs import randn
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.suite import Arguments

N, E, K = 6, 4, 2


def output_of(score_B: Tensor, logits_TE: Tensor) -> QualityOutput:
    top_TK, choice_TK = logits_TE.topk(K, dim=-1)
    weights_TE = torch.zeros_like(logits_TE).scatter(-1, choice_TK, top_TK.softmax(-1))
    score_BN = score_B[:, None].expand(-1, N)
    return QualityOutput(score_B, score_BN, score_BN[..., None], [Routing(logits_TE, weights_TE, choice_TK)])


class LossContract(PartContract):
    """Losses: (what the forward pass produced, mos_B) -> a finite scalar with a finite gradient."""

    slot = "losses"

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        score_B, mos_B = randn(batch, seed=seed), randn(batch, seed=seed + 1)
        return output_of(score_B, randn(batch * N, E, seed=seed + 2)), mos_B

    def tensors(self, output: Any) -> dict[str, Tensor]:
        return {"loss": output}

    test_item_does_not_depend_on_the_batch = None  # type: ignore[assignment]  # a loss is a statement about the batch
    test_budget_counts_every_operator_as_torch_does = None  # type: ignore[assignment]  # it runs in training only

    def test_is_a_finite_non_negative_scalar(self, name: str, arguments: Arguments) -> None:
        for batch in (2, 5):
            loss = self.run(self.make(name, arguments), batch)["loss"]
            assert loss.shape == ()
            assert 0 <= loss < torch.inf

    def test_has_a_finite_gradient(self, name: str, arguments: Arguments) -> None:
        score_B = randn(5).requires_grad_()
        logits_TE = randn(5 * N, E, seed=2).requires_grad_()
        self.make(name, arguments)(output_of(score_B, logits_TE), randn(5, seed=1)).backward()
        source = logits_TE if getattr(self.make(name, arguments), "needs_routing", False) else score_B
        assert source.grad is not None
        assert source.grad.isfinite().all()
        assert source.grad.abs().max() > 0

    def test_is_finite_where_all_scores_or_all_labels_are_equal(self, name: str, arguments: Arguments) -> None:
        for scores, labels in ((torch.full((4,), 0.1), randn(4)), (randn(4), torch.full((4,), 50.1))):
            score_B = scores.clone().requires_grad_()
            logits_TE = torch.zeros(4 * N, E, requires_grad=True)
            loss = self.make(name, arguments)(output_of(score_B, logits_TE), labels)
            assert loss.isfinite()
            loss.backward()
            for source in (score_B, logits_TE):
                assert source.grad is None or (source.grad.isfinite().all() and source.grad.abs().max() < 1e3)

    def test_items_in_another_order_give_the_same(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        score_B, mos_B, logits_TE = randn(5), randn(5, seed=1), randn(5 * N, E, seed=2)
        order = torch.tensor([3, 0, 4, 2, 1])
        shuffled = output_of(score_B[order], logits_TE.unflatten(0, (5, N))[order].flatten(0, 1))
        assert torch.allclose(part(output_of(score_B, logits_TE), mos_B), part(shuffled, mos_B[order]), atol=1e-6)

    def test_labels_are_left_alone(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        output, mos_B = self.inputs(part, 4)
        before = mos_B.clone()
        part(output, mos_B)
        assert torch.equal(mos_B, before)
