import pytest
import torch

from iqa_zoo.errors import PartError
from iqa_zoo.heads.ridge import RidgeHead


def given(images=30, queries=2, dim=5, noise=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    queries_BND = torch.randn(images, queries, dim, generator=generator)
    direction = torch.randn(dim, generator=generator)
    return queries_BND, queries_BND.mean(1) @ direction + 7 + noise * torch.randn(images, generator=generator)


def by_hand(queries_BND, score_B, alpha):
    """The normal equations, the offset not weighed."""
    x, y = queries_BND.mean(1).double(), score_B.double()
    centred = x - x.mean(0)
    weights = torch.linalg.solve(centred.T @ centred + alpha * torch.eye(x.shape[1]), centred.T @ (y - y.mean()))
    return weights, y.mean() - x.mean(0) @ weights


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("images", [30, 4])  # more and fewer than channels
def test_weights_by_hand(alpha, images):
    queries_BND, score_B = given(images)
    head = RidgeHead(dim=5, alphas=(alpha,))
    head.fit(queries_BND, score_B)
    weights, offset = by_hand(queries_BND, score_B, alpha)
    torch.testing.assert_close(head.fc.weight[0].double(), weights, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(head.fc.bias[0].double(), offset, atol=1e-5, rtol=1e-5)
    expected = queries_BND.mean(1).double() @ weights + offset
    torch.testing.assert_close(head(queries_BND).score_B.double(), expected, atol=1e-4, rtol=1e-4)


def test_the_strength_has_the_least_error_on_images_left_out():
    queries_BND, score_B = given(images=12, noise=2.0)
    alphas = (1e-3, 0.1, 1.0, 10.0, 1e3)
    errors = {}
    for alpha in alphas:
        errors[alpha] = 0.0
        for i in range(12):
            kept = [j for j in range(12) if j != i]
            weights, offset = by_hand(queries_BND[kept], score_B[kept], alpha)
            errors[alpha] += float(queries_BND[i].mean(0).double() @ weights + offset - score_B[i]) ** 2
    best = min(errors, key=errors.get)
    assert best not in (alphas[0], alphas[-1])
    head = RidgeHead(dim=5, alphas=alphas)
    head.fit(queries_BND, score_B)
    weights, _ = by_hand(queries_BND, score_B, best)
    torch.testing.assert_close(head.fc.weight[0].double(), weights, atol=1e-5, rtol=1e-5)


def test_what_was_learned_before_does_not_matter():
    queries_BND, score_B = given()
    heads = [RidgeHead(dim=5) for _ in range(2)]
    assert not torch.equal(heads[0].fc.weight, heads[1].fc.weight)
    for head in heads:
        head.fit(queries_BND, score_B)
    assert torch.equal(heads[0].fc.weight, heads[1].fc.weight)
    assert heads[0].fc.weight.requires_grad


@pytest.mark.parametrize(
    ("alphas", "message"),
    [((), "alphas is empty"), ((1.0, 0.0), "list of float from 1e-09"), ((-1.0,), "list of float from 1e-09")],
)
def test_strengths_are_positive(alphas, message):
    with pytest.raises(PartError, match=message):
        RidgeHead(dim=5, alphas=alphas)
