"""What a study takes: its options, models and defaults, known without importing what the study runs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.spec import NoOptions


class StudySettings:
    """What a study takes.

    A study of this package declares it in ``options.py`` beside its ``study.py``, in a class ``Settings`` that the study inherits
    from. Nothing there imports torch, so that ``--help`` answers at once.

    Attributes:
        options: the dataclass of its own settings (:func:`iqa_zoo.studies.settings.setting`).
        without: shared groups of settings, or single settings, that it does not take.
        tunes: whether it takes ``--tune``.
        defaults: of shared settings, where they differ from the usual.
        models: the models where none are named.
        takes_models: the fewest and the most models it takes.
    """

    options: ClassVar[type] = NoOptions
    without: ClassVar[Sequence[str]] = ()
    tunes: ClassVar[bool] = False
    defaults: ClassVar[Mapping[str, Any]] = {}
    models: ClassVar[Sequence[str]] = ()
    takes_models: ClassVar[tuple[int, float]] = (1, float("inf"))

    @property
    def refused(self) -> Sequence[str]:
        """The shared groups of settings, and single settings, that it does not take."""
        return self.without if self.tunes else (*self.without, "tune", "tune_once")


def find_settings(name: str) -> StudySettings:
    """Return what a study takes. A study of this package is not imported; that of a plugin is.

    Raises:
        UnknownName: there is none; names the closest.
        PluginError: a plugin's study that failed to load.

    >>> find_settings("ablate").takes_models
    (1, 1)
    """
    held = STUDIES.built_in().get(name)
    if held is None:
        settings: StudySettings = STUDIES.get(name)()
    else:
        settings = importlib.import_module(f"{held.module.removesuffix('.study')}.options").Settings()
    return settings
