"""A trained model that a command names: a name, a folder, or the address of a hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_zoo.commands.lean_timm import import_lean_timm
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.hub.address import is_address

if TYPE_CHECKING:
    from iqa_zoo.inference.scorer import Scorer

RUN_HELP = "the folder of a training, or hf://user/name@revision"


def parse_run(text: str) -> Path | str:
    """Read the argument for a trained model. An address stays text, as a path would lose one of its slashes."""
    return text if is_address(text) else parse_path(text)


def fetch_run(run: Path | str) -> Path | str:
    """Fetch a model that is on a hub and return the address of its commit; return other models as they are.

    The commit is printed to stderr.

    Raises:
        HubError: it cannot be fetched; says what to do.
    """
    if not is_address(run):
        return run
    from iqa_zoo.hub.download import fetch_model

    return str(fetch_model(run, lambda line: print(f"iqa-zoo: {line}", file=sys.stderr)).address)


def load_scorer(run: Path | str, device: str | None, crops: int | None) -> Scorer:
    """Load the trained model that a command names, after all that can be wrong without torch has been checked.

    Raises:
        HubError: it cannot be fetched.
        InputError: there is no such model, or it cannot be loaded.
    """
    from iqa_zoo.inference.find_model import find_model

    run = fetch_run(run)
    find_model(run)  # before torch is imported
    import_lean_timm()
    from iqa_zoo.inference.load import load

    return load(run, device).with_crops(crops)
