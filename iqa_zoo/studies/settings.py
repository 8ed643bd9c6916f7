"""Settings: fields of dataclasses that are options of the command line and keywords of the Python call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields, is_dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.errors import InputError


def setting(
    default: Any = None,
    help: str = "",
    *,
    numbers: bool = True,
    factory: Callable[[], Any] | None = None,
    **argument: Any,
) -> Any:
    """Declare a field that is an option of the command line as well.

    Args:
        default: where it is left out.
        help: of the option.
        numbers: whether another value changes the numbers of the study, and so its identity.
        factory: makes the default.
        argument: ``metavar``, ``choices``, ``also`` (other spellings), ``parse`` (text to value), ``append`` (given several times).
    """
    metadata = {"help": help, "numbers": numbers, **argument}
    return field(default_factory=factory, metadata=metadata) if factory else field(default=default, metadata=metadata)


def parse_pair(text: str) -> tuple[str, str]:
    """Read KEY=VALUE.

    Raises:
        InputError: there is no key or no equals sign.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{text!r} is not KEY=VALUE, for example higher_is_better=false")
    return key.strip(), value


def parse_named_file(text: str) -> tuple[str, Path]:
    """Read NAME=FILE.

    Raises:
        InputError: it is not.
    """
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise InputError(f"{text!r} is not NAME=FILE, for example resnet18=resnet18.safetensors")
    return name, Path(file)


def make_weights_setting() -> Any:
    """Return the field of a study of several backbones that names the weights of some."""
    return setting(
        (),
        "a backbone's weights, a .safetensors file or a plain state dict; may be given several times",
        metavar="NAME=FILE",
        parse=parse_named_file,
        append=True,
    )


def make_pretrained_setting() -> Any:
    """Return the field of a study of several backbones that fetches the weights of the others."""
    return setting(False, "fetch the ImageNet weights of the backbones that --weights does not name")


def collect_numbers(group: Any, *, short: bool = False) -> dict[str, Any]:
    """Return the settings of a dataclass that change numbers, as JSON takes them; ``short`` keeps the last part of paths."""
    return {
        each.name: _as_json(getattr(group, each.name), short)
        for each in fields(group)
        if each.metadata.get("numbers", True)
    }


def _as_json(value: Any, short: bool) -> Any:
    if isinstance(value, Path):
        return value.name if short else str(value)
    if is_dataclass(value):
        return {each.name: _as_json(getattr(value, each.name), short) for each in fields(value)}
    return [_as_json(each, short) for each in value] if isinstance(value, list | tuple) else value
