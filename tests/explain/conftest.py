"""Small models with and without what can be explained, and a run of each kind in milliseconds."""

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo.build import build_model
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.training.label_scale import LabelScale

SIZE = 64


@pytest.fixture(scope="module", autouse=True)
def on_one_thread(one_thread):
    pass


@pytest.fixture
def cfg(tiny):
    """Two layers of the decoder on a small backbone."""
    tiny["backbone"]["image_size"] = SIZE
    tiny["interactions"] *= 2
    return tiny


@pytest.fixture
def make(cfg):
    """A scorer of the config with every decoder parameter moved off its start; labels from 0 to 100."""

    def of(changes=None, noise=0.5):
        torch.manual_seed(0)
        model = build_model(cfg, overrides=changes)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if not name.startswith("backbone."):
                    parameter.add_(noise * torch.randn_like(parameter))
        return ScaledModel(model, scale=LabelScale(50.0, 20.0)).eval()

    return of


@pytest.fixture
def photo(tmp_path):
    """An image of 70 rows and 90 columns."""
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"
