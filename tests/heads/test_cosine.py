import torch

from iqa_zoo.heads.cosine import CosineHead


def test_is_the_mean_cosine():
    torch.manual_seed(0)
    head, queries_BND = CosineHead(dim=8), torch.randn(2, 5, 8)
    expected_BN = torch.nn.functional.cosine_similarity(queries_BND, head.direction[None], dim=-1)
    output = head(queries_BND)
    torch.testing.assert_close(output.score_BN, expected_BN)
    torch.testing.assert_close(output.score_B, expected_BN.mean(1))


def test_knows_no_length():
    torch.manual_seed(0)
    head, queries_BND = CosineHead(dim=8), torch.randn(2, 5, 8)
    scores = head(queries_BND).score_BN
    torch.testing.assert_close(head(7 * queries_BND).score_BN, scores)
    torch.testing.assert_close(head(-queries_BND).score_BN, -scores)
    head.direction.data *= 3
    torch.testing.assert_close(head(queries_BND).score_BN, scores)
    torch.testing.assert_close(head(head.direction[None]).score_B.detach(), torch.ones(1))


def test_empty_queries_have_a_finite_gradient():
    queries_BND = torch.zeros(1, 2, 8, requires_grad=True)
    CosineHead(dim=8)(queries_BND).score_B.sum().backward()
    assert queries_BND.grad.isfinite().all()
