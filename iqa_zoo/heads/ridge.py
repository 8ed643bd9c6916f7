from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.errors import PartError
from iqa_zoo.registry import register_head
from iqa_zoo.values import Positive, checked


@register_head("ridge")
class RidgeHead(nn.Module):
    """One linear score per query, averaged, whose weights ridge regression gives in closed form.

    ARNIQA (Agnolucci et al., WACV 2024, https://arxiv.org/abs/2310.14918) and Re-IQA (Saha et al., CVPR 2023,
    https://arxiv.org/abs/2304.00451) read frozen features with it. On frozen features (``iqa-zoo compare``) it is
    fitted to the images of the training part, each the mean of its crops, wherever a decoder is measured. A decoder that has
    other things to learn learns them with this head as a linear layer. Training end to end refuses it, as it fits no head:
    there it is the ``linear`` head.

    Differs from the released code of ARNIQA in how the strength is chosen: by the least leave-one-out error over the
    images of the training part, where they take the best median SROCC over the validation parts of all splits; and in that
    the frozen protocol standardises every channel first. Images of one content vouch for each other when one is left out, so
    that the strength chosen is too weak for new contents; where there are few of them, as in the demo set, give one strength.

    Args:
        alphas: strengths of the ridge to choose from, the weight of the squared weights beside the sum of squared errors.

    Raises:
        PartError: no strengths, or one out of range.

    >>> head = RidgeHead(dim=2, alphas=(1e-6,))
    >>> head.fit(torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 1.0]], [[2.0, 1.0]]]), torch.tensor([1.0, 2.0, 3.0, 5.0]))
    >>> round(head(torch.tensor([[[3.0, 1.0]]])).score_B.item(), 3)
    7.0
    """

    @checked
    def __init__(
        self, *, dim: int, alphas: Sequence[Positive] = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
    ):
        super().__init__()
        if not alphas:
            raise PartError("alphas is empty; give one or more strengths")
        self.alphas = tuple(alphas)
        self.fc = nn.Linear(dim, 1)

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        score_BN = self.fc(queries_BND).squeeze(-1)
        return HeadOutput(score_BN.mean(1), score_BN)

    @torch.no_grad()
    def fit(self, queries_BND: Tensor, score_B: Tensor) -> None:
        """Set the weights to those of the ridge regression of scores on the mean query, in double precision."""
        from sklearn.linear_model import RidgeCV  # scoring does not need it

        ridge = RidgeCV(list(self.alphas))
        ridge.fit(queries_BND.mean(1).double().cpu().numpy(), score_B.double().cpu().numpy())
        self.fc.weight.copy_(torch.from_numpy(ridge.coef_)[None])
        self.fc.bias.fill_(float(ridge.intercept_))
