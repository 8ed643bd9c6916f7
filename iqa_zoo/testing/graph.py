"""Whether a recorded graph of a module gives on other inputs what the module itself gives."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from iqa_zoo.testing.inputs import mapped

Call = Callable[..., dict[str, Tensor]]


class Flat(nn.Module):
    """A module as a function of tensors alone, which is what torch records: the tensors of its inputs, in their order.

    Args:
        module: what is called.
        inputs: what it is called with; their tensors are replaced by those that ``forward`` is given.
        tensors: from its output to tensors by name.
    """

    def __init__(self, module: nn.Module, inputs: tuple[Any, ...], tensors: Call):
        super().__init__()
        self.module, self.structure, self.tensors = module, inputs, tensors

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        each = iter(given)
        return tuple(self.tensors(self.module(*mapped(lambda tensor: next(each), self.structure))).values())


def flat_tensors(inputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """The tensors of some inputs, in their order."""
    found: list[Tensor] = []
    mapped(found.append, inputs)
    return tuple(found)


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warnings about what a trace takes as a constant, and about its older exporters."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


def trace(flat: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    """The graph of ``torch.jit.trace``."""
    traced: Callable[..., Any] = torch.jit.trace(flat, inputs, check_trace=False)
    return traced


def export(flat: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    """The graph of ``torch.export``."""
    return torch.export.export(flat, inputs, strict=False).module()


RECORDERS = {"torch.jit.trace": trace, "torch.export": export}
