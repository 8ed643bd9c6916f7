import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from iqa_zoo.errors import PartError
from iqa_zoo.registry import register_interaction
from iqa_zoo.values import Count, Size, checked


def _layer(conv: str, in_dim: int, out_dim: int, heads: int) -> nn.Module:
    with warnings.catch_warnings():  # importing it warns of its own use of torch.jit.script
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric.nn import dense  # here, because importing it is slow and only this part needs it

    if conv == "gin":
        return dense.DenseGINConv(nn.Sequential(nn.Linear(in_dim, out_dim), nn.ReLU(), nn.Linear(out_dim, out_dim)))
    if conv == "gat":
        if out_dim % heads:
            raise PartError(f"heads={heads} does not divide the layer width {out_dim} of conv='gat'")
        return dense.DenseGATConv(in_dim, out_dim // heads, heads=heads)
    layers: dict[str, Any] = {"gcn": dense.DenseGCNConv, "sage": dense.DenseSAGEConv, "graph": dense.DenseGraphConv}
    return layers[conv](in_dim, out_dim)


@register_interaction("pyg_conv")
class PyGConv(nn.Module):
    """A stack of torch-geometric's dense graph layers over the queries: x + layers(x), on the complete graph.

    The same place, widths and residual as :class:`~iqa_zoo.interactions.query_gcn.QueryGCN`, so the layer is all that
    differs. Its GCN is not Life-IQA's: it sets the diagonal of the adjacency to 1 where Life-IQA doubles it.

    Args:
        conv: ``gcn`` (Kipf and Welling 2017), ``sage`` (GraphSAGE), ``gin``, ``gat`` or ``graph`` (Weisfeiler-Leman).
        hidden: widths between the layers.
        heads: attention heads of ``gat``; divides every width.
        activate_last: ReLU also after the last layer.

    >>> PyGConv(dim=8, conv="sage", hidden=(4,))(torch.zeros(2, 6, 8), None).shape
    torch.Size([2, 6, 8])
    """

    @checked
    def __init__(
        self,
        *,
        dim: int,
        conv: Literal["gcn", "sage", "gin", "gat", "graph"] = "gcn",
        hidden: Sequence[Size] = (192, 96),
        heads: Count = 1,
        activate_last: bool = True,
    ):
        super().__init__()
        widths = [dim, *hidden, dim]
        self.layers = nn.ModuleList(_layer(conv, a, b, heads) for a, b in pairwise(widths))
        self.activate_last = activate_last

    def forward(self, queries_BND: Tensor, memory_BLD: Tensor | None) -> Tensor:
        count = queries_BND.shape[1]
        itself_NN = torch.eye(count, dtype=queries_BND.dtype, device=queries_BND.device)
        adjacency_BNN = (1 - itself_NN)[None]  # the layers that want a loop add it
        nodes_BNC = queries_BND
        for i, layer in enumerate(self.layers):
            nodes_BNC = layer(nodes_BNC, adjacency_BNN)
            if self.activate_last or i < len(self.layers) - 1:
                nodes_BNC = nodes_BNC.relu()
        return queries_BND + nodes_BNC
