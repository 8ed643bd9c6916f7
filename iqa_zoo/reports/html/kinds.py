"""The studies that a page can be made of, by the script that made their results."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iqa_zoo.errors import InputError, not_one_of
from iqa_zoo.reports.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Any]
REPORTS = {
    "compare.py": ("comparison", "comparison_tables", "verdict", None),
    "ablate.py": ("ablation", "ablation_tables", "verdicts", "ablation_figures"),
    "swap.py": ("swaps", "swap_tables", "swap_verdicts", "swap_figures"),
    "data_efficiency.py": ("data_efficiency", "efficiency_tables", "efficiency_sentences", "efficiency_figures"),
    "scaling.py": ("scaling", "scaling_tables", "scaling_sentences", "scaling_figures"),
    "cross_dataset.py": ("cross_dataset", "cross_tables", "cross_sentences", "cross_figures"),
    "probe_layers.py": ("probe", "probe_tables", "probe_sentences", "probe_figures"),
    "tsne.py": ("tsne", "tsne_tables", "tsne_sentences", "tsne_figures"),
}  # script -> module of iqa_zoo.reports, and its functions


@dataclass(frozen=True)
class Kind:
    """How one kind of study is told: tables, sentences, figures."""

    tables: Callable[[Any], list[Table]]
    sentences: Callable[[Any], list[str] | str]
    figures: Callable[[Any], Mapping[str, Figure]] | None


def kind_of(results: Results) -> Kind:
    """How the study that made the results is told.

    Raises:
        InputError: no script of this package made them.

    >>> kind_of({"command": ["swap.py"]}).tables.__name__
    'swap_tables'
    """
    script = next(iter(results.get("command", [])), "")
    if script not in REPORTS:
        raise InputError(f"results of {not_one_of(script, REPORTS, 'script')}")
    name, tables, sentences, figures = REPORTS[script]
    module = importlib.import_module(f"iqa_zoo.reports.{name}")
    return Kind(getattr(module, tables), getattr(module, sentences), getattr(module, figures) if figures else None)
