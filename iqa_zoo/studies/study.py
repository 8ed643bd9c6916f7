"""What a study is, and how one is run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from iqa_zoo.errors import InputError
from iqa_zoo.jsonio import without_nan
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.make_spec import make_spec
from iqa_zoo.studies.models import label_models
from iqa_zoo.studies.protocol import shorten_command
from iqa_zoo.studies.results import SCHEMA, StudyResult
from iqa_zoo.studies.runners import prepare_protocol
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.study_settings import StudySettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from iqa_zoo.reports.table import Table

Results = dict[str, Any]


class Report(Protocol):
    """What the results of a study say: a module ``report.py``, or any object with these functions."""

    def make_tables(self, results: Results, /) -> list[Table]: ...
    def make_sentences(self, results: Results, /) -> list[str]: ...
    def make_figures(self, results: Results, /) -> Mapping[str, Figure]: ...


class Study(StudySettings):
    """A study. Register a subclass under the name of its folder with :func:`iqa_zoo.register_study`.

    Attributes:
        title: what its results are called, for example "an ablation".
        report: its tables, sentences and figures.
        columns: of its CSV file, with a row per training.
    """

    title: ClassVar[str] = "a study"
    report: ClassVar[Report]
    columns: ClassVar[Sequence[str]] = (
        "model", "config", "split", "seed", "epoch", "srocc", "plcc", "plcc_logistic4", "krocc", "rmse", "seconds",
    )  # fmt: skip

    def prepare(self, spec: StudySpec) -> StudySpec:
        """Check the spec before any work, and return it; a study may fill in what depends on its own settings.

        Raises:
            InputError: settings that do not go together.
        """
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        """Do the study.

        Returns:
            Its results, JSON-like, with ``runs`` (a record per training) where it trains; None for a dry run.
        """
        raise NotImplementedError


def find_study(name: str) -> Study:
    """Return a study by its registered name.

    Raises:
        UnknownName: there is none; names the closest.
    """
    study: Study = STUDIES.get(name)()
    return study


def plan_study(name: str, models: Sequence[str | Path] | Mapping[str, Any] = (), **settings: Any) -> StudySpec:
    """Return the checked spec of a study.

    Args:
        name: of the study.
        models: zoo names or config files; or configs by label.
        settings: see ``iqa-zoo NAME --help``.

    Raises:
        InputError: settings or models that the study does not take.

    >>> plan_study("compare", ["lifeiqa", "deiqt"], epochs=1).training.epochs
    1
    """
    study = find_study(name)
    given = label_models(models or study.models)
    fewest, most = study.takes_models
    if not fewest <= len(given) <= most:
        known = (
            f"{fewest:g}" if fewest == most else f"{fewest:g} or more" if most == float("inf") else f"at most {most:g}"
        )
        raise InputError(f"{name}: name the models, for example lifeiqa deiqt ({known} are needed, {len(given)} given)")
    spec = make_spec(name, given, study.options, study.refused, study.defaults, **settings)
    spec = study.prepare(spec)
    return (spec if "protocol" in study.refused else prepare_protocol(spec)).complete()


def run_study(spec: StudySpec, progress: Reporter, command: Sequence[str] = ()) -> StudyResult | None:
    """Do what a spec says; return its result, or None for a dry run.

    Args:
        spec: of :func:`plan_study`.
        progress: where stages and lines are reported.
        command: the command line, kept with the result.
    """
    started = time.perf_counter()
    values = find_study(spec.study).run(spec, progress)
    if values is None:
        return None
    return StudyResult(
        without_nan(
            {
                "study": spec.study,
                "schema": SCHEMA,
                "command": shorten_command(command),
                "spec": spec.to_dict(),
                **values,
                "seconds": time.perf_counter() - started,
            }
        )
    )
