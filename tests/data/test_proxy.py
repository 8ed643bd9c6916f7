import numpy as np
import pytest

from iqa_zoo.data.proxy import compute_mdsi, compute_proxy_scores


def noisy(level: float) -> np.ndarray:
    grey = np.full((48, 40, 3), 128.0)
    grey[12:30, 8:25] = (200, 90, 40)
    return np.clip(grey + level * np.random.default_rng(0).standard_normal(grey.shape), 0, 255).astype(np.uint8)


def plain_mdsi(reference, distorted):
    """The paper's equations, pixel by pixel."""

    def channels(image):
        r, g, b = (image[..., i].astype(float) for i in range(3))
        return 0.2989 * r + 0.5870 * g + 0.1140 * b, 0.30 * r + 0.04 * g - 0.35 * b, 0.34 * r - 0.60 * g + 0.17 * b

    def gradient(luma):
        padded = np.pad(luma, 1, mode="edge")
        out = np.zeros_like(luma)
        for y in range(luma.shape[0]):
            for x in range(luma.shape[1]):
                square = padded[y : y + 3, x : x + 3]
                across = (square[:, 2] - square[:, 0]).sum() / 3
                down = (square[2] - square[0]).sum() / 3
                out[y, x] = np.hypot(across, down)
        return out

    (l1, h1, m1), (l2, h2, m2) = channels(reference), channels(distorted)
    g1, g2, gf = gradient(l1), gradient(l2), gradient((l1 + l2) / 2)
    gs12 = (2 * g1 * g2 + 140) / (g1**2 + g2**2 + 140)
    gs13 = (2 * g1 * gf + 55) / (g1**2 + gf**2 + 55)
    gs23 = (2 * g2 * gf + 55) / (g2**2 + gf**2 + 55)
    cs = (2 * (h1 * h2 + m1 * m2) + 550) / (h1**2 + h2**2 + m1**2 + m2**2 + 550)
    gcs = 0.6 * (gs12 + gs23 - gs13) + 0.4 * cs
    root = np.maximum(gcs, 0) ** 0.25
    return np.abs(root - root.mean()).mean() ** 0.25


def test_mdsi_is_that_of_the_papers_equations():
    assert compute_mdsi(noisy(0), noisy(25)) == pytest.approx(plain_mdsi(noisy(0), noisy(25)), abs=1e-12)


def test_mdsi_is_zero_for_equal_images_and_grows_with_noise():
    values = [compute_mdsi(noisy(0), noisy(level)) for level in (0, 5, 15, 40)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[-1] < 0.5**0.25


def test_mdsi_is_symmetric_up_to_its_directed_gradient_term():
    assert compute_mdsi(noisy(0), noisy(20)) != compute_mdsi(noisy(20), noisy(0))


def test_score_is_half_own_and_half_that_of_the_degradation():
    # by hand: the mean of 0.3 and 0.5 is 0.4; (0.3 + 0.4) / 2 = 0.35, (0.5 + 0.4) / 2 = 0.45
    scores = compute_proxy_scores([0.3, 0.5, 0.1], [("jpeg", 1), ("jpeg", 1), ("blur", 2)])
    np.testing.assert_allclose(scores, 100 - 100 * np.array([0.35, 0.45, 0.1]) / 0.8408964152537145)


def test_order_of_images_does_not_matter():
    own, kinds = np.array([0.1, 0.4, 0.2, 0.3]), ["a", "b", "a", "b"]
    order = [2, 0, 3, 1]
    np.testing.assert_array_equal(
        compute_proxy_scores(own, kinds)[order], compute_proxy_scores(own[order], [kinds[i] for i in order])
    )
