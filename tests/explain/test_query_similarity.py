import numpy as np
import pytest
import torch

from iqa_zoo.explain.query_similarity import QuerySimilarity, average_pairs, compute_query_similarity


def test_equals_the_formula():
    queries_BND = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((4, 4))
    for image in queries_BND.double().numpy():
        for i, j in np.ndindex(4, 4):
            expected[i, j] += image[i] @ image[j] / np.linalg.norm(image[i]) / np.linalg.norm(image[j]) / 3
    cosine_NN = compute_query_similarity(queries_BND)
    assert np.allclose(cosine_NN, expected)
    pairs = [expected[i, j] for i, j in np.ndindex(4, 4) if i != j]
    assert average_pairs(cosine_NN) == pytest.approx(np.mean(pairs))


def test_collapsed_queries_are_warned_of_and_others_are_not():
    one_BD = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))
    noise_BND = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
    different_NN = compute_query_similarity(one_BD + noise_BND)
    collapsed = QuerySimilarity(compute_query_similarity(one_BD + 0.01 * noise_BND), different_NN).assess()
    assert collapsed.warning
    assert "collapsed to one vector: the mean cosine similarity of the 6 queries that enter the head is 0.99" in str(
        collapsed
    )
    healthy = QuerySimilarity(different_NN, different_NN).assess()
    assert not healthy.warning
    assert "The queries differ" in healthy.text


def test_one_query_has_no_similarity():
    assert average_pairs(np.ones((1, 1))) is None
    assert not QuerySimilarity(np.ones((1, 1)), np.ones((1, 1))).assess().warning


@pytest.mark.parametrize(("adjacency", "collapses"), [(None, True), ("identity", False)])
def test_the_all_ones_adjacency_makes_queries_one_vector(make, adjacency, collapses):
    """A convolution that adds the same vector to every query collapses them; the identity does not. Without the residual."""
    scorer = make({"interactions": [{"type": "query_gcn", "hidden": [16], "activate_last": False}]})
    block = scorer.model.interactions[0]
    with torch.no_grad():
        for layer in block.layers:
            layer.adjacency_NN.copy_(torch.eye(6) if adjacency else torch.ones(6, 6) / 6)
        queries_BND = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
        added_BND = block(queries_BND, None) - queries_BND
    assert QuerySimilarity(compute_query_similarity(added_BND), np.eye(6)).assess().warning == collapses
