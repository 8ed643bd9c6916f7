"""What every part that reads a stage map needs: its channels, or the error that says which there are."""

from iqa_zoo.contracts import FeatureSpec
from iqa_zoo.errors import PartError


def stage_channels(features: FeatureSpec, stage: int) -> int:
    """Return the channels of a stage map.

    Raises:
        PartError: the backbone does not give this stage; says whether it could.
    """
    if stage in features.stages:
        return features.stages[stage].channels
    given = ", ".join(map(str, features.stages)) or "none"
    if stage in features.available_stages:
        wanted = tuple(sorted({*features.stages, stage}))
        raise PartError(f"needs stage {stage}, and backbone.stages asks for {given}; set backbone.stages to {wanted}")
    available = ", ".join(map(str, features.available_stages))
    raise PartError(f"needs stage {stage}, which the backbone lacks; it has the stages {available}")
