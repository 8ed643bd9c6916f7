import torch

from iqa_zoo.heads.mlp import MLPHead


def test_a_score_by_hand():
    """Two queries, one hidden unit: w2 * relu(w1 x + b1) + b2, averaged."""
    head = MLPHead(dim=2, hidden=1, activation="relu").eval()
    with torch.no_grad():
        for parameter, value in zip(head.parameters(), ([[1.0, -2.0]], [0.5], [[3.0]], [-1.0]), strict=True):
            parameter.copy_(torch.tensor(value))
        output = head(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    assert output.score_BN.tolist() == [[3.5, -1.0]]
    assert output.score_B.tolist() == [1.25]


def test_dropout_is_for_training_alone():
    head, queries_BND = MLPHead(dim=8), torch.randn(4, 1, 8)
    assert not torch.equal(head(queries_BND).score_B, head(queries_BND).score_B)
    head.eval()
    assert torch.equal(head(queries_BND).score_B, head(queries_BND).score_B)
