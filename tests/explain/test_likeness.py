import numpy as np
import pytest
import torch

from iqa_zoo.explain.likeness import judge_likeness, mean_between, mutual_cosine


def test_equals_the_formula():
    queries_BND = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((4, 4))
    for image in queries_BND.double().numpy():
        for i, j in np.ndindex(4, 4):
            expected[i, j] += image[i] @ image[j] / np.linalg.norm(image[i]) / np.linalg.norm(image[j]) / 3
    cosine_NN = mutual_cosine(queries_BND)
    assert np.allclose(cosine_NN, expected)
    pairs = [expected[i, j] for i, j in np.ndindex(4, 4) if i != j]
    assert mean_between(cosine_NN) == pytest.approx(np.mean(pairs))


def test_collapsed_queries_are_warned_of_and_others_are_not():
    one_BD = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))
    noise_BND = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
    collapsed = judge_likeness(mutual_cosine(one_BD + 0.01 * noise_BND))
    assert collapsed.warning
    assert "collapsed to one vector: the mean mutual cosine of the 6 queries that enter the head is 0.99" in str(
        collapsed
    )
    healthy = judge_likeness(mutual_cosine(one_BD + noise_BND))
    assert not healthy.warning
    assert "The queries differ" in healthy.words


def test_one_query_has_nobody_to_be_like():
    assert mean_between(np.ones((1, 1))) is None
    assert not judge_likeness(np.ones((1, 1))).warning


@pytest.mark.parametrize(("adjacency", "collapses"), [(None, True), ("identity", False)])
def test_the_all_ones_adjacency_makes_queries_one_vector(make, adjacency, collapses):
    """As a graph convolution does that gives every query the same, and an identity does not; the residual is left out."""
    scorer = make({"interactions": [{"type": "query_gcn", "hidden": [16], "activate_last": False}]})
    block = scorer.model.interactions[0]
    with torch.no_grad():
        for layer in block.layers:
            layer.adjacency_NN.copy_(torch.eye(6) if adjacency else torch.ones(6, 6) / 6)
        queries_BND = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
        added_BND = block(queries_BND, None) - queries_BND
    assert judge_likeness(mutual_cosine(added_BND)).warning == collapses
