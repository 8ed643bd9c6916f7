"""What every part must hold to, whatever it computes; the suite of each slot derives from it."""

import copy
import inspect
import pickle
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from iqa_zoo.budgets.count import count_operators
from iqa_zoo.build import build_part
from iqa_zoo.config import part_parameters
from iqa_zoo.contracts import CONTRACTS, HANDED_DOWN, HasNoGraph, has_flag
from iqa_zoo.errors import PartError
from iqa_zoo.registry import SLOTS
from iqa_zoo.testing.fake_device import Kind, fake_device, make_fake, move_to_fake
from iqa_zoo.testing.graph import RECORDERS, Flat, flat_tensors, quiet
from iqa_zoo.testing.inputs import mapped, perturbed, to_double
from iqa_zoo.testing.ranges import values_out_of_range
from iqa_zoo.testing.suite import Arguments, Suite
from iqa_zoo.testing.witness import macs_by_torch

IMMUTABLE = (type(None), bool, int, float, str, tuple)


class PartContract(Suite):
    """The suite of a slot: which inputs its parts take and which tensors they give.

    Which parts and arguments: see :class:`iqa_zoo.testing.suite.Suite`.
    """

    handed: ClassVar[dict[str, Any]] = {}  # what the builder would hand down
    tolerance = 1e-5

    def inputs(self, part: nn.Module, batch: int, seed: int = 0) -> tuple[Any, ...]:
        """A batch of what the part takes; the first items do not depend on how many there are."""
        raise NotImplementedError

    def tensors(self, output: Any) -> dict[str, Tensor]:
        """What the part gave, by name; the first dimension of each is the batch."""
        raise NotImplementedError

    def make(self, name: str, arguments: Mapping[str, Any], seed: int = 0, **handed: Any) -> Any:
        """The part, with what the builder would hand down; ``handed`` replaces some of that."""
        torch.manual_seed(seed)
        return build_part(self.slot, {"type": name, **arguments}, {**self.handed, **handed})

    def run(self, part: nn.Module, batch: int = 3, seed: int = 0) -> dict[str, Tensor]:
        return self.tensors(part(*self.inputs(part, batch, seed)))

    def test_is_the_protocol_of_its_slot(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        assert isinstance(part, CONTRACTS[self.slot])
        assert isinstance(part, nn.Module)

    def test_name_is_the_file(self, name: str) -> None:
        registry = SLOTS[self.slot]
        if registry.origin(name) != "iqa_zoo":
            pytest.skip("a plugin names its files as it likes")
        assert registry.get(name).__module__ == f"iqa_zoo.{registry.folder}.{name}"

    def test_docstring_opens_with_one_sentence(self, name: str) -> None:
        part = SLOTS[self.slot].get(name)
        doc = inspect.getdoc(part)
        assert doc, f"{name} has no docstring"
        first = doc.split("\n\n")[0]
        assert first.endswith((".", ":"))
        assert "\n" not in first, "the first sentence is one line, as listings show it"
        if SLOTS[self.slot].origin(name) == "iqa_zoo":
            assert SLOTS[self.slot].summary(name) == first

    def test_public_classes_of_its_module_have_docstrings(self, name: str) -> None:
        module = sys.modules[SLOTS[self.slot].get(name).__module__]
        for key, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not key.startswith("_"):
                assert (value.__doc__ or "").strip(), f"{module.__name__}.{key} has no docstring"

    def test_constructor_takes_annotated_keywords(self, name: str) -> None:
        part = SLOTS[self.slot].get(name)
        if inspect.isclass(part) and part.__init__ is nn.Module.__init__:
            return  # it takes nothing
        assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(part).parameters.values())
        for key, parameter in part_parameters(self.slot, name).items():
            assert parameter.annotation is not Any, f"{name}: {key} has no annotation"
            assert key not in HANDED_DOWN[self.slot]

    def test_defaults_are_immutable(self, name: str) -> None:
        for key, parameter in inspect.signature(SLOTS[self.slot].get(name)).parameters.items():
            if parameter.default is not parameter.empty:
                assert isinstance(parameter.default, IMMUTABLE), f"{name}: default of {key} is shared by all parts"

    def test_values_out_of_range_are_refused(self, name: str, arguments: Arguments) -> None:
        """Of each key with a range the values beside it and no number; of a whole number without one, 0 and -1."""
        taken = inspect.signature(SLOTS[self.slot].get(name)).parameters
        for key, parameter in part_parameters(self.slot, name).items():
            if key not in taken:  # the weight of a loss
                continue
            for bad in values_out_of_range(parameter.annotation):
                with pytest.raises(PartError):
                    self.make(name, {**arguments, key: bad})

    def test_arguments_are_left_alone_and_nothing_is_shared(self, name: str, arguments: Arguments) -> None:
        before = copy.deepcopy(arguments)
        first, second = self.make(name, arguments), self.make(name, arguments)
        assert arguments == before
        shared = {id(t) for t in (*first.parameters(), *first.buffers())} & {
            id(t) for t in (*second.parameters(), *second.buffers())
        }
        assert not shared

    def test_item_does_not_depend_on_the_batch(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            whole, pair, alone = (self.run(part, batch) for batch in (3, 2, 1))
        for key, value in whole.items():
            assert torch.allclose(value[:2], pair[key], atol=self.tolerance), key
            assert torch.allclose(value[:1], alone[key], atol=self.tolerance), key

    def test_eval_is_deterministic_and_leaves_no_trace(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        state = copy.deepcopy(part.state_dict())
        with torch.no_grad():
            first = self.run(part)
            torch.manual_seed(99)
            second = self.run(part)
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert all(torch.equal(state[key], value) for key, value in part.state_dict().items())

    def test_grad_mode_does_not_move_the_output(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            without = self.run(part)
        for key, value in self.run(part).items():
            assert torch.allclose(value, without[key], atol=self.tolerance), key

    def test_train_and_eval_give_the_same_shapes(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments)
        trained, evaluated = self.run(part.train()), self.run(part.eval())
        assert {k: v.shape for k, v in trained.items()} == {k: v.shape for k, v in evaluated.items()}

    def test_every_parameter_gets_a_gradient(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).train()
        outputs = self.run(part, batch=4)
        torch.manual_seed(3)  # random weights, because a plain sum is constant behind a norm
        floats = [v.float() for v in outputs.values() if v.is_floating_point()]
        total = torch.stack([(v * torch.randn_like(v)).sum() for v in floats]).sum()
        if total.requires_grad:
            total.backward()
        for key, parameter in part.named_parameters():
            if not parameter.requires_grad:  # frozen by an argument
                assert parameter.grad is None, f"{key} is frozen and has a gradient"
                continue
            assert parameter.grad is not None, f"{key} has no gradient"
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().max() > 0 or has_flag(part, "routes"), f"{key} has a zero gradient"

    def test_state_dict_round_trip(self, name: str, arguments: Arguments) -> None:
        part, other = perturbed(self.make(name, arguments, seed=0)).eval(), self.make(name, arguments, seed=1).eval()
        other.load_state_dict(part.state_dict(), strict=True)
        with torch.no_grad():
            first, second = self.run(part), self.run(other)
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_copies_and_pickles(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            first = self.run(part)
            for twin in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
                again = self.run(twin)
                assert all(torch.equal(first[key], again[key]) for key in first)
                own = {id(p) for p in part.parameters()}
                assert not own & {id(p) for p in twin.parameters()}

    def test_runs_under_autocast(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments).train()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.run(part)
        plain = self.run(part)
        for key, value in outputs.items():
            assert value.shape == plain[key].shape
            assert value.isfinite().all(), key
        total = torch.stack([v.float().sum() for v in outputs.values() if v.is_floating_point()]).sum()
        if total.requires_grad:
            total.backward()

    @pytest.mark.parametrize("kind", ["cuda", "meta"])
    def test_makes_no_tensor_on_the_cpu(self, name: str, arguments: Arguments, kind: Kind) -> None:
        """On a device without values, in training and in prediction; the backward pass on meta alone."""
        part = self.make(name, arguments)
        inputs = self.inputs(part, 4)
        with fake_device(kind):
            move_to_fake(part, kind)
            given = make_fake(inputs, kind)
            outputs = self.tensors(part.train()(*given))
            total = torch.stack([v.float().sum() for v in outputs.values() if v.is_floating_point()]).sum()
            if total.requires_grad and kind == "meta":
                total.backward()
            with torch.no_grad():
                predicted = self.tensors(part.eval()(*given))
        assert {value.device.type for each in (outputs, predicted) for value in each.values()} == {kind}

    def test_runs_in_double_precision(self, name: str, arguments: Arguments) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        single = self.run(part)
        part = part.double()
        doubled = self.tensors(part(*(to_double(value) for value in self.inputs(part, 3))))
        for key, value in doubled.items():
            assert value.dtype == torch.float64 or not value.is_floating_point(), key
            assert torch.allclose(value, single[key].to(value.dtype), atol=1e-3, rtol=1e-3), key

    def test_same_seed_gives_the_same_part(self, name: str, arguments: Arguments) -> None:
        first, second = self.make(name, arguments), self.make(name, arguments)
        state = first.state_dict()
        differ = [key for key, value in second.state_dict().items() if not torch.equal(value, state[key])]
        assert not differ, f"{differ} differ between two parts made after the same torch.manual_seed"
        for part in (first, second):
            part.train()
        torch.manual_seed(5)
        once = self.run(first)
        torch.manual_seed(5)
        again = self.run(second)
        assert all(torch.equal(once[key], again[key]) for key in once), "the training outputs differ"

    @pytest.mark.parametrize("recorder", list(RECORDERS))
    def test_graph_is_right_on_other_inputs(self, name: str, arguments: Arguments, recorder: str) -> None:
        part = perturbed(self.make(name, arguments)).eval()
        if isinstance(part, HasNoGraph) and part.no_graph:
            pytest.skip(part.no_graph)
        flat = Flat(part, self.inputs(part, 1), self.tensors)
        with quiet():
            graph = RECORDERS[recorder](flat, flat_tensors(self.inputs(part, 1)))
            for batch, seed in [(1, 1), (1, 2), *([(3, 3)] if recorder == "torch.jit.trace" else [])]:
                given = flat_tensors(self.inputs(part, batch, seed))
                for key, ours, recorded in zip(self.run(part), flat(*given), graph(*given), strict=True):
                    assert torch.allclose(ours, recorded, atol=self.tolerance, rtol=self.tolerance), key

    def test_budget_counts_every_operator_as_torch_does(self, name: str, arguments: Arguments) -> None:
        part = self.make(name, arguments).eval()
        inputs = self.inputs(part, 1)

        def call(part: nn.Module, *given: Tensor) -> None:
            each = iter(given)
            part(*mapped(lambda tensor: next(each), inputs))

        counted = count_operators(part, *flat_tensors(inputs), call=call)[""].macs.total()
        expected = macs_by_torch(part, *inputs)
        assert counted == pytest.approx(expected, rel=1e-3), f"{counted} MACs by formula, {expected} by torch's counter"
