"""iqa_zoo: blind image quality assessment models as compositions of registered parts."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> the module it comes from. Imported on first use, so that `import iqa_zoo` stays free of torch.
_PUBLIC = {
    "list_models": "registry",
    "list_components": "registry",
    "model_config": "config",
    "build_model": "build",
    "import_released": "released",
    "measure_budget": "budgets",
    "match_budget": "budgets",
    "QualityModel": "quality_model",
    "register_backbone": "registry",
    "register_query": "registry",
    "register_memory": "registry",
    "register_interaction": "registry",
    "register_head": "registry",
    "register_loss": "registry",
    "register_model": "registry",
    "register_dataset": "registry",
    "register_study": "registry",
    "compare": "studies.api",
    "ablate": "studies.api",
    "swap": "studies.api",
    "data_efficiency": "studies.api",
    "scaling": "studies.api",
    "cross_dataset": "studies.api",
    "load_result": "studies.results",
    "load": "inference.load",
    "score": "inference.load",
    "export": "inference.export.export",
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    from iqa_zoo.budgets import match_budget, measure_budget
    from iqa_zoo.build import build_model
    from iqa_zoo.config import model_config
    from iqa_zoo.inference.export.export import export
    from iqa_zoo.inference.load import load, score
    from iqa_zoo.quality_model import QualityModel
    from iqa_zoo.registry import (
        list_components,
        list_models,
        register_backbone,
        register_dataset,
        register_head,
        register_interaction,
        register_loss,
        register_memory,
        register_model,
        register_query,
        register_study,
    )
    from iqa_zoo.released import import_released
    from iqa_zoo.studies.api import ablate, compare, cross_dataset, data_efficiency, scaling, swap
    from iqa_zoo.studies.results import load_result


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"iqa_zoo.{_PUBLIC[name]}"), name)
    from iqa_zoo.errors import closest

    raise AttributeError(f"module 'iqa_zoo' has no attribute {name!r}{closest(name, _PUBLIC)}")


def __dir__() -> list[str]:
    return sorted(__all__)
