"""Whether a forward pass is recorded as a graph that will be run on other inputs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode

_COUNTING: ContextVar[bool] = ContextVar("_COUNTING", default=False)


def is_recorded() -> bool:
    """Return True while torch records a graph that other inputs will run.

    A part whose operators depend on values (which expert a token meets) asks it in its forward pass, and then computes the
    same answer with operators that do not depend on values. True under ``torch.jit.trace``, ``torch.compile``,
    ``torch.export``, both ONNX exporters, ``make_fx`` and the capture of a CUDA graph. False in eager mode, and while a
    budget is counted: a count is of what eager mode runs.

    >>> is_recorded()
    False
    """
    if torch.compiler.is_compiling():  # under torch.export too
        return True
    if _COUNTING.get():
        return False
    if torch.jit.is_tracing() or get_proxy_mode() is not None:
        return True
    return torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


@contextmanager
def counting() -> Iterator[None]:
    """Within this context a trace only counts operators: :func:`is_recorded` is False.

    >>> with counting():
    ...     is_recorded()
    False
    """
    token = _COUNTING.set(True)
    try:
        yield
    finally:
        _COUNTING.reset(token)
