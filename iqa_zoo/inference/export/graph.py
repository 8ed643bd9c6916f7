"""The graph that is exported: from the pixels of images to their scores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from iqa_zoo.data.decoded import make_channels
from iqa_zoo.inference.export.boxes import compute_boxes
from iqa_zoo.inference.export.resize import fit_images
from iqa_zoo.inference.export.same_padding import any_size
from iqa_zoo.inference.scaled_model import ScaledModel


class ScoreGraph(nn.Module):
    """What a scorer computes of images, with operators that do not depend on values.

    Args:
        model: in eval mode.
        crops: an image is scored as the mean of so many crops; not read where the model sees whole images.
        resizes: whether images that are too small or too large are resized; else the sides of images have to fit.
    """

    def __init__(self, model: ScaledModel, crops: int, *, resizes: bool):
        super().__init__()
        self.model, self.crops, self.resizes = model, crops, resizes

    def forward(self, image: Tensor) -> Tensor:
        """Return score_B, float32, of uint8 RGB images of one size, image_BHWC."""
        spec, scale = self.model.model.spec, self.model.scale
        fitted_BHWC = fit_images(image, spec) if self.resizes else image
        view_BCHW = self.cut(fitted_BHWC).permute(0, 3, 1, 2).float()
        shift_C11 = 255 * make_channels(spec.mean, view_BCHW.device)
        factor_C11 = 1 / (255 * make_channels(spec.std, view_BCHW.device))
        score_B: Tensor = self.model.model((view_BCHW - shift_C11) * factor_C11)
        return score_B.reshape(image.shape[0], -1).mean(1) * scale.spread + scale.center

    def cut(self, image_BHWC: Tensor) -> Tensor:
        """Return the views of images one after the other, those of an image together."""
        spec = self.model.model.spec
        if spec.view == "whole":
            return image_BHWC
        size = spec.image_size
        boxes_V2 = compute_boxes(image_BHWC.shape[1], image_BHWC.shape[2], size, self.crops)
        along_S = torch.arange(size)
        rows_VS, columns_VS = (boxes_V2[:, axis, None] + along_S for axis in (0, 1))
        crops_BVHWC = image_BHWC[:, rows_VS[:, :, None], columns_VS[:, None, :]]
        return crops_BVHWC.reshape(-1, size, size, 3)


def record_graph(graph: ScoreGraph) -> ExportedProgram:
    """Record the graph of any number of images of any size; without a resize in it, of any size that fits the model."""
    smallest = graph.model.model.spec.image_size
    image_BHWC = torch.zeros(2, smallest + 65, smallest + 102, 3, dtype=torch.uint8)
    least = 1 if graph.resizes else smallest
    sizes = {0: Dim("batch", min=1), 1: Dim("height", min=least), 2: Dim("width", min=least)}
    with torch.no_grad(), any_size():
        return torch.export.export(graph, (image_BHWC,), dynamic_shapes={"image": sizes}, strict=False)
