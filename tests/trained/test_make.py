"""A model that was trained on cached features gives the same scores from pixels, and says how good it is."""

import numpy as np
import pytest
import torch

from iqa_zoo.inference.load import load
from iqa_zoo.jsonio import to_json
from iqa_zoo.quality_model import GivenFeatures
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.trained.entry import read_trained
from iqa_zoo.trained.make import pool_bank
from iqa_zoo.trained.standardised import count_pooled, pool_features

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def scorer(released):
    return load("tiny.noise", "cpu", folder=released.folder)


@pytest.mark.slow
def test_features_of_the_bank_and_pixels_give_the_same_scores(released, scorer):
    """But for the half precision of the bank."""
    from_pixels = np.array([float(score) for score in scorer.score(list(released.data.paths))])
    model = scorer.model.model
    model.backbone.backbone = GivenFeatures(spec=model.spec)
    crops = [released.bank.take(np.arange(60), np.full(60, crop)) for crop in range(2)]
    with torch.no_grad():
        from_bank = np.mean([scorer.model.rescale(model(features)).numpy() for features in crops], axis=0)
    np.testing.assert_allclose(from_pixels, from_bank, atol=0.05)
    assert np.ptp(from_pixels) > 50


def test_standardised_features_are_those_of_a_standardised_bank(released, scorer):
    images, crop = np.array([3, 50]), np.array([0, 1])
    expected = released.bank.standardise(np.arange(60)).take(images, crop)
    found = scorer.model.model.backbone.standardise(released.bank.take(images, crop))
    for stage in (3, 4):
        torch.testing.assert_close(found.maps[stage], expected.maps[stage], rtol=0, atol=1e-5)
    torch.testing.assert_close(found.tokens_BLC, expected.tokens_BLC, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.global_BC, expected.global_BC, rtol=0, atol=1e-5)


def test_pooled_features_are_mean_and_deviation_over_cells_and_the_mean_over_crops(released):
    bank = released.bank
    pooled_NF = pool_bank(bank, np.array([5, 7]))
    assert pooled_NF.shape == (2, count_pooled(bank.spec))
    maps = [
        bank.arrays[f"map{stage}"][7].astype(np.float64) for stage in bank.spec.stages
    ]  # crops, rows, columns, channels
    means = [each.mean((1, 2)).mean(0) for each in maps]
    spreads = [np.log(each.std((1, 2)) + 0.05).mean(0) for each in maps]
    np.testing.assert_allclose(pooled_NF[1], np.concatenate([*means, *spreads]), rtol=1e-4, atol=1e-5)
    one, other = (pool_features(bank.take(np.array([5]), np.array([crop])), bank.spec.stages) for crop in (0, 1))
    np.testing.assert_allclose(pooled_NF[0], ((one + other) / 2)[0], rtol=1e-5, atol=1e-6)
    assert torch.equal(pool_features(bank.take(np.array([5]), np.array([0])), ())[0], bank.take([5], [0]).global_BC[0])


@pytest.mark.slow
def test_the_description_holds_what_was_measured_on_held_out_images(released, scorer):
    entry = read_trained("tiny.noise", released.folder)
    assert to_json(entry.to_dict()) == to_json(released.entry.to_dict())
    measured = entry.measured
    assert (measured.images, measured.splits, measured.test_share) == (60, 4, 0.2)
    assert measured.srocc.low < measured.srocc.mean < measured.srocc.high
    assert 0.8 < measured.srocc.mean < 1
    scores = [float(score) for score in scorer.score(list(released.data.paths))]
    assert srocc(scores, released.data.mos) > measured.srocc.mean - 0.02  # it has seen these images
    assert entry.milliseconds > 0
    assert entry.bytes == (released.folder / entry.file).stat().st_size
