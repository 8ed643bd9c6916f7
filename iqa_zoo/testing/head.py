from collections import ChainMap
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from iqa_zoo.contracts import FeatureSpec, Fits, HeadOutput, has_flag
from iqa_zoo.testing.inputs import STAGES, fake_features, perturbed, randn
from iqa_zoo.testing.part import PartContract
from iqa_zoo.testing.routing import check_choice, per_image
from iqa_zoo.testing.suite import Arguments

N, D = 6, 24


class HeadContract(PartContract):
    """Heads: queries_BND -> HeadOutput with a score an image, whatever the number of queries."""

    slot = "head"
    handed: ClassVar[dict[str, Any]] = {
        "dim": D,
        "num_queries": N,
        "features": FeatureSpec(STAGES, token_channels=10, global_channels=12, image_size=64),
    }

    def inputs(self, part: Any, batch: int, seed: int = 0) -> tuple[Any, ...]:
        return self.given(part, randn(batch, N, D, seed=seed), seed)

    def given(self, part: Any, queries_BND: Tensor, seed: int = 0) -> tuple[Any, ...]:
        """The queries, with the features for a head that reads them."""
        needs_features = has_flag(part, "needs_features")
        return (queries_BND, fake_features(len(queries_BND), seed)) if needs_features else (queries_BND,)

    def tensors(self, output: Any) -> dict[str, Tensor]:
        routing = [per_image(f"routing.{i}", mixture, N) for i, mixture in enumerate(output.routing)]
        return {"score_B": output.score_B, "score_BN": output.score_BN, **dict(ChainMap(*routing))}

    @pytest.mark.parametrize("count", [1, 6, 9])
    def test_shapes(self, name: str, arguments: Arguments, count: int) -> None:
        part = self.make(name, arguments, num_queries=count)
        output = part(*self.given(part, randn(5, count, D)))
        assert isinstance(output, HeadOutput)
        assert output.score_B.shape == (5,)
        assert output.score_BN.shape[0] == 5
        assert output.score_BN.shape[1] in (1, count)

    def test_routing_is_a_choice(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        routing = part(*self.inputs(part, 4)).routing
        assert bool(routing) == has_flag(part, "routes")
        for mixture in routing:
            check_choice(mixture, tokens=4 * N)

    def test_what_is_fitted_predicts(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments).eval()
        fit = part.fit if isinstance(part, Fits) else None
        if fit is None:
            return  # it is trained
        queries_BND = randn(60, N, D)
        score_B = 50 + 3 * queries_BND.mean(1)[:, 0]
        fit(queries_BND, score_B)
        with torch.no_grad():
            error_B = part(*self.given(part, queries_BND)).score_B - score_B
        assert error_B.square().mean() < 0.25 * score_B.var()
