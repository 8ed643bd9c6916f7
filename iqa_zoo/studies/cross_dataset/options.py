"""The settings that a comparison across datasets takes, read for ``--help`` without importing what it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from iqa_zoo.data.loading import DataSource
from iqa_zoo.errors import InputError
from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study_settings import StudySettings


def parse_source(text: str) -> DataSource:
    """Read NAME, NAME=ROOT or NAME=ROOT,KEY=VALUE,...

    Raises:
        InputError: it is none of them.

    >>> parse_source("table=mine/labels.csv,score_range=[0, 10],name=mine").options
    (('score_range', '[0, 10]'), ('name', 'mine'))
    """
    name, equals, rest = text.partition("=")
    if not name or (equals and not rest):
        raise InputError(f"{text!r} is not NAME=ROOT, for example livec=ChallengeDB_release")
    root, *options = re.split(r",(?=\w+=)", rest)
    pairs = tuple((key, value) for key, _, value in (option.partition("=") for option in options))
    return DataSource(name, Path(root) if root else None, pairs)


@dataclass(frozen=True)
class Options:
    """The settings of a comparison across datasets."""

    data: tuple[DataSource, ...] = setting(
        (),
        "a dataset, its folder and its own options (higher_is_better=false); once for each; demo needs no root. One that is not "
        "there is left out",
        metavar="NAME=ROOT[,KEY=VALUE]",
        parse=parse_source,
        append=True,
    )


class Settings(StudySettings):
    """What a comparison across datasets takes."""

    options: ClassVar[type] = Options
    without = ("root", "option", "split_file")
    models = ("lifeiqa", "deiqt", "vanilla_decoder")
