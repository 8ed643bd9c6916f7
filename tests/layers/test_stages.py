import pytest

from iqa_zoo.contracts import FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.layers.stages import stage_channels

SPEC = FeatureSpec({3: StageInfo(20, 16)}, 10, 10, 224, available_stages=(2, 3, 4))


def test_channels():
    assert stage_channels(SPEC, 3) == 20


def test_stage_that_was_not_asked_for():
    with pytest.raises(PartError, match=r"needs stage 2, and backbone.stages asks for 3; set .* to \(2, 3\)"):
        stage_channels(SPEC, 2)


def test_stage_that_does_not_exist():
    with pytest.raises(PartError, match="needs stage 1, which the backbone lacks; it has the stages 2, 3, 4"):
        stage_channels(SPEC, 1)
