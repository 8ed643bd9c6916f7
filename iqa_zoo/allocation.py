"""Whether a model fits into memory, found before it is allocated."""

import functools
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.overrides import TorchFunctionMode

from iqa_zoo.errors import ConfigError

T = TypeVar("T")

FACTORIES = ("empty", "zeros", "ones", "full", "rand", "randn", "eye", "arange", "linspace")
LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")  # what a container may use, on Linux
UNSUSPICIOUS = 10**9  # bytes; a model that needs no more is built at once
_PATH: ContextVar[str] = ContextVar("_PATH", default="")


class LimitReached(MemoryError):
    """More memory was asked for than an :class:`Allocations` allows."""


@functools.cache
def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's where that is less.

    >>> machine_memory() > 2**26
    True
    """
    sizes = []
    if hasattr(os, "sysconf") and {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= os.sysconf_names.keys():
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if LIMIT_FILE.is_file() and (limit := LIMIT_FILE.read_text().strip()).isdecimal():
        sizes.append(int(limit))
    return min(sizes, default=64 * 2**30)


@contextmanager
def allocating(path: str) -> Iterator[None]:
    """Within this context, what is allocated belongs to the part of a config path, below that of a context around it."""
    around = _PATH.get()
    token = _PATH.set(f"{around}.{path}" if around else path)
    try:
        yield
    finally:
        _PATH.reset(token)


class Allocations(TorchFunctionMode):
    """Counts the tensors that constructors ask torch for, and refuses what exceeds a limit before it is allocated.

    Args:
        limit: bytes for all of them together.
        meta: count tensors on the meta device too, as if they had memory.

    Attributes:
        by_path: bytes by the config path that is set with :func:`allocating`.

    Raises:
        LimitReached: the limit is exceeded.

    >>> with Allocations(10**7) as allocations, allocating("head"):
    ...     layer = torch.nn.Linear(1000, 1000)
    >>> allocations.by_path
    Counter({'head': 4004000})
    """

    def __init__(self, limit: float, *, meta: bool = False) -> None:
        super().__init__()
        self.limit, self.meta = limit, meta
        self.by_path: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in FACTORIES:
            device = torch.device(kwargs.get("device") or torch.get_default_device())
            if self.meta or device.type != "meta":
                self.by_path[_PATH.get()] += _size(func, args, kwargs)
                if self.by_path.total() > self.limit:
                    raise LimitReached(f"{_PATH.get()}: needs {in_bytes(self.by_path.total())} of memory and more")
        return func(*args, **kwargs)


def _size(func: Any, args: Any, kwargs: dict[str, Any]) -> int:
    """Bytes of the tensor that a factory would make."""
    plain = {key: value for key, value in kwargs.items() if key not in ("out", "generator", "pin_memory")}
    try:
        return int(func(*args, **{**plain, "device": "meta"}).nbytes)
    except RuntimeError as error:
        if "overflow" in str(error):
            raise LimitReached(f"{_PATH.get()}: needs more than {in_bytes(2**63)} of memory") from error
        return 0  # the call is wrong in itself, and will say so


def within_memory(assemble: Callable[[], T], rehearse: Callable[[], object]) -> T:
    """Return what ``assemble`` builds; it is called once where that is no large model.

    For a large one ``rehearse``, the same without pretrained weights, is called first on the meta device, where nothing is
    allocated; then ``assemble`` again, with the same random numbers.

    Raises:
        ConfigError: the memory of the machine cannot hold it; names the part that needs most.
    """
    state = torch.get_rng_state()
    try:
        with Allocations(UNSUSPICIOUS):
            return assemble()
    except LimitReached:
        torch.set_rng_state(state)
    _refuse_beyond(machine_memory(), rehearse)
    return assemble()


def _refuse_beyond(limit: int, rehearse: Callable[[], object]) -> None:
    counted = Allocations(math.inf, meta=True)
    try:
        with torch.device("meta"), counted:
            rehearse()
    except LimitReached as error:
        raise ConfigError([f"{error}, and this machine has {in_bytes(limit)}: make its sizes smaller"]) from error
    except (NotImplementedError, RuntimeError):  # a part that reads values while it is made; what was counted counts
        pass
    total = counted.by_path.total()
    if total > limit:
        path, most = counted.by_path.most_common(1)[0]
        raise ConfigError(
            [
                f"{path}: needs {in_bytes(most)} of memory, the whole model {in_bytes(total)}, and this machine has "
                f"{in_bytes(limit)}: make its sizes smaller"
            ]
        )


def in_bytes(size: float) -> str:
    """A size in words.

    >>> in_bytes(999), in_bytes(4_000_000), in_bytes(2**40)
    ('999 bytes', '4.00 MB', '1.10 TB')
    """
    if size < 1000:
        return f"{size} bytes"
    power = min(int(math.log10(size) // 3), 5)
    return f"{size / 1000**power:,.2f} {('KB', 'MB', 'GB', 'TB', 'PB')[power - 1]}"
