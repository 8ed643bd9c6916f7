"""Read configs from YAML and JSON, within limits of size and depth."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from iqa_zoo.errors import ConfigError, closest

FILES = (".yaml", ".yml", ".json")
LARGEST_FILE = 10**6  # bytes of a config; the longest of the zoo has some thousand
MOST_VALUES = 10**4  # of a config, each alias in YAML counted as often as it is used
DEEPEST = 50  # lists and mappings inside each other

Config = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Plain YAML that reads ``1e-4`` as a number and ``None`` as null, as Python and JSON do, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = [str(key) for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


class Dumper(yaml.SafeDumper):
    """Quotes the strings that ``_Loader`` would read as numbers or null."""


for _side in (_Loader, Dumper):
    _exponent = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")
    _side.add_implicit_resolver("tag:yaml.org,2002:float", _exponent, list("-+.0123456789"))
    _side.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("None$"), ["N"])


def parse_value(text: str) -> Any:
    """Read a value written as in a YAML file or on a command line.

    Raises:
        ConfigError: not valid YAML, a key given twice, or more than ``MOST_VALUES`` values or ``DEEPEST`` levels, as an
            alias of what holds it gives.

    >>> [parse_value(text) for text in ("8", "1e-4", "[3, 4]", "learned", "None", "true")]
    [8, 0.0001, [3, 4], 'learned', None, True]
    """
    return _parse(lambda: yaml.load(text, _Loader), "YAML or JSON", "the text")


def _parse(load: Callable[[], Any], what: str, title: str) -> Any:
    try:
        return copy_config(load())
    except ConfigError as error:
        raise ConfigError(error.problems, title=title) from error
    except RecursionError:
        raise ConfigError([_TOO_DEEP], title=title) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: JSON, and a whole number of thousands of digits
        raise ConfigError([f"not valid {what}: {error}"], title=title) from error


def _mapping(pairs: list[tuple[str, Any]]) -> Config:
    """A mapping of JSON, whose keys come once."""
    keys = [key for key, _ in pairs]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ConfigError([f"the key {twice[0]!r} is given twice"])
    return dict(pairs)


_TOO_DEEP = f"lists or mappings are nested more than {DEEPEST} deep, or hold themselves"


def copy_config(value: Any) -> Any:
    """A deep copy with no sharing: ``[block] * 4`` becomes four blocks, so editing one edits one.

    Raises:
        ConfigError: more values or deeper than a config can be.
    """
    left = itertools.count(MOST_VALUES, -1)

    def copy(value: Any, depth: int) -> Any:
        if depth > DEEPEST:
            raise ConfigError([_TOO_DEEP])
        if next(left) < 0:
            raise ConfigError([f"it holds more than {MOST_VALUES} values (an alias in YAML counts as what it repeats)"])
        if isinstance(value, Mapping):
            return {str(key): copy(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, depth + 1) for item in value]
        return value

    return copy(value, 0)


def read_mapping(path: str | Path) -> Config:
    """Read the mapping that a .yaml or .json file holds.

    Raises:
        ConfigError: no such file, not valid YAML, JSON or UTF-8, larger than ``LARGEST_FILE``, or not a mapping; names
            the file.
    """
    path = Path(path)
    if not path.is_file():
        there = "it is no regular file" if path.exists() else "there is no such file"
        near = "" if path.exists() else closest(path.name, _siblings(path))
        raise ConfigError([f"{there}{near}"], title=str(path))
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise ConfigError([f"it has {size} bytes, and a config has at most {LARGEST_FILE}"], title=str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"not a text file in UTF-8: {error}"], title=str(path)) from error
    as_json = path.suffix.lower() == ".json"
    loaded = _parse(
        lambda: json.loads(text, object_pairs_hook=_mapping) if as_json else yaml.load(text, _Loader),
        "JSON" if as_json else "YAML or JSON",
        str(path),
    )
    if not isinstance(loaded, dict):
        raise ConfigError([f"expected a mapping of names to values, got {type(loaded).__name__}"], title=str(path))
    return loaded


def _siblings(path: Path) -> list[str]:
    return [p.name for p in path.parent.glob("*") if p.suffix.lower() in FILES] if path.parent.is_dir() else []
