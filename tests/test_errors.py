"""Messages say where, what was given, the closest choice, and what to do."""

import pytest
import torch

from iqa_zoo import build_model, errors
from iqa_zoo.errors import ConfigError, InputError, IqaZooError, closest, not_one_of


def test_every_error_is_one_family_and_a_value_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 8
    assert all(issubclass(kind, IqaZooError) for kind in kinds)
    assert issubclass(IqaZooError, ValueError)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("corss_attention", "; did you mean 'cross_attention'?"), ("MOE", "; did you mean 'moe'?"), ("xyzzy", "")],
)
def test_closest(given, hint):
    assert closest(given, ["moe", "linear", "cross_attention"]) == hint


def test_a_name_outside_a_list_says_given_closest_and_all():
    assert not_one_of("linaer", ["moe", "linear"], "head") == (
        "unknown head 'linaer'; did you mean 'linear'? Known: linear, moe"
    )
    assert not_one_of("x", [], "head") == "unknown head 'x'. Known: none"


def test_a_config_error_counts_and_lists():
    assert str(ConfigError(["a: bad"], title="mine.yaml")) == "1 problem in mine.yaml:\n  - a: bad"
    error = ConfigError(["a: bad", "b: worse"])
    assert str(error) == "2 problems in the config:\n  - a: bad\n  - b: worse"
    assert error.problems == ["a: bad", "b: worse"]


@pytest.fixture
def cnn(tiny):
    return build_model(tiny).eval()


@pytest.fixture
def vit(tiny):
    return build_model(tiny, overrides={"backbone.name": "test_vit"}).eval()


def test_an_image_below_the_input_size_is_told_how_to_grow(cnn):
    with pytest.raises(InputError) as caught:
        cnn(torch.zeros(1, 3, 100, 320))
    message = str(caught.value)
    assert "the image is 100x320 and this model's input is 160x160" in message
    assert "resize it so that its short side is at least 160 (factor 1.6)" in message
    assert "backbone.image_size" in message


@pytest.mark.parametrize("shape", [(1, 1, 160, 160), (1, 4, 160, 160), (3, 160, 160), (1, 160, 160, 3)])
def test_what_is_not_a_batch_of_rgb_images_is_told_how_to_become_one(cnn, shape):
    with pytest.raises(InputError) as caught:
        cnn(torch.zeros(shape))
    message = str(caught.value)
    assert f"got a tensor of shape {shape}" in message
    assert "image[None]" in message
    assert "repeat a grey image over 3 channels" in message


@pytest.mark.parametrize("size", [(192, 192), (160, 192), (192, 160)])
def test_an_image_above_a_fixed_size_is_told_to_be_cropped(vit, cnn, size):
    with pytest.raises(InputError) as caught:
        vit(torch.zeros(1, 3, *size))
    message = str(caught.value)
    assert f"the image is {size[0]}x{size[1]} and this model takes exactly 160x160" in message
    assert "crops" in message
    assert cnn(torch.zeros(1, 3, *size)).shape == (1,)


def test_an_image_below_a_fixed_size_is_told_how_to_grow(vit):
    with pytest.raises(InputError, match=r"the image is 100x160 .* at least 160"):
        vit(torch.zeros(1, 3, 100, 160))
