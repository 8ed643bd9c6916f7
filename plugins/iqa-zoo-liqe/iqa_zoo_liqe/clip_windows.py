"""CLIP's image tower on windows of an image that is larger than its input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from iqa_zoo.contracts import Features
from iqa_zoo.values import Count, Pixels, Size, checked
from iqa_zoo_liqe.clip_image import ClipImage


class ClipWindows(ClipImage):
    """The mean over windows of an image of any size of the embeddings that ``clip_image`` gives them, as LIQE tests.

    Windows of the tower's input size lie every ``step`` pixels; of the P there are, row by row, ``crops`` are taken. The
    mean has a length below one: a head that multiplies it with vectors of texts averages the logits of the windows.
    Tokens are those of the windows taken, one window after the other; there are no stage maps.

    ``choice="spread"`` takes every (P // crops)-th window from the first on, or all where there are fewer than ``crops``:
    the rule of LIQE's evaluation. ``choice="released"`` is what the model that its authors hand out does: it takes
    every (B // crops)-th, where B is the images in the batch, so that fewer than 15 images are each judged by their
    upper left window alone. Where that leads past the last window the released code fails; here the last is taken.

    Differs from the released code in that a window that is taken several times is computed once.

    Args:
        name: timm's model name.
        width: of the embedding.
        crops: windows to take.
        step: pixels from one window to the next.
        choice: which windows are taken.
        model_args: arguments that timm's model takes.
        pretrained: fetch timm's weights. Handed down by ``build_model``.

    Raises:
        PartError: no such model in timm, or arguments that it does not take.
        CheckpointError: the weights cannot be fetched.

    >>> backbone = ClipWindows(name="test_vit", width=8, crops=4)
    >>> features = backbone(torch.rand(2, 3, 200, 256))  # 2 x 4 windows of 160, 10 x 10 tokens each
    >>> features.global_BC.shape, features.tokens_BLC.shape
    (torch.Size([2, 8]), torch.Size([2, 400, 64]))
    """

    examples = ({"name": "test_vit", "width": 8, "crops": 3},)

    @checked
    def __init__(
        self,
        *,
        name: str = "vit_base_patch32_clip_quickgelu_224.openai",
        width: Size = 512,
        crops: Count = 15,
        step: Pixels = 32,
        choice: Literal["spread", "released"] = "spread",
        model_args: Mapping[str, Any] | None = None,
        pretrained: bool = False,
    ):
        super().__init__(name=name, width=width, model_args=model_args, pretrained=pretrained)
        self.crops, self.step, self.choice = crops, step, choice
        if choice == "released":
            self.no_graph = "choice='released' takes windows by the number of images in a batch; use choice='spread'"
        self.spec = replace(self.spec, fixed_size=False, available_stages=(), token_stage=None)

    def forward(self, image_BCHW: Tensor) -> Features:
        size = self.spec.image_size
        images = len(image_BCHW) if self.choice == "released" else 0  # it would fix the batch of a graph
        rows, columns = ((int(length) - size) // self.step + 1 for length in image_BCHW.shape[2:])
        times = Counter(self._chosen(rows * columns, images))  # window -> how often it counts
        corners = [(self.step * (window // columns), self.step * (window % columns)) for window in times]
        windows = [image_BCHW[:, :, top : top + size, left : left + size] for top, left in corners]
        features = super().forward(torch.stack(windows, 1).flatten(0, 1))
        tokens_BWLC = features.tokens_BLC.unflatten(0, (-1, len(times)))
        embedding_BWC = features.global_BC.unflatten(0, (-1, len(times)))
        weight_W = torch.cat([embedding_BWC.new_full((1,), count) for count in times.values()]) / times.total()
        return Features({}, tokens_BWLC.flatten(1, 2), (weight_W[:, None] * embedding_BWC).sum(1))

    def _chosen(self, there: int, images: int) -> list[int]:
        """The windows to take, of as many as there are."""
        if self.choice == "released":
            return [min(images // self.crops * i, there - 1) for i in range(self.crops)]
        crops = min(self.crops, there)
        return [there // crops * i for i in range(crops)]
