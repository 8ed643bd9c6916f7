"""The images that a study's results name: its results hold names and scores, and no pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.html.pictures import Pictures

DEMO = "demo"  # makes its images
GIVE = "The images were not given, so none is shown: give the dataset again with --data and --root."


def find_images(name: str, sources: Sequence[DataSource]) -> Pictures:
    """Return the images of a study's dataset, or a note that says why there are none.

    Args:
        name: of the dataset, as the results call it.
        sources: where images may be.
    """
    source = choose_source(name, sources)
    if source is None:
        return Pictures({}, GIVE)
    try:
        data = load_dataset(source)
    except IqaZooError as error:
        return Pictures({}, f"The images could not be found, so none is shown: {error}")
    return Pictures(dict(zip(data.names, data.paths, strict=True)))


def check_names(pictures: Pictures, mos: Mapping[str, Any], name: str) -> Pictures:
    """Return the images, or none where they are those of another dataset."""
    missing = [each for each in mos if each not in pictures.paths]
    if not pictures.paths or not missing:
        return pictures
    if len(missing) == len(mos):
        return Pictures({}, f"No image is shown: those that were given are not the images of {name}.")
    return Pictures(pictures.paths, f"{len(missing)} of {len(mos)} images were not found, for example {missing[0]}.")


def choose_source(name: str, sources: Sequence[DataSource]) -> DataSource | None:
    """Return the source of a dataset: one of its name, the only one that is given, or the demo."""
    for source in sources:
        if name in (source.name, dict(source.options).get("name")) and (source.root or name == DEMO):
            return source
    if len(sources) == 1 and sources[0].root is not None:
        source = sources[0]
        return replace(source, name=name) if source.name in ("", DEMO) else source
    return DataSource(DEMO) if name == DEMO else None
