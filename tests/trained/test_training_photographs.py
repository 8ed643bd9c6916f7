"""Distances from the training photographs, and near-duplicates of them."""

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.duplicates import compute_perceptual_hash
from iqa_zoo.errors import CheckpointError
from iqa_zoo.trained.training_photographs import FeatureDistribution, find_look_alike, fit_distribution


@pytest.fixture
def pooled_NF():
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 3)) @ rng.normal(size=(3, 40)) * 5 + rng.normal(size=(500, 40)) + 3


def test_all_components_give_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    pooled_NF = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 4))
    distribution = fit_distribution(pooled_NF, components=4)
    assert len(distribution.components_KF) == 2  # at most half of the features
    full = FeatureDistribution(*_fit_all(pooled_NF), rest=1.0)
    offset_NF = pooled_NF - pooled_NF.mean(0)
    expected = np.sqrt(
        np.einsum("nf,fg,ng->n", offset_NF, np.linalg.inv(np.cov(pooled_NF.T, bias=True)), offset_NF) / 4
    )
    np.testing.assert_allclose(full.measure_distances(pooled_NF), expected, rtol=1e-4)


def _fit_all(pooled_NF):
    mean, deviation = pooled_NF.mean(0), pooled_NF.std(0)
    _, values, directions = np.linalg.svd((pooled_NF - mean) / deviation, full_matrices=False)
    return mean, deviation, directions, values**2 / len(pooled_NF)


def test_typical_images_are_near_one_and_others_far(pooled_NF):
    distribution = fit_distribution(pooled_NF[:400], components=3)
    held_out = distribution.measure_distances(pooled_NF[400:])
    assert 0.9 < np.median(held_out) < 1.1
    across = pooled_NF[400:] + 20 * np.eye(40)[0]  # beside the main directions
    assert np.median(distribution.measure_distances(across)) > np.quantile(held_out, 0.9)


def test_a_constant_feature_counts_nothing(pooled_NF):
    with_constant = np.concatenate([pooled_NF, np.full((500, 1), 7.0)], axis=1)
    distances = fit_distribution(with_constant, components=3).measure_distances(with_constant)
    plain = fit_distribution(pooled_NF, components=3).measure_distances(pooled_NF)
    assert np.isfinite(distances).all()
    assert np.corrcoef(distances, plain)[0, 1] > 0.99


def test_it_is_kept_as_arrays(pooled_NF):
    distribution = fit_distribution(pooled_NF)
    again = FeatureDistribution.from_arrays(distribution.to_arrays())
    np.testing.assert_allclose(again.measure_distances(pooled_NF), distribution.measure_distances(pooled_NF), rtol=1e-5)
    arrays = distribution.to_arrays()
    del arrays["components"]
    with pytest.raises(CheckpointError, match="lacks components"):
        FeatureDistribution.from_arrays(arrays)


def test_a_smaller_copy_is_a_look_alike_and_another_photograph_is_not():
    rng = np.random.default_rng(0)
    photographs = [rng.integers(0, 256, (8, 9, 3), dtype=np.uint8) for _ in range(3)]
    large = [np.array(Image.fromarray(photo).resize((180, 160), Image.Resampling.BICUBIC)) for photo in photographs]
    hashes_NB = np.stack([np.packbits(compute_perceptual_hash(image_HWC)) for image_HWC in large[:2]])
    smaller = np.array(Image.fromarray(large[1]).resize((90, 80)))
    assert find_look_alike(smaller, hashes_NB, ("a.png", "b.png")) == "b.png"
    assert find_look_alike(large[2], hashes_NB, ("a.png", "b.png")) == ""
    assert find_look_alike(smaller, hashes_NB[:0], ()) == ""
