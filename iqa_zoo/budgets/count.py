"""Count the operators that one forward pass runs, by module, on fvcore."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from iqa_zoo.budgets._fvcore import FlopCountAnalysis
from iqa_zoo.budgets.formulas import FORMULAS, OTHER_OPS, ZERO_COST, Handle, format_operator
from iqa_zoo.contracts import HasConstants
from iqa_zoo.errors import BudgetError
from iqa_zoo.layers.graphs import counting


@dataclass(frozen=True)
class OperatorCount:
    """MACs by operator, and separately the operations that fvcore counts for norms and resampling."""

    macs: Counter[str]
    other_ops: Counter[str]


class _Recorder(TorchFunctionMode):
    """Keeps every result (without its values) alive in the trace, which would otherwise drop what does not reach the output.

    A mode also disables the fused path of multi-head attention, so that its operators are traced one by one in any mode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name != "__get__" and f"aten::{name}" not in ZERO_COST:
            for value in result if isinstance(result, tuple | list) else [result]:
                if isinstance(value, Tensor):
                    self.marks.append(value.new_empty(0))
        return result


class _Traced(nn.Module):
    def __init__(self, module: nn.Module, call: Callable[..., Any]):
        super().__init__()
        self.module = module
        self.call = call

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        with _Recorder() as recorder:
            self.call(self.module, *inputs)
        return (*inputs, *recorder.marks)


def count_operators(
    module: nn.Module, *inputs: Tensor, call: Callable[..., Any] | None = None
) -> dict[str, OperatorCount]:
    """Count the operators of ``module(*inputs)`` in evaluation mode, by submodule name (``""``: the module itself).

    The mode, hooks, buffers and random state of the module do not change.

    ``call`` says how to call the module, if not as ``module(*inputs)``.

    Raises:
        BudgetError: an operator has no formula and is not listed as free.

    >>> count_operators(nn.Linear(4, 8), torch.zeros(3, 4))[""].macs
    Counter({'linear': 96})
    """
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_orig_mod"):
            raise BudgetError(
                f"{name or 'the module'} is compiled ({type(part).__name__}), so its operators cannot be traced: "
                "count the model before it is compiled"
            )
    traced = _Traced(module, call or (lambda module, *tensors: module(*tensors)))
    analysis = FlopCountAnalysis(traced, inputs).ancestor_mode("caller")
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)  # both are checked below
    analysis.set_op_handle(**_make_handles())
    device = inputs[0].device
    with ExitStack() as stack:
        stack.enter_context(_preserve_state(module))
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(counting())
        if device.type != "meta":  # meta tensors have no autocast
            stack.enter_context(torch.autocast(device.type, enabled=False))
        compute_constants(module)
        by_module = analysis.by_module_and_operator()
    _check_known(analysis)
    return {_strip_module(name): _split(counts) for name, counts in by_module.items() if name}


def compute_constants(module: nn.Module) -> None:
    """Let parts compute what does not depend on the image, so that it is not counted."""
    for part in module.modules():
        if isinstance(part, HasConstants):
            part.compute_constants()


def count_macs(module: nn.Module, *inputs: Tensor) -> int:
    """Count the multiply-accumulates of matrix products and convolutions in ``module(*inputs)``.

    Raises:
        BudgetError: an operator cannot be counted.

    >>> count_macs(nn.MultiheadAttention(384, 6, batch_first=True), *[torch.zeros(1, 196, 384)] * 3)
    145108992
    """
    return count_operators(module, *inputs)[""].macs.total()


def _make_handles() -> dict[str, Handle | None]:
    """Make the handle of every known operator, by its name in a trace; it counts under the formatted name."""

    def make_handle(operator: str, count: Handle) -> Handle:
        return lambda inputs, outputs: Counter({format_operator(operator): int(count(inputs, outputs))})  # type: ignore[return-value]

    known: dict[str, Handle | None] = dict.fromkeys(ZERO_COST)
    known |= {name: make_handle(name, count) for name, count in OTHER_OPS.items()}
    known |= {name: make_handle(name, formula.macs) for name, formula in FORMULAS.items()}
    return known


def _split(counts: Counter[str]) -> OperatorCount:
    others = {format_operator(name) for name in OTHER_OPS}
    return OperatorCount(
        macs=Counter({name: n for name, n in counts.items() if name not in others}),
        other_ops=Counter({name: n for name, n in counts.items() if name in others}),
    )


def _strip_module(name: str) -> str:
    return name.removeprefix("module").removeprefix(".")


def _check_known(analysis: FlopCountAnalysis) -> None:
    unknown = analysis.unsupported_ops("module")
    if not unknown:
        return
    problems = []
    for operator, times in sorted(unknown.items()):
        # Parents come before children, so the last match is the innermost.
        where = [name for name in analysis.by_module() if operator in analysis.unsupported_ops(name)]
        problems.append(f"  - {operator} ({times}x), in {_strip_module(where[-1]) or 'the module itself'}")
    first = min(unknown)
    advice = f"Add its formula with iqa_zoo.budgets.add_formula({first!r}, formula), or None if it contains no product."
    if any(name.startswith("prim::") for name in unknown):
        advice += " A prim:: operator is written in Python (an autograd function) or scripted."
    raise BudgetError("\n".join(["these operators have no formula, so the MACs would be wrong:", *problems, advice]))


@contextmanager
def _preserve_state(module: nn.Module) -> Iterator[None]:
    """Use evaluation mode without compilation inside, and restore everything after.

    The mode is set on each module directly, since a module's own ``train`` may do more, such as merging weights.
    """
    parts = list(module.modules())
    training = [part.training for part in parts]
    compiled = [part._compiled_call_impl for part in parts]
    hooks = [(list(part._forward_hooks), list(part._forward_pre_hooks)) for part in parts]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers() if not buffer.is_meta]
    for part in parts:
        part.training = False
        part._compiled_call_impl = None
    try:
        yield
    finally:
        for part, mode, implementation, (after, before) in zip(parts, training, compiled, hooks, strict=True):
            part.training = mode
            part._compiled_call_impl = implementation
            _keep_only(part._forward_hooks, after)  # fvcore leaves its hooks behind when a trace fails
            _keep_only(part._forward_pre_hooks, before)
        with torch.no_grad():
            for buffer, value in buffers:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


def _keep_only(hooks: dict[int, Any], keys: list[int]) -> None:
    for key in set(hooks) - set(keys):
        del hooks[key]
