"""What a model must hold to: the function that returns its config, and what is built from it."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_model
from torch import Tensor

from iqa_zoo.budgets import measure_budget
from iqa_zoo.build import build_model
from iqa_zoo.config import check_config, model_config
from iqa_zoo.contracts import HasNoGraph
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.registry import MODELS
from iqa_zoo.testing.fake_device import Kind, fake_device, make_fake, move_to_fake
from iqa_zoo.testing.graph import RECORDERS, quiet
from iqa_zoo.testing.inputs import perturbed, randn
from iqa_zoo.testing.suite import Arguments, Suite
from iqa_zoo.testing.witness import macs_by_torch


class ModelContract(Suite):
    """Models: a function without arguments -> a complete config dict, that builds, counts, learns and loads.

    The config is checked and counted as it is. What is built and trained is as its ``examples`` say: overrides that make
    it small, a config path and a value each; where there are none, the model itself.
    """

    slot = "models"
    tolerance = 1e-4

    def make(self, name: str, arguments: Arguments, seed: int = 0) -> QualityModel:
        torch.manual_seed(seed)
        return build_model(name, overrides=arguments)

    def images(self, model: QualityModel, batch: int, seed: int = 0) -> Tensor:
        return randn(batch, 3, model.spec.image_size, model.spec.image_size, seed=seed)

    def test_is_a_documented_function_without_arguments(self, name: str) -> None:
        function = MODELS.get(name)
        needed = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        assert not needed, f"it needs {', '.join(needed)}"
        first = (inspect.getdoc(function) or "").split("\n\n")[0]
        assert first, f"{name} has no docstring"
        assert first.endswith((".", ":"))
        assert "\n" not in first, "the first sentence is one line, as listings show it"

    def test_config_is_valid(self, name: str) -> None:
        assert check_config(model_config(name)) == []

    def test_config_is_a_fresh_one_each_time(self, name: str) -> None:
        function = MODELS.get(name)
        first, second = function(), function()
        assert first == second
        first.clear()
        assert function() == second

    def test_budget_of_the_model_itself_is_known(self, name: str) -> None:
        budget = measure_budget(name)
        assert budget.params > 0
        assert sum(part.macs for part in budget.by_slot.values()) == budget.macs

    def test_budget_counts_every_operator_as_torch_does(self, name: str, arguments: Arguments) -> None:
        model = self.make(name, arguments).eval()
        counted, expected = measure_budget(model).macs, macs_by_torch(model, self.images(model, 1))
        assert counted == pytest.approx(expected, rel=1e-3), f"{counted} MACs by formula, {expected} by torch's counter"
        assert measure_budget(model).params == sum(p.numel() for p in model.parameters())

    @pytest.mark.parametrize("kind", ["cuda", "meta"])
    def test_makes_no_tensor_on_the_cpu(self, name: str, arguments: Arguments, kind: Kind) -> None:
        """On a device without values: the losses of images, and a score; the backward pass on meta alone."""
        model = self.make(name, arguments)
        image_BCHW, mos_B = self.images(model, 3), randn(3)
        with fake_device(kind):
            move_to_fake(model, kind)
            image_BCHW, mos_B = make_fake(image_BCHW, kind), make_fake(mos_B, kind)
            total = model.train().loss(image_BCHW, mos_B)["total"]
            if kind == "meta":
                total.backward()
            with torch.no_grad():
                score_B = model.eval()(image_BCHW)
        assert {total.device.type, score_B.device.type} == {kind}

    @pytest.mark.parametrize("recorder", list(RECORDERS))
    def test_graph_is_right_on_other_images(self, name: str, arguments: Arguments, recorder: str) -> None:
        model = perturbed(self.make(name, arguments)).eval()
        if reasons := [part.no_graph for part in model.modules() if isinstance(part, HasNoGraph)]:
            pytest.skip(str(reasons[0]))
        with quiet():
            graph = RECORDERS[recorder](model, (self.images(model, 1),))
            batches = [1, 1, 1, *([3] if recorder == "torch.jit.trace" else [])]
            for seed, batch in enumerate(batches, 1):
                image_BCHW = self.images(model, batch, seed)
                assert torch.allclose(model(image_BCHW), graph(image_BCHW), atol=self.tolerance, rtol=self.tolerance)

    def test_scores_a_batch_image_by_image(self, name: str, arguments: Arguments) -> None:
        model = self.make(name, arguments).eval()
        image_BCHW = self.images(model, 3)
        with torch.no_grad():
            score_B, alone_B = model(image_BCHW), model(image_BCHW[:1])
        assert score_B.shape == (3,)
        assert score_B.isfinite().all()
        assert torch.allclose(score_B[:1], alone_B, atol=self.tolerance, rtol=self.tolerance)

    def test_every_parameter_gets_a_gradient(
        self, name: str, arguments: Arguments, record_property: Callable[[str, object], None]
    ) -> None:
        """Of the backbone, what lies behind the last stage that is read has none; that is noted."""
        model = self.make(name, arguments).train()
        assert model.losses, "it has no losses to train with"
        model.loss(self.images(model, 4), randn(4, seed=1))["total"].backward()
        learned = {key: p.grad for key, p in model.named_parameters() if p.requires_grad}
        without = [key for key, grad in learned.items() if grad is None]
        unread = [key for key in without if key.startswith("backbone.")]
        if unread:
            record_property("note", f"{len(unread)} of the backbone have none: {', '.join(unread[:4])} ...")
        missing = sorted(set(without) - set(unread))
        assert not missing, f"{len(missing)} of {len(learned)} have none: {', '.join(missing[:8])}"
        wild = [key for key, grad in learned.items() if grad is not None and not grad.isfinite().all()]
        assert not wild, f"not finite: {', '.join(wild[:8])}"

    def test_weights_go_through_a_file(self, name: str, arguments: Arguments, tmp_path: Path) -> None:
        model = self.make(name, arguments).eval()
        save_model(model, str(tmp_path / "weights.safetensors"))
        other = build_model(model.config, weights=tmp_path / "weights.safetensors").eval()
        image_BCHW = self.images(model, 1)
        with torch.no_grad():
            assert torch.equal(model(image_BCHW), other(image_BCHW))

    def test_same_seed_gives_the_same_model(self, name: str, arguments: Arguments) -> None:
        first, second = self.make(name, arguments).eval(), self.make(name, arguments).eval()
        state = first.state_dict()
        differ = [key for key, value in second.state_dict().items() if not torch.equal(value, state[key])]
        assert not differ, f"{differ[:8]} differ between two models made after the same torch.manual_seed"
        image_BCHW = self.images(first, 1)
        with torch.no_grad():
            assert torch.equal(first(image_BCHW), second(image_BCHW))

    def test_eval_is_deterministic_and_leaves_no_trace(self, name: str, arguments: Arguments) -> None:
        model = self.make(name, arguments).eval()
        image_BCHW = self.images(model, 2)
        state = {key: value.clone() for key, value in model.state_dict().items()}
        with torch.no_grad():
            first_B = model(image_BCHW)
            torch.manual_seed(99)
            second_B = model(image_BCHW)
        assert torch.equal(first_B, second_B)
        assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
