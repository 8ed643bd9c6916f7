"""A score depends on its image and the model: not on order, company, threads or what was scored before."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.build import build_model
from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.images import read_image
from iqa_zoo.errors import InputError
from iqa_zoo.inference.predict import predict, score_image
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.training.label_scale import LabelScale


@pytest.fixture
def scorer(model, one_thread):
    torch.manual_seed(0)
    return ScaledModel(build_model(model), scale=LabelScale(50, 20)).eval()


@pytest.mark.slow
def test_order_and_company_do_not_matter(scorer, data):
    everything = predict(scorer, data, np.arange(12), crops=2)
    assert len(set(everything.tolist())) == 12

    @settings(max_examples=10)
    @given(st.lists(st.integers(0, 11), min_size=1, max_size=6, unique=True))
    def any_of_them(indices):
        np.testing.assert_array_equal(predict(scorer, data, indices, crops=2), everything[indices])

    any_of_them()


def test_it_is_the_mean_over_the_crops_of_the_image_alone(scorer, data, monkeypatch):
    seen, score = [], ScaledModel.score_crops
    monkeypatch.setattr(ScaledModel, "score_crops", lambda self, crops: (seen.append(crops), score(self, crops))[1])
    scores = predict(scorer, data, [4, 2], crops=3)
    assert [tuple(crops.shape) for crops in seen] == [(3, 3, 48, 48)] * 2
    by_hand = [np.mean([score(scorer, crop[None]).item() for crop in crops]) for crops in seen]
    np.testing.assert_allclose(scores, by_hand, rtol=1e-5)
    assert len({crop.numpy().tobytes() for crop in seen[0]}) == 3


@pytest.mark.slow
def test_threads_of_torch_change_no_bit(scorer, data):
    one = predict(scorer, data, np.arange(12), crops=2)
    torch.set_num_threads(4)
    np.testing.assert_array_equal(predict(scorer, data, np.arange(12), crops=2), one)
    assert score_image(scorer, read_image(data.paths[5]), 2) == one[5]


def test_twice_the_same_and_the_model_is_left_as_it_was(scorer, data):
    images = DecodedImages(data)
    scorer.train()
    generator = torch.get_rng_state()
    first = predict(scorer, data, np.arange(4), crops=2, images=images)
    assert scorer.training
    torch.testing.assert_close(torch.get_rng_state(), generator)
    assert all(parameter.grad is None for parameter in scorer.parameters())
    np.testing.assert_array_equal(predict(scorer.eval(), data, np.arange(4), crops=2), first)
    assert not scorer.training


def test_progress_counts_images(scorer, data):
    seen = []
    predict(scorer, data, np.arange(3), crops=1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_no_image_no_score(scorer, data):
    assert predict(scorer, data, [], crops=2).shape == (0,)


def test_a_broken_image_is_named_and_the_model_trains_on(scorer, data):
    data.paths[2].write_bytes(data.paths[2].read_bytes()[:600])
    scorer.train()
    with pytest.raises(InputError, match=r"2\.png is truncated"):
        predict(scorer, data, np.arange(4), crops=1)
    assert scorer.training
