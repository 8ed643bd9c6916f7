"""Import timm without torch's compiler, in processes of the command line that compile nothing.

Importing timm imports ``torch._dynamo``, which takes about as long as torch itself. There are two reasons: ``torchvision.ops.roi_align``
takes one function of ``torch._dynamo.utils``, and timm marks five functions of one model (naflexvit) with ``torch.compiler.disable``.
Both concern compiled models only.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

UTILS = "torch._dynamo.utils"


def import_lean_timm() -> None:
    """Import timm, and not torch's compiler, which can be imported and used as ever afterwards.

    During the import ``torch.compiler.disable`` marks nothing, and another module stands in for ``torch._dynamo.utils``. It says that
    no device can compile; for any other name it imports the real module and gives what that holds, so that at worst nothing is saved.
    Does nothing where the compiler or timm is imported already.
    """
    if UTILS in sys.modules or "timm" in sys.modules:
        return
    import torch.compiler

    substitute = ModuleType(UTILS)

    def load_name(name: str) -> Any:
        if name.startswith("__"):  # inspect reads such names of every module
            raise AttributeError(name)
        if sys.modules.get(UTILS) is substitute:
            del sys.modules[UTILS]
        return getattr(importlib.import_module(UTILS), name)

    vars(substitute).update(is_compile_supported=lambda device_type: False, __getattr__=load_name)
    disable = torch.compiler.disable
    sys.modules[UTILS] = substitute
    torch.compiler.disable = _mark_nothing
    try:
        importlib.import_module("timm")
    finally:
        torch.compiler.disable = disable
        if sys.modules.get(UTILS) is substitute:
            del sys.modules[UTILS]


def _mark_nothing(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    return _mark_nothing if fn is None else fn
