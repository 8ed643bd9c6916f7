"""The studies that a page can be made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError
from iqa_zoo.reports.run import find_study
from iqa_zoo.reports.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Any]
REPORTS = {
    "compare": ("comparison", "comparison_tables", "verdict", None),
    "ablate": ("ablation", "ablation_tables", "verdicts", "ablation_figures"),
    "swap": ("swaps", "swap_tables", "swap_verdicts", "swap_figures"),
    "data_efficiency": ("data_efficiency", "efficiency_tables", "efficiency_sentences", "efficiency_figures"),
    "scaling": ("scaling", "scaling_tables", "scaling_sentences", "scaling_figures"),
    "cross_dataset": ("cross_dataset", "cross_tables", "cross_sentences", "cross_figures"),
    "probe_layers": ("probe", "probe_tables", "probe_sentences", "probe_figures"),
    "tsne": ("tsne", "tsne_tables", "tsne_sentences", "tsne_figures"),
}  # study -> module of iqa_zoo.reports, and its functions


@dataclass(frozen=True)
class Kind:
    """How one kind of study is told: tables, sentences, figures."""

    tables: Callable[[Any], list[Table]]
    sentences: Callable[[Any], list[str] | str]
    figures: Callable[[Any], Mapping[str, Figure]] | None


def kind_of(results: Results) -> Kind:
    """How the study that made the results is told.

    Raises:
        InputError: they are of no study of this package.

    >>> kind_of({"study": "tsne", "levels": [], "by": "quality", "seconds": 1.0}).tables.__name__
    'tsne_tables'
    """
    study = find_study(results)
    if study is None:
        raise InputError(f"these results are of no study of this package ({', '.join(REPORTS)})")
    name, tables, sentences, figures = REPORTS[study]
    module = importlib.import_module(f"iqa_zoo.reports.{name}")
    return Kind(getattr(module, tables), getattr(module, sentences), getattr(module, figures) if figures else None)
