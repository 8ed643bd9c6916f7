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
from iqa_zoo.budgets.formulas import FORMULAS, STANDS_APART, ZERO_COST, Handle, label
from iqa_zoo.errors import BudgetError
from iqa_zoo.layers.graphs import counting


@dataclass(frozen=True)
class OperatorCount:
    """MACs by operator, and apart from them what fvcore counts of norms and resampling."""

    macs: Counter[str]
    other_ops: Counter[str]


class _Recorded(TorchFunctionMode):
    """Holds on to every product (without its values): a trace drops what does not reach its output, the machine
    computes it all the same. A side effect that we want: under a mode, multi-head attention does not take its fused
    fast path, so that its parts are seen one by one, whatever the mode and gradients."""

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
        with _Recorded() as recorded:
            self.call(self.module, *inputs)
        return (*inputs, *recorded.marks)


def count_operators(
    module: nn.Module, *inputs: Tensor, call: Callable[..., Any] | None = None
) -> dict[str, OperatorCount]:
    """Count what ``module(*inputs)`` runs in evaluation mode, for each submodule by name (``""``: the module itself).

    The module is left as it was: mode, hooks, buffers and random state.

    Args:
        module: what to count.
        inputs: tensors of the shapes it is called with.
        call: how it is called, where not ``module(*inputs)``.

    Raises:
        BudgetError: an operator that has neither a formula nor a place on the list of those that cost nothing.

    >>> count_operators(nn.Linear(4, 8), torch.zeros(3, 4))[""].macs
    Counter({'linear': 96})
    """
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_orig_mod"):
            raise BudgetError(
                f"{name or 'the module'} is compiled ({type(part).__name__}) and its operators cannot be seen: "
                "count the model before it is compiled"
            )
    traced = _Traced(module, call or (lambda module, *tensors: module(*tensors)))
    analysis = FlopCountAnalysis(traced, inputs).ancestor_mode("caller")
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)  # both are answered for below
    analysis.set_op_handle(**_handles())
    device = inputs[0].device
    with ExitStack() as stack:
        stack.enter_context(_left_as_it_was(module))
        stack.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(counting())
        if device.type != "meta":  # which has no autocast
            stack.enter_context(torch.autocast(device.type, enabled=False))
        compute_constants(module)
        by_module = analysis.by_module_and_operator()
    _refuse_unknown(analysis)
    return {_relative(name): _split(counts) for name, counts in by_module.items() if name}


def compute_constants(module: nn.Module) -> None:
    """Let parts compute what depends on no image, so that it is in no image's count."""
    for part in module.modules():
        constants: Any = getattr(part, "compute_constants", None)
        if constants is not None:
            constants()


def count_macs(module: nn.Module, *inputs: Tensor) -> int:
    """Return the multiply-accumulates of matrix products and convolutions that ``module(*inputs)`` runs.

    Raises:
        BudgetError: an operator that cannot be counted; names it.

    >>> count_macs(nn.MultiheadAttention(384, 6, batch_first=True), *[torch.zeros(1, 196, 384)] * 3)
    145108992
    """
    return count_operators(module, *inputs)[""].macs.total()


def _handles() -> dict[str, Handle | None]:
    """Every operator we know, by its name in a trace. A handle's counter carries the operator's label."""

    def named(operator: str, count: Handle) -> Handle:
        return lambda inputs, outputs: Counter({label(operator): int(count(inputs, outputs))})  # type: ignore[return-value]

    known: dict[str, Handle | None] = dict.fromkeys(ZERO_COST)
    known |= {name: named(name, count) for name, count in STANDS_APART.items()}
    known |= {name: named(name, formula.macs) for name, formula in FORMULAS.items()}
    return known


def _split(counts: Counter[str]) -> OperatorCount:
    apart = {label(name) for name in STANDS_APART}
    return OperatorCount(
        macs=Counter({name: n for name, n in counts.items() if name not in apart}),
        other_ops=Counter({name: n for name, n in counts.items() if name in apart}),
    )


def _relative(name: str) -> str:
    return name.removeprefix("module").removeprefix(".")


def _refuse_unknown(analysis: FlopCountAnalysis) -> None:
    unknown = analysis.unsupported_ops("module")
    if not unknown:
        return
    problems = []
    for operator, times in sorted(unknown.items()):
        # Modules come parents first, so the last that saw it is the innermost.
        where = [name for name in analysis.by_module() if operator in analysis.unsupported_ops(name)]
        problems.append(f"  - {operator} ({times}x), in {_relative(where[-1]) or 'the module itself'}")
    first = min(unknown)
    advice = (
        f"Say what one costs with iqa_zoo.budgets.add_formula({first!r}, formula), with None where it holds no product."
    )
    if any(name.startswith("prim::") for name in unknown):
        advice += " A prim:: operator is one written in Python (an autograd function) or scripted."
    raise BudgetError("\n".join(["no formula for these operators, so the MACs would be wrong:", *problems, advice]))


@contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no compilation inside, everything as it was after. The mode is set on each module by itself:
    a module's own ``train`` may do more than that (merge weights, for one)."""
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
            _keep_only(part._forward_hooks, after)  # fvcore leaves its own behind when a trace fails
            _keep_only(part._forward_pre_hooks, before)
        with torch.no_grad():
            for buffer, value in buffers:
                if not torch.equal(buffer, value):
                    buffer.copy_(value)


def _keep_only(hooks: dict[int, Any], keys: list[int]) -> None:
    for key in set(hooks) - set(keys):
        del hooks[key]
