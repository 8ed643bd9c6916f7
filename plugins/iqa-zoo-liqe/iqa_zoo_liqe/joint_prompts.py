"""LIQE's head: the quality that is named in the prompts which an image is like."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iqa_zoo.contracts import HeadOutput
from iqa_zoo.errors import PartError
from iqa_zoo.values import Depth, Size, checked
from iqa_zoo_liqe.prompt_embeddings import PromptEmbeddings
from iqa_zoo_liqe.prompts import DISTORTIONS, QUALITIES, SCENES, joint_prompts
from iqa_zoo_liqe.text_tower import TextTower


class JointPromptsHead(nn.Module):
    """The expected quality level, 1 for the first, over prompts that name quality, scene and distortion together.

    Prompts are "a photo of a {scene} with {distortion} artifacts, which is of {quality} quality", LIQE's 5 x 9 x 11 = 495
    (Zhang et al., CVPR 2023, https://arxiv.org/abs/2303.14968). Logits are the products of queries and prompts, both of
    length one, times ``exp(logit_scale)``, which starts at 1 / 0.07 as CLIP's does (CLIP's training ends at 100, which the
    released code freezes); averaged over the queries; a softmax over all prompts gives each its probability. Summed over
    scenes and distortions, that is the probability p_k of quality level k, and the score is sum_k k p_k, from 1 to 5,
    higher for better. It is on this scale whatever the labels are: train it with a loss of ranks or correlation.

    What the prompts say does not depend on the image. Without gradients their embeddings are computed once and kept
    (:class:`~iqa_zoo_liqe.prompt_embeddings.PromptEmbeddings`), and a budget's MACs, which are those of one image, leave
    them out; its parameters hold the text tower.

    Args:
        normalise: bring every query to length one. To be left off where a query is a mean over crops of vectors that
            had length one: then logits are averaged over crops, as LIQE does.
        text_width: of the text tower.
        text_layers: of the text tower.
        qualities: words for quality, the worst first.
        scenes: words for scenes.
        distortions: words for distortions.

    Raises:
        PartError: an empty list of words, a word outside LIQE's prompts.

    >>> head = JointPromptsHead(dim=8, text_width=8, text_layers=1)
    >>> [round(score, 4) for score in head(torch.zeros(2, 6, 8)).score_B.tolist()]  # every prompt is as likely
    [3.0, 3.0]
    """

    knobs = ("text_width", "text_layers")  # what match_budget may move
    examples = ({"text_width": 16, "text_layers": 1, "scenes": ("night",)},)

    @checked
    def __init__(
        self,
        *,
        dim: int,
        normalise: bool = True,
        text_width: Size = 512,
        text_layers: Depth = 12,
        qualities: Sequence[str] = QUALITIES,
        scenes: Sequence[str] = SCENES,
        distortions: Sequence[str] = DISTORTIONS,
    ):
        super().__init__()
        self.normalise = normalise
        self.qualities, self.scenes, self.distortions = tuple(qualities), tuple(scenes), tuple(distortions)
        for key in ("qualities", "scenes", "distortions"):
            if not getattr(self, key):
                raise PartError(f"{key} is empty; give at least one word")
        tower = TextTower(width=text_width, layers=text_layers, out_width=dim)
        self.text = PromptEmbeddings(tower=tower, prompts=joint_prompts(qualities, scenes, distortions))
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, queries_BND: Tensor) -> HeadOutput:
        logits_BNP = self._logits(queries_BND)
        return HeadOutput(self._score(logits_BNP.mean(1)), self._score(logits_BNP))

    def probabilities(self, queries_BND: Tensor) -> Tensor:
        """Return the probability of every prompt, B x qualities x scenes x distortions.

        >>> head = JointPromptsHead(dim=8, text_width=8, text_layers=1)
        >>> scene_BS = head.probabilities(torch.zeros(2, 6, 8)).sum((1, 3))
        >>> [head.scenes[i] for i in scene_BS.argmax(1)]
        ['animal', 'animal']
        """
        return self._joint(self._logits(queries_BND).mean(1))

    def compute_constants(self) -> None:
        """Compute what depends on no image, the embeddings of the prompts, now."""
        self.text()

    def _logits(self, queries_BND: Tensor) -> Tensor:
        queries_BND = F.normalize(queries_BND, dim=-1) if self.normalise else queries_BND
        logits_BNP: Tensor = self.logit_scale.exp() * queries_BND @ self.text().T
        return logits_BNP

    def _joint(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1).unflatten(-1, (len(self.qualities), len(self.scenes), len(self.distortions)))

    def _score(self, logits: Tensor) -> Tensor:
        level_Q = torch.arange(1, len(self.qualities) + 1, device=logits.device, dtype=logits.dtype)
        return (self._joint(logits).sum((-2, -1)) * level_Q).sum(-1)
