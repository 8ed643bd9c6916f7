import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.data.duplicates import SAME_IMAGE, compute_perceptual_hash, find_near_duplicates


def scene(seed):
    """A smooth random scene with a little grain, 96x128."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((128, 96), Image.Resampling.BICUBIC)).astype(float)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def compressed(image_HWC):
    file = io.BytesIO()
    Image.fromarray(image_HWC).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file))


def test_copies_are_found_and_other_scenes_are_not():
    images = [scene(0), scene(1), compressed(scene(0)), np.asarray(Image.fromarray(scene(1)).resize((64, 48)))]
    images += [np.clip(scene(0).astype(int) + 20, 0, 255).astype(np.uint8), *(scene(seed) for seed in range(2, 12))]
    hashes_IB = np.array([compute_perceptual_hash(image) for image in images])
    assert find_near_duplicates(hashes_IB) == [(0, 2), (0, 4), (1, 3), (2, 4)]


def test_a_mirrored_image_is_another():
    a, b = compute_perceptual_hash(scene(0)), compute_perceptual_hash(scene(0)[:, ::-1])
    assert (a != b).sum() > 4 * SAME_IMAGE


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(0, 10), st.integers(0, 10**6))
def test_pairs_agree_with_counting_bits(count, most, seed):
    hashes_IB = np.random.default_rng(seed).random((count, 12)) < 0.5
    expected = [
        (a, b) for a in range(count) for b in range(a + 1, count) if (hashes_IB[a] != hashes_IB[b]).sum() <= most
    ]
    assert find_near_duplicates(hashes_IB, most) == expected


def test_more_images_than_a_block():
    hashes_IB = np.random.default_rng(0).random((1500, 256)) < 0.5
    hashes_IB[1400] = hashes_IB[3]
    assert find_near_duplicates(hashes_IB) == [(3, 1400)]
