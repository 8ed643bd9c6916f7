"""What every registered part must hold to, whatever it computes; one suite a slot derives from it.

A new part is met as soon as it is registered, a plugin's too. Where it has required keys, or variants worth
testing, it gets a line in ``examples`` of its slot's suite.
"""

import copy
import inspect
import pickle
import sys
import typing
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from iqa_zoo.config import part_parameters
from iqa_zoo.contracts import CONTRACTS, HANDED_DOWN, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.registry import SLOTS

IMMUTABLE = (type(None), bool, int, float, str, tuple)


def perturbed(part: nn.Module) -> nn.Module:
    """Noise on every parameter, so that what starts at zero (a scale, a bias) does not hide the rest."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return part


class PartContract:
    """The suite of a slot: which inputs its parts take and which tensors they give."""

    slot: str
    handed: ClassVar[dict[str, Any]] = {}  # what the builder would hand down
    examples: ClassVar[dict[str, list[dict[str, Any]]]] = {}  # name -> arguments of each variant; [{}] where left out
    tolerance = 1e-5

    def inputs(self, part: nn.Module, batch: int, seed: int = 0) -> tuple[Any, ...]:
        """A batch of what the part takes; the first items do not depend on how many there are."""
        raise NotImplementedError

    def tensors(self, output: Any) -> dict[str, Tensor]:
        """What the part gave, by name; the first dimension of each is the batch."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = SLOTS[self.slot].names()
        if "arguments" in metafunc.fixturenames:
            cases = [(name, arguments) for name in names for arguments in self.examples.get(name, [{}])]
            ids = [name + "".join(f"-{v}" for v in a.values() if isinstance(v, str | int)) for name, a in cases]
            metafunc.parametrize(("name", "arguments"), cases, ids=ids)
        elif "name" in metafunc.fixturenames:
            metafunc.parametrize("name", names)

    def make(self, name: str, arguments: Mapping[str, Any], seed: int = 0) -> Any:
        torch.manual_seed(seed)
        wanted = inspect.signature(SLOTS[self.slot].get(name)).parameters
        handed = {key: value for key, value in self.handed.items() if key in wanted}
        return SLOTS[self.slot].build({"type": name, **arguments}, **handed)

    def run(self, part: nn.Module, batch: int = 3, seed: int = 0) -> dict[str, Tensor]:
        return self.tensors(part(*self.inputs(part, batch, seed)))

    def test_is_the_protocol_of_its_slot(self, name, arguments):
        part = self.make(name, arguments)
        assert isinstance(part, CONTRACTS[self.slot])
        assert isinstance(part, nn.Module)

    def test_name_is_the_file(self, name):
        registry = SLOTS[self.slot]
        if registry.origin(name) == "iqa_zoo":
            assert registry.get(name).__module__ == f"iqa_zoo.{registry.folder}.{name}"

    def test_docstring_opens_with_one_sentence(self, name):
        part = SLOTS[self.slot].get(name)
        doc = inspect.getdoc(part)
        assert doc, f"{name} has no docstring"
        first = doc.split("\n\n")[0]
        assert first.endswith((".", ":"))
        assert "\n" not in first, "the first sentence is one line, as listings show it"
        if SLOTS[self.slot].origin(name) == "iqa_zoo":
            assert SLOTS[self.slot].summary(name) == first

    def test_public_classes_of_its_module_have_docstrings(self, name):
        module = sys.modules[SLOTS[self.slot].get(name).__module__]
        for key, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not key.startswith("_"):
                assert (value.__doc__ or "").strip(), f"{module.__name__}.{key} has no docstring"

    def test_constructor_takes_annotated_keywords(self, name):
        part = SLOTS[self.slot].get(name)
        if inspect.isclass(part) and part.__init__ is nn.Module.__init__:
            return  # it takes nothing
        assert all(p.kind is p.KEYWORD_ONLY for p in inspect.signature(part).parameters.values())
        for key, parameter in part_parameters(self.slot, name).items():
            assert parameter.annotation is not Any, f"{name}: {key} has no annotation"
            assert key not in HANDED_DOWN[self.slot]

    def test_defaults_are_immutable(self, name):
        for key, parameter in inspect.signature(SLOTS[self.slot].get(name)).parameters.items():
            if parameter.default is not parameter.empty:
                assert isinstance(parameter.default, IMMUTABLE), f"{name}: default of {key} is shared by all parts"

    def test_sizes_below_one_are_refused(self, name, arguments):
        for key, parameter in part_parameters(self.slot, name).items():
            kinds = (parameter.annotation, *typing.get_args(parameter.annotation))
            if int not in kinds or key not in inspect.signature(SLOTS[self.slot].get(name)).parameters:
                continue
            for bad in (0, -1):
                several = typing.get_origin(parameter.annotation) is Sequence
                with pytest.raises(PartError):
                    self.make(name, {**arguments, key: (bad,) if several else bad})

    def test_arguments_are_left_alone_and_nothing_is_shared(self, name, arguments):
        before = copy.deepcopy(arguments)
        first, second = self.make(name, arguments), self.make(name, arguments)
        assert arguments == before
        shared = {id(t) for t in (*first.parameters(), *first.buffers())} & {
            id(t) for t in (*second.parameters(), *second.buffers())
        }
        assert not shared

    def test_item_does_not_depend_on_the_batch(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            whole, pair, alone = (self.run(part, batch) for batch in (3, 2, 1))
        for key, value in whole.items():
            assert torch.allclose(value[:2], pair[key], atol=self.tolerance), key
            assert torch.allclose(value[:1], alone[key], atol=self.tolerance), key

    def test_eval_is_deterministic_and_leaves_no_trace(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        state = copy.deepcopy(part.state_dict())
        with torch.no_grad():
            first = self.run(part)
            torch.manual_seed(99)
            second = self.run(part)
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert all(torch.equal(state[key], value) for key, value in part.state_dict().items())

    def test_grad_mode_does_not_move_the_output(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            without = self.run(part)
        for key, value in self.run(part).items():
            assert torch.allclose(value, without[key], atol=self.tolerance), key

    def test_train_and_eval_give_the_same_shapes(self, name, arguments):
        part = self.make(name, arguments)
        trained, evaluated = self.run(part.train()), self.run(part.eval())
        assert {k: v.shape for k, v in trained.items()} == {k: v.shape for k, v in evaluated.items()}

    def test_every_parameter_gets_a_gradient(self, name, arguments):
        part = perturbed(self.make(name, arguments)).train()
        outputs = self.run(part, batch=4)
        torch.manual_seed(3)  # random weights, because a plain sum is constant behind a norm
        total = sum((v.float() * torch.randn_like(v.float())).sum() for v in outputs.values() if v.is_floating_point())
        if list(part.parameters()):
            total.backward()
        for key, parameter in part.named_parameters():
            assert parameter.grad is not None, f"{key} has no gradient"
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().max() > 0 or getattr(part, "routes", False), f"{key} has a zero gradient"

    def test_state_dict_round_trip(self, name, arguments):
        part, other = perturbed(self.make(name, arguments, seed=0)).eval(), self.make(name, arguments, seed=1).eval()
        other.load_state_dict(part.state_dict(), strict=True)
        with torch.no_grad():
            first, second = self.run(part), self.run(other)
        assert all(torch.equal(first[key], second[key]) for key in first)

    def test_copies_and_pickles(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        with torch.no_grad():
            first = self.run(part)
            for twin in (copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
                again = self.run(twin)
                assert all(torch.equal(first[key], again[key]) for key in first)
                own = {id(p) for p in part.parameters()}
                assert not own & {id(p) for p in twin.parameters()}

    def test_runs_under_autocast(self, name, arguments):
        part = self.make(name, arguments).train()
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.run(part)
        plain = self.run(part)
        for key, value in outputs.items():
            assert value.shape == plain[key].shape
            assert value.isfinite().all(), key
        if list(part.parameters()):
            sum(v.float().sum() for v in outputs.values() if v.is_floating_point()).backward()

    def test_runs_in_double_precision(self, name, arguments):
        part = perturbed(self.make(name, arguments)).eval()
        single = self.run(part)
        part = part.double()
        doubled = self.tensors(part(*(to_double(value) for value in self.inputs(part, 3))))
        for key, value in doubled.items():
            assert value.dtype == torch.float64 or not value.is_floating_point(), key
            assert torch.allclose(value, single[key].to(value.dtype), atol=1e-3, rtol=1e-3), key


def to_double(value: Any) -> Any:
    """The same input in double precision, dataclasses of tensors included."""
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: to_double(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_double(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{key: to_double(getattr(value, key)) for key in value.__dataclass_fields__})
    return value


def randn(batch: int, *shape: int, seed: int = 0) -> Tensor:
    """Normal noise whose item i is the same in a batch of any size."""
    items = [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(batch)]
    return torch.stack(items)


STAGES = {1: StageInfo(5, 4), 2: StageInfo(7, 8), 3: StageInfo(9, 16), 4: StageInfo(11, 32)}
"""Stage maps that a fake backbone gives, of sizes that are nobody's."""
