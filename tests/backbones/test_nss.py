import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from iqa_zoo.backbones.nss import NaturalSceneStatistics
from iqa_zoo.contracts import Backbone, StageInfo
from iqa_zoo.data.demo import REFERENCES, degrade, read_reference
from iqa_zoo.errors import PartError
from iqa_zoo.layers.scene_statistics import LEVEL_STATISTICS, LUMA_STATISTICS, mscn, opponents

CHANNELS = 121
NAMES = (*LEVEL_STATISTICS, *(f"0 {name}" for name in LUMA_STATISTICS))  # the first channels: full size


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_reference(REFERENCES[0])[0]


def batch(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def raw(vector: torch.Tensor, name: str) -> float:
    """A statistic of luma at full size, or of levels, before it was standardised."""
    key = name.removeprefix("0 ")
    centre, spread = (LEVEL_STATISTICS if key in LEVEL_STATISTICS else LUMA_STATISTICS)[key]
    return float(vector[NAMES.index(name)]) * spread + centre


def mscn_by_scipy(grey: np.ndarray) -> np.ndarray:
    def smooth(values):
        return ndimage.gaussian_filter(values, 7 / 6, radius=3, mode="nearest")

    mean = smooth(grey)
    return (grey - mean) / (np.sqrt(np.maximum(smooth(grey**2) - mean**2, 0) + 1e-4) + 1)


def test_mscn_agrees_with_scipy(photo):
    grey = photo @ np.array([0.299, 0.587, 0.114]) - 127.5
    luma, _ = opponents(batch(photo))
    ours, _ = mscn(luma, NaturalSceneStatistics().window)
    np.testing.assert_allclose(ours[0, 0], mscn_by_scipy(grey), atol=5e-3)


def test_global_statistics_are_moments_of_the_mscn_of_scipy(photo):
    coefficients = mscn_by_scipy(photo @ np.array([0.299, 0.587, 0.114]) - 127.5)
    vector = NaturalSceneStatistics()(batch(photo)).global_BC[0]
    square, magnitude = np.square(coefficients).mean(), np.abs(coefficients).mean()
    assert raw(vector, "0 variance") == pytest.approx(np.log(square + 0.01), abs=1e-3)
    assert raw(vector, "0 shape") == pytest.approx(np.log(square + 1e-4) - 2 * np.log(magnitude + 0.01), abs=1e-3)
    product = (coefficients[:, :-1] * coefficients[:, 1:]).mean()  # the border column, paired with itself, is left out
    assert raw(vector, "0 row_mean") == pytest.approx(product / (square + 0.01), abs=0.01)
    diagonal = (coefficients[:-1, 1:] * coefficients[1:, :-1]).mean()
    assert raw(vector, "0 antidiagonal_mean") == pytest.approx(diagonal / (square + 0.01), abs=0.01)


def test_opponents_by_hand():
    luma, chroma = opponents(torch.tensor([1.0, 0.5, 0.2]).view(1, 3, 1, 1))
    assert luma.item() == pytest.approx(255 * (0.299 + 0.587 * 0.5 + 0.114 * 0.2) - 127.5, rel=1e-5)
    assert chroma.flatten().tolist() == pytest.approx([255 * 0.25, 255 * (1.5 / 4 - 0.1)], rel=1e-5)


@pytest.mark.parametrize("size", [(224, 224), (32, 32), (33, 65), (250, 201)])
def test_shapes_and_spec(size):
    backbone = NaturalSceneStatistics(stages=(4, 1, 2, 3))
    assert isinstance(backbone, Backbone)
    features = backbone(noise(2, 3, *size))
    for stage, info in backbone.spec.stages.items():
        assert info == StageInfo(CHANNELS, 2 ** (stage + 1))
        assert features.maps[stage].shape == (2, CHANNELS, -(-size[0] // info.stride), -(-size[1] // info.stride))
    assert features.tokens_BLC.shape == (2, features.maps[4][0, 0].numel(), backbone.spec.token_channels)
    assert features.global_BC.shape == (2, backbone.spec.global_channels)
    assert torch.equal(features.tokens_BLC, features.maps[4].flatten(2).transpose(1, 2))
    assert not list(backbone.parameters())
    assert not backbone.state_dict()


def test_input_is_rgb_in_0_to_1_of_any_size():
    spec = NaturalSceneStatistics().spec
    assert (spec.mean, spec.std, spec.fixed_size) == ((0, 0, 0), (1, 1, 1), False)


def test_a_stage_does_not_depend_on_which_others_are_asked_for(photo):
    alone = NaturalSceneStatistics(stages=(4,))(batch(photo))
    among = NaturalSceneStatistics(stages=(1, 3, 4))(batch(photo))
    assert list(alone.maps) == [4]
    torch.testing.assert_close(alone.maps[4], among.maps[4], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(alone.global_BC, among.global_BC)


@pytest.mark.parametrize("picture", ["black", "white", "grey", "red", "half", "checkers", "one pixel"])
def test_values_and_gradients_are_finite(picture):
    image = torch.zeros(1, 3, 64, 64)
    if picture == "white":
        image += 1
    elif picture == "grey":
        image += 0.5
    elif picture == "red":
        image[:, 0] = 1
    elif picture == "half":
        image[..., 32:] = 1
    elif picture == "checkers":
        image[..., ::2, ::2] = image[..., 1::2, 1::2] = 1
    elif picture == "one pixel":
        image[..., 30, 30] = 1
    image.requires_grad_()
    features = NaturalSceneStatistics(stages=(1, 2, 3, 4))(image)
    outputs = [features.global_BC, *features.maps.values()]
    assert all(value.isfinite().all() for value in outputs)
    # the checkers vanish at half size: the largest change of contrast there can be
    assert max(value.abs().max() for value in outputs) < 60
    sum(value.square().sum() for value in outputs).backward()
    assert image.grad.isfinite().all()


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1), st.sampled_from([40, 64, 97]))
@settings(max_examples=10, deadline=None)
def test_an_image_has_the_same_features_alone_and_in_a_batch(seed, size):
    images = noise(3, 3, size, size, seed=seed)
    backbone = NaturalSceneStatistics()
    together = backbone(images)
    alone = backbone(images[1:2])
    torch.testing.assert_close(together.global_BC[1:2], alone.global_BC, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(together.tokens_BLC[1:2], alone.tokens_BLC, atol=1e-3, rtol=1e-3)


def test_is_deterministic_and_the_same_in_training_mode(photo):
    backbone = NaturalSceneStatistics()
    first = backbone.train()(batch(photo))
    second = backbone.eval()(batch(photo))
    assert torch.equal(first.global_BC, second.global_BC)
    assert torch.equal(first.tokens_BLC, second.tokens_BLC)


def test_mirroring_the_image_mirrors_the_maps(photo):
    backbone = NaturalSceneStatistics(stages=(3,))
    image = batch(photo)
    straight, mirrored = backbone(image).maps[3], backbone(image.flip(-1)).maps[3].flip(-1)
    same = [i for i, name in enumerate(NAMES) if not any(part in name for part in ("diagonal", "row", "block"))]
    torch.testing.assert_close(straight[:, same], mirrored[:, same], atol=0.02, rtol=0.02)


def test_features_are_of_order_one_on_a_photograph(photo):
    features = NaturalSceneStatistics()(batch(photo, degrade(photo, "jpeg", 8), degrade(photo, "gaussian_blur", 1.6)))
    for values in (features.tokens_BLC, features.global_BC):
        assert values.abs().mean() < 1.5
        assert values.abs().max() < 15


@pytest.mark.parametrize(
    ("kind", "amount", "statistic", "rises"),
    [
        ("gaussian_blur", 1.6, "0 laplacian", False),
        ("gaussian_blur", 1.6, "0 row_mean", True),
        ("white_noise", 18, "0 flatness", False),
        ("white_noise", 18, "0 row_mean", False),
        ("jpeg", 8, "block_rows", True),
        ("jpeg", 8, "block_columns", True),
        ("jpeg", 8, "0 flatness", True),
        ("contrast", 0.35, "rms_contrast", False),
        ("contrast", 0.35, "white_point", False),
        ("contrast", 0.35, "black_point", False),
    ],
)
def test_degradations_move_the_statistics_that_were_made_for_them(photo, kind, amount, statistic, rises):
    pristine, degraded = NaturalSceneStatistics()(batch(photo, degrade(photo, kind, amount))).global_BC
    change = raw(degraded, statistic) - raw(pristine, statistic)
    assert (change > 0.01) if rises else (change < -0.01)


def test_degrading_one_half_changes_the_cells_of_that_half(photo):
    halved = photo.copy()
    halved[:, 112:] = degrade(photo, "white_noise", 30)[:, 112:]
    backbone = NaturalSceneStatistics(stages=(3,))
    change = (backbone(batch(halved)).maps[3] - backbone(batch(photo)).maps[3]).abs().mean(1)[0]
    assert change[:, :5].max() < 0.1
    assert change[:, 9:].mean() > 0.3


def test_unknown_stage_is_an_error_that_names_the_stages():
    with pytest.raises(PartError, match=r"'nss' has no stage 5.*1, 2, 3, 4"):
        NaturalSceneStatistics(stages=(3, 5))


def test_image_size_below_the_smallest_is_an_error():
    with pytest.raises(PartError, match=r"image_size 16 is too small.*32"):
        NaturalSceneStatistics(image_size=16)


def test_statistics_are_in_single_precision_under_autocast():
    """A local variance is a small difference of large numbers, of which bfloat16 leaves nothing."""
    backbone, image_BCHW = NaturalSceneStatistics(), noise(2, 3, 64, 64)
    expected = backbone(image_BCHW)
    with torch.autocast("cpu", torch.bfloat16):
        for given in (image_BCHW, image_BCHW.bfloat16().float()):
            found = backbone(given)
            assert found.global_BC.dtype == torch.float32
    torch.testing.assert_close(backbone(image_BCHW).global_BC, expected.global_BC, rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(backbone(image_BCHW).global_BC, expected.global_BC, rtol=0, atol=0)
