import numpy as np
import pytest
import torch

from iqa_zoo.interactions.query_gcn import QueryGCN, complete_graph


def by_loops(queries_BND, layers, activate_last):
    """x + GCN(x), one node and one edge at a time."""
    result = []
    for nodes in queries_BND.astype(np.float64):
        hidden = nodes
        for i, (adjacency, weight, bias) in enumerate(layers):
            count = len(hidden)
            messages = [hidden[j] @ weight for j in range(count)]
            hidden = np.stack([sum(adjacency[n, j] * messages[j] for j in range(count)) + bias for n in range(count)])
            if activate_last or i < len(layers) - 1:
                hidden = np.maximum(hidden, 0)
        result.append(nodes + hidden)
    return np.stack(result)


@pytest.mark.parametrize("count", [1, 4, 6, 11])
@pytest.mark.parametrize("adjacency", ["learned", "released"])
@pytest.mark.parametrize("activate_last", [True, False])
def test_equals_an_explicit_loop(count, adjacency, activate_last):
    torch.manual_seed(count)
    block = QueryGCN(
        dim=12, num_queries=count, adjacency=adjacency, hidden=(7, 5), activate_last=activate_last
    ).requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    layers = [(layer.adjacency_NN.numpy(), layer.weight.numpy(), layer.bias.numpy()) for layer in block.layers]
    assert [weight.shape for _, weight, _ in layers] == [(12, 7), (7, 5), (5, 12)]
    queries_BND = torch.randn(3, count, 12)
    assert np.allclose(
        block(queries_BND, None).numpy(), by_loops(queries_BND.numpy(), layers, activate_last), atol=1e-5
    )


def test_released_adjacency():
    expected = np.full((6, 6), 1 / 7) + np.eye(6) / 7
    assert np.allclose(complete_graph(6).numpy(), expected, atol=1e-7)
    for layer in QueryGCN(dim=8, num_queries=6, adjacency="released").layers:
        assert np.allclose(layer.adjacency_NN.numpy(), expected, atol=1e-7)
        assert "adjacency_NN" not in layer.state_dict()


@pytest.mark.parametrize("count", [1, 2, 9])
def test_complete_graph_is_the_symmetric_normalisation(count):
    adjacency = np.ones((count, count)) + np.eye(count)
    degree = np.diag(adjacency.sum(1) ** -0.5)
    assert np.allclose(complete_graph(count).numpy(), degree @ adjacency @ degree, atol=1e-7)


@pytest.mark.parametrize("count", [2, 6, 10])
def test_learned_adjacency_adds_n_squared_parameters_a_layer(count):
    learned, released = (
        sum(p.numel() for p in QueryGCN(dim=384, num_queries=count, adjacency=kind).parameters())
        for kind in ("learned", "released")
    )
    assert released == 384 * 192 + 192 + 192 * 96 + 96 + 96 * 384 + 384 == 129_696
    assert learned - released == 3 * count**2


def test_learned_starts_where_the_released_code_stays():
    learned = QueryGCN(dim=8, num_queries=6, hidden=(4,))
    released = QueryGCN(dim=8, num_queries=6, hidden=(4,), adjacency="released")
    assert released.load_state_dict(learned.state_dict(), strict=False).missing_keys == []
    queries_BND = torch.randn(2, 6, 8)
    assert torch.allclose(learned(queries_BND, None), released(queries_BND, None), atol=1e-6)


def test_each_layer_learns_its_own_adjacency():
    block = QueryGCN(dim=8, num_queries=6, hidden=(4, 4))
    assert len({id(layer.adjacency_NN) for layer in block.layers}) == 3
    assert len({layer.adjacency_NN.data_ptr() for layer in block.layers}) == 3
