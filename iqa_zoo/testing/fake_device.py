"""Run a module on a device that is not there, to see that it makes no tensor on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from iqa_zoo.testing.inputs import mapped

Kind = Literal["cuda", "meta"]


class _OnlyOn(TorchDispatchMode):
    """Fail at an operator that takes or returns a tensor of another device; a tensor without dimensions is a number there."""

    def __init__(self, kind: Kind):
        super().__init__()
        self.kind = kind

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self._check(func, "takes", (args, kwargs))
        counts = func is torch.ops.aten.bincount.default
        output = _count_evenly(*args, **kwargs) if counts else func(*args, **kwargs)
        self._check(func, "makes", output)
        return output

    def _check(self, func: Any, verb: str, tensors: Any) -> None:
        for leaf in tree_leaves(tensors):
            if isinstance(leaf, Tensor) and leaf.device.type != self.kind and leaf.ndim:
                raise AssertionError(f"{func} {verb} a tensor on {leaf.device}, of shape {tuple(leaf.shape)}")


def _count_evenly(values_S: Tensor, weights_S: Tensor | None = None, minlength: int = 0) -> Tensor:
    """A bincount whose numbers, which a tensor without values cannot give, are as equal as possible."""
    counts: Any = torch.empty(minlength, dtype=torch.int64, device=values_S.device)
    counts.numbers = [(values_S.numel() + i) // minlength for i in range(minlength)]
    return counts


@contextlib.contextmanager
def fake_device(kind: Kind) -> Iterator[None]:
    """Within this context tensors have a device and a shape but no values, and every operator must stay on the device.

    A value is an error too, as it would make a real device wait. The exception is ``bincount(...).tolist()``, by which a mixture
    of experts sends tokens to experts.

    Args:
        kind: ``cuda`` for what a CUDA device would run; ``meta`` for a backward pass, which torch does not run on a CUDA device
            that is not there.

    >>> with fake_device("cuda"):
    ...     torch.zeros(2, device="cuda").device
    device(type='cuda', index=0)
    >>> with fake_device("cuda"):
    ...     torch.zeros(2)
    Traceback (most recent call last):
    AssertionError: aten.zeros.default makes a tensor on cpu, of shape (2,)
    """
    with contextlib.ExitStack() as stack:
        if kind == "cuda":
            stack.enter_context(FakeTensorMode())
        else:  # autocast does not know meta
            stack.enter_context(mock.patch.object(torch, "is_autocast_enabled", return_value=False))
        for each in (Tensor, FakeTensor):
            stack.enter_context(mock.patch.object(each, "tolist", lambda counts: counts.numbers))
        stack.enter_context(_OnlyOn(kind))
        yield


def make_fake(value: Any, kind: Kind) -> Any:
    """Return the same with each tensor as one without values on the device. Call it within :func:`fake_device`."""
    return mapped(lambda tensor: _convert(tensor, kind), value)


def move_to_fake(module: nn.Module, kind: Kind) -> None:
    """Replace each parameter and buffer of a module that was built before. Call it within :func:`fake_device`."""
    moved: dict[int, Tensor] = {}

    def convert(old: Tensor) -> Tensor:
        return nn.Parameter(_convert(old, kind), old.requires_grad)

    for each in module.modules():
        _replace(each._buffers, moved, lambda old: _convert(old, kind))
        _replace(each._parameters, moved, convert)


def _replace(tensors: dict[str, Any], moved: dict[int, Tensor], convert: Callable[[Tensor], Tensor]) -> None:
    for name, tensor in tensors.items():
        if tensor is not None:
            if id(tensor) not in moved:  # a shared tensor stays shared
                moved[id(tensor)] = convert(tensor)
            tensors[name] = moved[id(tensor)]


def _convert(tensor: Tensor, kind: Kind) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=kind, requires_grad=tensor.requires_grad)
