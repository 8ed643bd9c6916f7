"""What a server calls its models. Imports no torch and no web framework."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iqa_zoo.errors import InputError
from iqa_zoo.hub.address import SCHEME, is_address


def name_models(given: Sequence[str | Path]) -> dict[str, str | Path]:
    """Name the models of a server: a folder by its last part, a model on a hub by its address without ``hf://``.

    Raises:
        InputError: two models with one name.

    >>> name_models(["mlp_lite0.livec", "runs/mine", "hf://me/mine@v1"])
    {'mlp_lite0.livec': 'mlp_lite0.livec', 'mine': 'runs/mine', 'me/mine@v1': 'hf://me/mine@v1'}
    """
    named: dict[str, str | Path] = {}
    for each in given:
        name = _name(each)
        if name in named:
            raise InputError(f"two models are called {name!r}; give each once, and rename the folder of one training")
        named[name] = each
    return named


def _name(given: str | Path) -> str:
    if is_address(given):
        return str(given).removeprefix(SCHEME.rstrip("/")).lstrip("/")
    return Path(given).name or str(given)
