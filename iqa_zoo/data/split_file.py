"""Read and check split files: parts of a dataset as lists of image names."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.data.labels import read_text
from iqa_zoo.data.rated import PARTS
from iqa_zoo.errors import InputError

FORMAT = "iqa_zoo splits, version 1"
LISTS = (*PARTS, "unused")


@dataclass(frozen=True)
class SplitRecord:
    """One split of a file: its id, and the image names of each part and of no part ("unused")."""

    id: str
    parts: dict[str, list[str]]


def read_split_file(path: Path, dataset: str) -> list[SplitRecord]:
    """Read a split file of a dataset without checking the image names against its images.

    Raises:
        InputError: the file is missing, is not a split file, or belongs to another dataset.
    """
    if not os.path.exists(path):
        raise InputError(f"there is no split file {path}")
    text = read_text(path)
    try:
        content = json.loads(text)
    except RecursionError:
        raise InputError(f"{path} is not a split file: its lists are nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path} is not a split file: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path} is not a split file: it does not say {FORMAT!r} as its format")
    if content.get("dataset") != dataset:
        raise InputError(f"{path} splits the dataset {content.get('dataset')!r}, not {dataset!r}")
    splits = content.get("splits")
    if not isinstance(splits, list):
        raise InputError(f'{path}: "splits" is {_describe(splits)}, not a list of splits; write it with iqa-zoo splits')
    if not splits:
        raise InputError(f"{path} holds no splits; write them with iqa-zoo splits")
    return [_parse(record, f"{path}: split {number}") for number, record in enumerate(splits, start=1)]


def _parse(record: Any, where: str) -> SplitRecord:
    if not isinstance(record, dict):
        raise InputError(f"{where} is {_describe(record)}, not an object with the lists {', '.join(LISTS)}")
    if lacking := {"id", *LISTS} - set(record):
        raise InputError(f"{where} lacks {', '.join(sorted(lacking))}")
    if not isinstance(record["id"], str):
        raise InputError(f'{where}: "id" is {_describe(record["id"])}, not text')
    for part in LISTS:
        if not isinstance(record[part], list):
            raise InputError(f'{where}: "{part}" is {_describe(record[part])}, not a list of image names')
        for name in record[part]:
            if not isinstance(name, str):
                raise InputError(f'{where}: "{part}" holds {_describe(name)}, which is not an image name')
    times = Counter(name for part in LISTS for name in record[part])
    if twice := [name for name, count in times.items() if count > 1]:
        parts = " and ".join(part for part in LISTS for name in record[part] if name == twice[0])
        raise InputError(f"{where} lists {twice[0]} {times[twice[0]]} times, in {parts}; list each image once")
    return SplitRecord(record["id"], {part: record[part] for part in LISTS})


def _describe(value: object) -> str:
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
