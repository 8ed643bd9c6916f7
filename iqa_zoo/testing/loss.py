from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from iqa_zoo.contracts import Features, FeatureSpec, QualityOutput, Routing, has_flag
from iqa_zoo.testing.inputs import STAGES, fake_features, randn
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.suite import Arguments

N, E, K = 6, 4, 2


def output_of(score_B: Tensor, logits_TE: Tensor) -> QualityOutput:
    """What a model might have produced on its way to these scores: queries and features that grow with them."""
    top_TK, choice_TK = logits_TE.topk(K, dim=-1)
    weights_TE = torch.zeros_like(logits_TE).scatter(-1, choice_TK, top_TK.softmax(-1))
    score_BN = score_B[:, None].expand(-1, N)
    routing = [Routing(logits_TE, weights_TE, choice_TK)]
    return QualityOutput(score_B, score_BN, score_BN[..., None], routing, features=_features_of(score_B))


def _features_of(score_B: Tensor) -> Features:
    """The same features for every image, times its score."""
    one = fake_features(1)
    maps = {stage: score_B[:, None, None, None] * map_BCHW for stage, map_BCHW in one.maps.items()}
    return Features(maps, score_B[:, None, None] * one.tokens_BLC, score_B[:, None] * one.global_BC)


class LossContract(PartContract):
    """Losses: (what the forward pass produced, mos_B) -> a finite scalar with a finite gradient."""

    slot = "losses"
    handed: ClassVar[dict[str, Any]] = {
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64)
    }

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        score_B, mos_B = randn(batch, seed=seed), randn(batch, seed=seed + 1)
        return self.given(part, score_B, mos_B, randn(batch * N, E, seed=seed + 2))

    def given(self, part: Any, score_B: Tensor, mos_B: Tensor, logits_TE: Tensor) -> tuple[Any, ...]:
        """What the part is called with for these scores; a mirrored view scores a little otherwise, image by image."""
        output = output_of(score_B, logits_TE)
        if not has_flag(part, "needs_mirrored"):
            return output, mos_B
        return output, mos_B, output_of(1.5 * score_B - 0.2, logits_TE)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        return {"loss": output}

    test_item_does_not_depend_on_the_batch = None  # type: ignore[assignment]  # a loss is a statement about the batch
    test_budget_counts_every_operator_as_torch_does = None  # type: ignore[assignment]  # it runs in training only
    test_graph_is_right_on_other_inputs = None  # type: ignore[assignment]  # losses are not exported

    def test_is_a_finite_non_negative_scalar(self, name: str, arguments: Arguments) -> None:
        for batch in (2, 5):
            loss = self.run(self.make(name, arguments), batch)["loss"]
            assert loss.shape == ()
            assert 0 <= loss < torch.inf

    def test_has_a_finite_gradient(self, name: str, arguments: Arguments) -> None:
        score_B = randn(5).requires_grad_()
        logits_TE = randn(5 * N, E, seed=2).requires_grad_()
        part = self.make(name, arguments)
        part(*self.given(part, score_B, randn(5, seed=1), logits_TE)).backward()
        source = logits_TE if has_flag(part, "needs_routing") else score_B
        assert source.grad is not None
        assert source.grad.isfinite().all()
        assert source.grad.abs().max() > 0

    def test_is_finite_where_all_scores_or_all_labels_are_equal(self, name: str, arguments: Arguments) -> None:
        for scores, labels in ((torch.full((4,), 0.1), randn(4)), (randn(4), torch.full((4,), 50.1))):
            score_B = scores.clone().requires_grad_()
            logits_TE = torch.zeros(4 * N, E, requires_grad=True)
            part = self.make(name, arguments)
            loss = part(*self.given(part, score_B, labels, logits_TE))
            assert loss.isfinite()
            loss.backward()
            for source in (score_B, logits_TE):
                assert source.grad is None or (source.grad.isfinite().all() and source.grad.abs().max() < 1e3)

    def test_items_in_another_order_give_the_same(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        score_B, mos_B, logits_TE = randn(5), randn(5, seed=1), randn(5 * N, E, seed=2)
        order = torch.tensor([3, 0, 4, 2, 1])
        shuffled_TE = logits_TE.unflatten(0, (5, N))[order].flatten(0, 1)
        straight = part(*self.given(part, score_B, mos_B, logits_TE))
        shuffled = part(*self.given(part, score_B[order], mos_B[order], shuffled_TE))
        assert torch.allclose(straight, shuffled, atol=1e-6)

    def test_labels_are_left_alone(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        inputs = self.inputs(part, 4)
        before = inputs[1].clone()
        part(*inputs)
        assert torch.equal(inputs[1], before)

    def test_mirrored_view_is_read_where_it_says_so(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        if not has_flag(part, "needs_mirrored"):
            pytest.skip("it reads one view")
        output, mos_B, mirrored = self.inputs(part, 5)
        assert not torch.equal(part(output, mos_B, mirrored), part(output, mos_B, output))
