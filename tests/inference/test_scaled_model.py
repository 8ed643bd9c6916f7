"""Scores of crops come back on the labels' scale."""

import pytest
import torch

from iqa_zoo.build import build_model
from iqa_zoo.data.decoded import normalise
from iqa_zoo.inference.scaled_model import ScaledModel, in_eval_mode
from iqa_zoo.training.label_scale import LabelScale

IMAGES = torch.randint(0, 256, (4, 3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def model(tiny):
    torch.manual_seed(0)
    tiny["backbone"]["image_size"] = 48
    return build_model(tiny).eval()


def test_scores_are_on_the_scale_of_the_labels_in_double_precision(model):
    raw = ScaledModel(model).score_crops(IMAGES)
    scaled = ScaledModel(model, scale=LabelScale(50.0, 20.0)).score_crops(IMAGES)
    torch.testing.assert_close(scaled, raw * 20 + 50)
    assert scaled.dtype == torch.float64
    with torch.no_grad():
        torch.testing.assert_close(raw.float(), model(normalise(IMAGES, model.spec.mean, model.spec.std)))


def test_every_part_gets_its_mode_back(model):
    scorer = ScaledModel(model)
    scorer.train()
    scorer.model.backbone.eval()
    modes = [part.training for part in scorer.modules()]
    with in_eval_mode(scorer):
        assert not any(part.training for part in scorer.modules())
    assert [part.training for part in scorer.modules()] == modes
