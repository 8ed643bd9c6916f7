from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Size, checked


def complete_graph(num_queries: int) -> Tensor:
    """The normalised adjacency of the complete graph with doubled self-loops, D^-1/2 (1 + I) D^-1/2: NN.

    >>> complete_graph(6)[0] * 7
    tensor([2., 1., 1., 1., 1., 1.])
    """
    # Sums and quotients of tensors on the meta device would import the compiler of torch, which takes seconds.
    weight = 1 / (num_queries + 1)
    return torch.full((num_queries, num_queries), weight).fill_diagonal_(2 * weight)


class GraphConv(nn.Module):
    """One graph convolution: A (H W) + b. A is learned, or a constant shared by all layers."""

    def __init__(self, in_dim: int, out_dim: int, num_queries: int, learned: bool):
        super().__init__()
        adjacency_NN = complete_graph(num_queries)
        if learned:
            self.adjacency_NN = nn.Parameter(adjacency_NN)
        else:
            self.register_buffer("adjacency_NN", adjacency_NN, persistent=False)
        self.weight = nn.Parameter(torch.empty(in_dim, out_dim))
        self.bias = nn.Parameter(torch.zeros(out_dim))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, nodes_BNC: Tensor) -> Tensor:
        mixed_BNC = nodes_BNC @ self.weight
        batch = mixed_BNC.shape[0]  # len is a constant in a trace
        # matmul would transpose the nodes of every image, and back
        return self.adjacency_NN.expand(batch, -1, -1).bmm(mixed_BNC) + self.bias


@register_interaction("query_gcn")
class QueryGCN(nn.Module):
    """A stack of graph convolutions over the queries with a residual: x + GCN(x). The memory is not read.

    H_l = act(A_l H_(l-1) W_l + b_l), widths D -> hidden... -> D (Life-IQA, CVPR 2026). The input is not normalised.

    Args:
        adjacency: ``"learned"``: a free N x N matrix in every layer, starting at the normalised complete graph, as
            the paper says; ``"released"``: that start as a constant, as the released code computes (there for
            N = 6 only, here for any N).
        hidden: widths between the layers.
        activate_last: the activation also after the last layer: the paper's sigma on every layer; the
            released code leaves the last layer linear.

    >>> QueryGCN(dim=8, num_queries=6, hidden=(4, 2))(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(
        self,
        *,
        dim: int,
        num_queries: int,
        adjacency: Literal["learned", "released"] = "learned",
        hidden: Sequence[Size] = (192, 96),
        activate_last: bool = True,
    ):
        super().__init__()
        widths = [dim, *hidden, dim]
        self.layers = nn.ModuleList(
            GraphConv(wide, narrow, num_queries, adjacency == "learned") for wide, narrow in pairwise(widths)
        )
        self.activate_last = activate_last

    def adjacencies(self) -> list[Tensor]:
        """The adjacency_NN of each layer: Parameters where they are learned."""
        layers: Any = self.layers
        return [layer.adjacency_NN for layer in layers]

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        nodes_BNC = queries_BND
        for i, layer in enumerate(self.layers):
            nodes_BNC = layer(nodes_BNC)
            if self.activate_last or i < len(self.layers) - 1:
                nodes_BNC = nodes_BNC.relu()
        return queries_BND + nodes_BNC
