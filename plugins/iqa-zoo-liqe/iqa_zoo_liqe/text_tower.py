"""CLIP's text tower on torch's own transformer layers."""

from __future__ import annotations

import torch
from timm.layers.activations import quick_gelu
from torch import Tensor, nn

from iqa_zoo.values import Depth, Size, checked
from iqa_zoo_liqe.prompts import CONTEXT, VOCABULARY


class TextTower(nn.Module):
    """A tree of texts -> one vector a text, as CLIP has it (Radford et al., ICML 2021, https://arxiv.org/abs/2103.00020).

    Token and position embeddings, pre-norm transformer layers with causal attention and QuickGELU, a final norm, and a
    projection of what stands at the end of the text. Heads are 64 wide, or wider where 64 does not divide the width; the layers
    widen to four times the width.

    Differs from the released code in that it does not pad texts to 77 tokens and computes once what several begin with.
    As attention is causal, neither changes a vector.

    Args:
        width: of the transformer; 512 beside ViT-B/32.
        layers: how many.
        out_width: of the vector.

    Raises:
        PartError: a size below 1.

    >>> from iqa_zoo_liqe.prompts import text_tree
    >>> TextTower(width=8, layers=1, out_width=4)(*text_tree([[49406, 320, 49407], [49406, 49407]])).shape
    torch.Size([2, 4])
    """

    @checked
    def __init__(self, *, width: Size = 512, layers: Depth = 12, out_width: Size = 512):
        super().__init__()
        heads = next(count for count in range(max(1, width // 64), 0, -1) if width % count == 0)
        self.token_embedding = nn.Embedding(VOCABULARY, width)
        self.positional_embedding = nn.Parameter(torch.empty(CONTEXT, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout=0.0, activation=quick_gelu, batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, out_width, bias=False)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)

    def forward(self, tokens_T: Tensor, positions_T: Tensor, sees_TT: Tensor, ends_P: Tensor) -> Tensor:
        x_TD = self.token_embedding(tokens_T) + self.positional_embedding[positions_T]
        hidden_TT = torch.zeros_like(sees_TT, dtype=x_TD.dtype).masked_fill(~sees_TT, -torch.inf)
        for layer in self.layers:
            x_TD = layer(x_TD[None], hidden_TT)[0]
        vector_PD: Tensor = self.proj(self.norm(x_TD[ends_P]))
        return vector_PD
