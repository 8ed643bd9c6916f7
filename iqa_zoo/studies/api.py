"""The studies as Python calls: each takes what its command takes and returns a :class:`StudyResult`.

Every setting of ``iqa-zoo STUDY --help`` is a keyword: ``--batch-size 32`` is ``batch_size=32``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter, Terminal
from iqa_zoo.studies.results import StudyResult
from iqa_zoo.studies.spec import BOXED
from iqa_zoo.studies.study import plan_study, run_study

Models = Sequence[str | Path] | Mapping[str, Any]


def call_study(name: str, models: Models = (), *, progress: Reporter | None = None, **settings: Any) -> StudyResult:
    """Run a study by its registered name; a plugin's too.

    Args:
        name: of the study.
        models: zoo names or config files, or a mapping from label to either or to a config dict.
        progress: where progress is reported; stderr where left out. ``iqa_zoo.progress.Silent()`` reports nothing.
        settings: as ``iqa-zoo NAME --help`` lists them. ``out`` is a folder in which the result is kept.

    Raises:
        InputError: an unknown setting, or a value that cannot be; names the closest.
    """
    if settings.get("dry_run"):
        raise InputError(f"{name}: a dry run has no result; use iqa-zoo {name.replace('_', '-')} --dry-run")
    spec = plan_study(name, models, **settings)
    if progress is None:
        with Terminal().running() as terminal:
            result = run_study(spec, terminal)
    else:
        result = run_study(spec, progress)
    assert result is not None
    if spec.resources.out:
        result.save(spec.resources.out)
    return result


def compare(models: Models, *, data: str = BOXED, progress: Reporter | None = None, **settings: Any) -> StudyResult:
    """Compare decoders at one budget on the same splits, seeds and steps.

    >>> from iqa_zoo import compare
    >>> compare(["lifeiqa", "deiqt"], data="demo", splits=0)
    Traceback (most recent call last):
    iqa_zoo.errors.InputError: compare: --splits is a positive number, got 0
    """
    return call_study("compare", models, data=data, progress=progress, **settings)


def ablate(
    model: str | Path | Mapping[str, Any], *, data: str = BOXED, progress: Reporter | None = None, **settings: Any
) -> StudyResult:
    """Replace or remove the parts of a model one at a time."""
    models = {"model": model} if isinstance(model, Mapping) else [model]
    return call_study("ablate", models, data=data, progress=progress, **settings)


def swap(*, data: str = BOXED, progress: Reporter | None = None, **settings: Any) -> StudyResult:
    """Combine queries, interactions, memories and heads, and estimate the effect of each."""
    return call_study("swap", data=data, progress=progress, **settings)


def data_efficiency(
    models: Models = (), *, data: str = BOXED, progress: Reporter | None = None, **settings: Any
) -> StudyResult:
    """Train on nested shares of the training images."""
    return call_study("data_efficiency", models, data=data, progress=progress, **settings)


def scaling(
    models: Models = (),
    *,
    backbones: Sequence[str],
    data: str = BOXED,
    progress: Reporter | None = None,
    **settings: Any,
) -> StudyResult:
    """Train decoders of one size on several backbones."""
    return call_study("scaling", models, backbones=tuple(backbones), data=data, progress=progress, **settings)


def cross_dataset(
    models: Models = (), *, data: Sequence[Any], progress: Reporter | None = None, **settings: Any
) -> StudyResult:
    """Train on each of several datasets and test on all of them.

    Args:
        models: as for :func:`compare`.
        data: :class:`iqa_zoo.data.loading.DataSource`s, or texts ``NAME=ROOT[,KEY=VALUE]``.
        progress, settings: as for :func:`call_study`.
    """
    return call_study("cross_dataset", models, data=tuple(data), progress=progress, **settings)
