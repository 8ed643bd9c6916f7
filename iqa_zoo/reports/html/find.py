"""The images that a study's results speak of: its results hold names and scores, and no pixels."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_zoo.commands.dataset_options import load_dataset
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.html.pictures import Pictures

MAKES_ITSELF = "demo"
GIVE = "The images were not at hand, so none is shown: give the dataset again with --data and --root."


def find_images(arguments: argparse.Namespace, name: str, *, again: bool) -> Pictures:
    """The images of a study's dataset, or a note that says why there are none.

    Args:
        arguments: with ``data``, ``root`` and ``option`` of the dataset, or several in ``sources``.
        name: of the dataset, as the results call it.
        again: the results were read from a run folder, and the arguments may say nothing of the dataset.
    """
    asked = _asked(arguments, name, again)
    if asked is None:
        return Pictures({}, GIVE)
    try:
        data = load_dataset(asked)
    except IqaZooError as error:
        return Pictures({}, f"The images could not be found, so none is shown: {error}")
    return Pictures(dict(zip(data.names, data.paths, strict=True)))


def check_names(pictures: Pictures, mos: Mapping[str, Any], name: str) -> Pictures:
    """The same, or none where they are the images of another dataset."""
    missing = [each for each in mos if each not in pictures.paths]
    if not pictures.paths or not missing:
        return pictures
    if len(missing) == len(mos):
        return Pictures({}, f"No image is shown: those that were given are not the images of {name}.")
    return Pictures(pictures.paths, f"{len(missing)} of {len(mos)} images were not found, for example {missing[0]}.")


def _asked(arguments: argparse.Namespace, name: str, again: bool) -> argparse.Namespace | None:
    """What to load, if anything is known of it."""
    sources = getattr(arguments, "sources", None) or []
    for source in sources:
        if name in (source.name, dict(source.options).get("name")):
            return _namespace(source.name, source.root, source.options)
    if sources:
        return None
    data, root = getattr(arguments, "data", None), getattr(arguments, "root", None)
    options = getattr(arguments, "option", [])
    if not again:
        return _namespace(data, root, options) if data else None
    if root is not None:
        return _namespace(name if data in (None, "", MAKES_ITSELF) else data, root, options)
    return _namespace(name, None, options) if name == MAKES_ITSELF else None


def _namespace(data: str, root: Path | None, options: Any) -> argparse.Namespace:
    return argparse.Namespace(data=data, root=root, option=list(options), skip_unreadable=False)
