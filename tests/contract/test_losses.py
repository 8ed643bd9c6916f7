from typing import ClassVar

import torch

from iqa_zoo.contracts import QualityOutput, Routing

from .contract import PartContract, randn

N, E, K = 6, 4, 2


def output_of(score_B, logits_TE):
    top_TK, choice_TK = logits_TE.topk(K, dim=-1)
    weights_TE = torch.zeros_like(logits_TE).scatter(-1, choice_TK, top_TK.softmax(-1))
    score_BN = score_B[:, None].expand(-1, N)
    return QualityOutput(score_B, score_BN, score_BN[..., None], [Routing(logits_TE, weights_TE, choice_TK)])


class TestLosses(PartContract):
    slot = "losses"
    examples: ClassVar = {"load_balance": [{}, {"probabilities": "selected"}], "smooth_l1": [{}, {"beta": 0.5}]}

    def inputs(self, part, batch, seed=0):
        score_B, mos_B = randn(batch, seed=seed), randn(batch, seed=seed + 1)
        return output_of(score_B, randn(batch * N, E, seed=seed + 2)), mos_B

    def tensors(self, output):
        return {"loss": output}

    test_item_does_not_depend_on_the_batch = None  # a loss is a statement about the batch

    def test_is_a_finite_non_negative_scalar(self, name, arguments):
        for batch in (2, 5):
            loss = self.run(self.make(name, arguments), batch)["loss"]
            assert loss.shape == ()
            assert 0 <= loss < torch.inf

    def test_has_a_finite_gradient(self, name, arguments):
        score_B = randn(5).requires_grad_()
        logits_TE = randn(5 * N, E, seed=2).requires_grad_()
        self.make(name, arguments)(output_of(score_B, logits_TE), randn(5, seed=1)).backward()
        source = logits_TE if getattr(self.make(name, arguments), "needs_routing", False) else score_B
        assert source.grad.isfinite().all()
        assert source.grad.abs().max() > 0

    def test_is_finite_where_all_scores_or_all_labels_are_equal(self, name, arguments):
        for scores, labels in ((torch.full((4,), 0.1), randn(4)), (randn(4), torch.full((4,), 50.1))):
            score_B = scores.clone().requires_grad_()
            logits_TE = torch.zeros(4 * N, E, requires_grad=True)
            loss = self.make(name, arguments)(output_of(score_B, logits_TE), labels)
            assert loss.isfinite()
            loss.backward()
            for source in (score_B, logits_TE):
                assert source.grad is None or (source.grad.isfinite().all() and source.grad.abs().max() < 1e3)

    def test_items_in_another_order_give_the_same(self, name, arguments):
        part = self.make(name, arguments)
        score_B, mos_B, logits_TE = randn(5), randn(5, seed=1), randn(5 * N, E, seed=2)
        order = torch.tensor([3, 0, 4, 2, 1])
        shuffled = output_of(score_B[order], logits_TE.unflatten(0, (5, N))[order].flatten(0, 1))
        assert torch.allclose(part(output_of(score_B, logits_TE), mos_B), part(shuffled, mos_B[order]), atol=1e-6)

    def test_labels_are_left_alone(self, name, arguments):
        part = self.make(name, arguments)
        output, mos_B = self.inputs(part, 4)
        before = mos_B.clone()
        part(output, mos_B)
        assert torch.equal(mos_B, before)
