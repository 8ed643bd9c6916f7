from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from iqa_zoo.testing.inputs import randn
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.suite import Arguments


class BackboneContract(PartContract):
    """Backbones: image_BCHW -> Features that are what the spec says."""

    slot = "backbone"
    handed: ClassVar[dict[str, Any]] = {"pretrained": False}

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        return (randn(batch, 3, part.spec.image_size, part.spec.image_size, seed=seed),)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        maps = {f"maps.{stage}": value for stage, value in output.maps.items()}
        return {**maps, "tokens": output.tokens_BLC, "global": output.global_BC}

    def test_spec_says_what_comes(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments).eval()
        spec = part.spec
        sizes = [(spec.image_size,) * 2] + ([] if spec.fixed_size else [(spec.image_size, 2 * spec.image_size)])
        for height, width in sizes:
            with torch.no_grad():
                features = part(randn(2, 3, height, width))
            assert set(features.maps) == set(spec.stages) == set(arguments.get("stages", spec.stages))
            if spec.view == "whole":  # the same cells for an image of any size
                height = width = spec.image_size
            for stage, info in spec.stages.items():
                assert features.maps[stage].shape == (2, info.channels, height // info.stride, width // info.stride)
                assert stage in spec.available_stages
            assert features.tokens_BLC.ndim == 3
            assert features.tokens_BLC.shape[::2] == (2, spec.token_channels)
            assert features.global_BC.shape == (2, spec.global_channels)

    def test_token_stage_is_the_tokens(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments).eval()
        if part.spec.token_stage is None:
            pytest.skip("its tokens are something of their own")
        whole = self.make(name, {**arguments, "stages": (part.spec.token_stage,)}).eval()
        with torch.no_grad():
            features = whole(*self.inputs(whole, 2))
        assert torch.equal(features.maps[part.spec.token_stage].flatten(2).transpose(1, 2), features.tokens_BLC)

    def test_every_available_stage_can_be_asked_for_alone(self, name: str, arguments: Arguments) -> None:
        available = self.make(name, arguments).spec.available_stages
        for stage in available:
            part = self.make(name, {**arguments, "stages": (stage,)}).eval()
            with torch.no_grad():
                assert list(part(*self.inputs(part, 1)).maps) == [stage]

    def test_normalisation_is_per_channel(self, name: str, arguments: Arguments) -> None:
        spec = self.make(name, arguments).spec
        assert len(spec.mean) == len(spec.std) == 3
        assert all(0 <= value <= 1 for value in spec.mean)
        assert all(0 < value <= 1 for value in spec.std)
