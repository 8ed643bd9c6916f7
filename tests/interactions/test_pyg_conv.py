import copy
import warnings

import pytest
import torch

from iqa_zoo.errors import PartError
from iqa_zoo.interactions.pyg_conv import PyGConv

with warnings.catch_warnings():  # importing it warns of its own use of torch.jit.script
    warnings.simplefilter("ignore", FutureWarning)
    from torch_geometric import nn as sparse

N = 5
PAIRS = torch.cartesian_prod(torch.arange(N), torch.arange(N)).T
COMPLETE = PAIRS[:, PAIRS[0] != PAIRS[1]]  # nobody is his own neighbour; gcn and gat add the loops themselves


def layers_of(conv, **arguments):
    torch.manual_seed(0)
    block = PyGConv(dim=12, conv=conv, hidden=(6,), **arguments).requires_grad_(False)
    for parameter in block.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    return block


def stacked(block, reference, queries_BND):
    """x + layers(x) with torch-geometric's sparse layers that carry the same weights."""
    result = []
    for nodes in queries_BND:
        hidden = nodes
        for i, layer in enumerate(block.layers):
            twin = reference(layer)
            hidden = twin(hidden, COMPLETE)
            if block.activate_last or i < len(block.layers) - 1:
                hidden = hidden.relu()
        result.append(nodes + hidden)
    return torch.stack(result).detach()


def gcn(layer):
    twin = sparse.GCNConv(layer.in_channels, layer.out_channels)  # adds the self-loops itself
    twin.load_state_dict(layer.state_dict())
    return twin


def sage(layer):
    twin = sparse.SAGEConv(layer.in_channels, layer.out_channels)
    twin.lin_l.weight, twin.lin_l.bias = layer.lin_rel.weight, layer.lin_root.bias
    twin.lin_r.weight = layer.lin_root.weight
    return twin


def gin(layer):
    twin = sparse.GINConv(copy.deepcopy(layer.nn), eps=float(layer.eps))  # it starts its network afresh
    twin.nn.load_state_dict(layer.nn.state_dict())
    return twin


def graph(layer):
    twin = sparse.GraphConv(layer.in_channels, layer.out_channels)
    twin.load_state_dict(layer.state_dict())
    return twin


def gat(layer):
    twin = sparse.GATConv(layer.in_channels, layer.out_channels, heads=layer.heads)
    state = layer.state_dict()
    twin.load_state_dict({**state, "att_src": state["att_src"][0], "att_dst": state["att_dst"][0]})
    return twin


@pytest.mark.parametrize("activate_last", [True, False])
@pytest.mark.parametrize("reference", [gcn, sage, gin, gat, graph])
def test_equals_the_sparse_layers_on_the_complete_graph(reference, activate_last):
    block = layers_of(reference.__name__, activate_last=activate_last)
    queries_BND = torch.randn(2, N, 12)
    assert torch.allclose(block(queries_BND, None), stacked(block, reference, queries_BND), atol=1e-5)


def test_gat_with_several_heads():
    block = layers_of("gat", heads=3)
    queries_BND = torch.randn(2, N, 12)
    assert torch.allclose(block(queries_BND, None), stacked(block, gat, queries_BND), atol=1e-5)


def test_gat_heads_that_do_not_divide():
    with pytest.raises(PartError, match="heads=5 does not divide the layer width 6"):
        PyGConv(dim=12, conv="gat", hidden=(6,), heads=5)


def test_widths_are_those_of_query_gcn():
    block = PyGConv(dim=384, conv="gcn")
    assert sum(p.numel() for p in block.parameters()) == 129_696
