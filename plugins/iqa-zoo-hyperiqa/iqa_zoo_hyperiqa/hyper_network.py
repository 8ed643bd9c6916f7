"""HyperIQA's head: a perceptron whose weights another network makes for the image at hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil

from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import Features, FeatureSpec, HeadOutput
from iqa_zoo.layers.stages import stage_channels
from iqa_zoo.values import Grid, Size, checked


class HyperNetworkHead(nn.Module):
    """A perceptron with weights of the image's own, made from a stage map by a hyper-network, scores each query.

    The content of the image says how its quality is judged (HyperIQA: Su et al., CVPR 2020, "Blindly Assess Image Quality
    in the Wild Guided by a Self-Adaptive Hyper Network"). A trunk of 1x1 convolutions with ReLU reduces the map; of each
    layer's weight matrix a 3x3 convolution makes the entries, cell by cell, and a linear layer on the mean of the map the
    bias. Between the layers a sigmoid; the last layer, to the score, comes from the mean alone. Scores are averaged over
    the queries; HyperIQA has one.

    Differs from the released code in that sizes are free (a matrix whose entries do not share out evenly over the cells is
    cut from the next larger number) and that a map of another size is averaged to the grid; at the released sizes it is
    the same function with the same parameters.

    Args:
        stage: the stage the weights are made from.
        grid: cells per side of that map.
        trunk: channels between the map and ``channels``.
        channels: of the map that the weights are made from.
        hidden: widths of the hidden layers of the perceptron.

    Raises:
        PartError: the backbone does not give this stage.

    >>> import torch
    >>> from iqa_zoo.contracts import StageInfo
    >>> head = HyperNetworkHead(dim=14, features=FeatureSpec({4: StageInfo(32, 32)}, 32, 32, 224), trunk=(16,), hidden=(7,))
    >>> head(torch.zeros(2, 1, 14), Features({4: torch.zeros(2, 32, 7, 7)}, None, None)).score_B.shape
    torch.Size([2])
    """

    needs_features = True
    knobs = ("hidden",)  # what match_budget may move

    @checked
    def __init__(
        self,
        *,
        dim: int,
        features: FeatureSpec,
        stage: int = 4,
        grid: Grid = 7,
        trunk: Sequence[Size] = (1024, 512),
        channels: Size = 112,
        hidden: Sequence[Size] = (112, 56, 28, 14),
    ):
        super().__init__()
        self.stage, self.grid = stage, grid
        widths = [stage_channels(features, stage), *trunk, channels]
        self.trunk = nn.Sequential()
        for n_in, n_out in pairwise(widths):
            self.trunk.extend([nn.Conv2d(n_in, n_out, 1), nn.ReLU()])
        self.sizes = list(pairwise([dim, *hidden]))
        self.weights = nn.ModuleList(
            nn.Conv2d(channels, ceil(n_in * n_out / grid**2), 3, padding=1) for n_in, n_out in self.sizes
        )
        self.biases = nn.ModuleList(nn.Linear(channels, n_out) for _, n_out in self.sizes)
        self.last_weight = nn.Linear(channels, hidden[-1] if hidden else dim)
        self.last_bias = nn.Linear(channels, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)

    def forward(self, queries_BND: Tensor, features: Features) -> HeadOutput:
        map_BCHW = self.trunk(F.adaptive_avg_pool2d(features.maps[self.stage], self.grid))
        mean_BC = map_BCHW.mean((2, 3))
        hidden_BNI = queries_BND
        for (n_in, n_out), weights, bias in zip(self.sizes, self.weights, self.biases, strict=True):
            entries_BF = weights(map_BCHW).flatten(1)[:, : n_in * n_out]
            weight_BOI = entries_BF.unflatten(1, (n_out, n_in))
            hidden_BNI = (hidden_BNI @ weight_BOI.transpose(1, 2) + bias(mean_BC)[:, None]).sigmoid()
        weight_BI = self.last_weight(mean_BC)
        score_BN = (hidden_BNI @ weight_BI[:, :, None]).squeeze(-1) + self.last_bias(mean_BC)
        return HeadOutput(score_BN.mean(1), score_BN)
