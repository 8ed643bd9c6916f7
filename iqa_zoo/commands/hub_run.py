"""A trained model that a command names: a name, a folder, or the address of a hub."""

from __future__ import annotations

import sys
from pathlib import Path

from iqa_zoo.commands.shared import parse_path
from iqa_zoo.hub.address import is_address

RUN_HELP = "the folder of a training, or hf://user/name@revision"


def parse_run(text: str) -> Path | str:
    """Read the argument for a trained model. An address stays text, as a path would lose one of its slashes."""
    return text if is_address(text) else parse_path(text)


def fetch_run(run: Path | str) -> Path | str:
    """Fetch a model that is on a hub and return the address of its commit, which is said on stderr; return others as they are.

    Raises:
        HubError: it cannot be fetched; says what to do.
    """
    if not is_address(run):
        return run
    from iqa_zoo.hub.download import fetch_model

    return str(fetch_model(run, lambda line: print(f"iqa-zoo: {line}", file=sys.stderr)).address)
