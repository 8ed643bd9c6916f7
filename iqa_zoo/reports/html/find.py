"""Find the images that a study's results name; results hold names and scores, not pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.html.pictures import Pictures

DEMO = "demo"  # generates its images
GIVE = "No images are shown: give the dataset again with --data and --root."


def find_images(name: str, sources: Sequence[DataSource]) -> Pictures:
    """Find the images of a study's dataset, or explain why there are none."""
    data, note = load_source(name, sources)
    return Pictures({} if data is None else dict(zip(data.names, data.paths, strict=True)), note)


def load_source(name: str, sources: Sequence[DataSource]) -> tuple[RatedImages | None, str]:
    """Load the dataset ``name`` from its source, or return a note on why it is missing."""
    source = choose_source(name, sources)
    if source is None:
        return None, GIVE
    try:
        return load_dataset(source), ""
    except IqaZooError as error:
        return None, f"No images are shown, because the dataset cannot be loaded: {error}"


def check_names(pictures: Pictures, mos: Mapping[str, Any], name: str) -> Pictures:
    """Return the images, or none if they belong to another dataset."""
    missing = [each for each in mos if each not in pictures.paths]
    if not pictures.paths or not missing:
        return pictures
    if len(missing) == len(mos):
        return Pictures({}, f"No images are shown: the given images are not those of {name}.")
    return Pictures(pictures.paths, f"{len(missing)} of {len(mos)} images were not found, for example {missing[0]}.")


def choose_source(name: str, sources: Sequence[DataSource]) -> DataSource | None:
    """Choose the source of a dataset: the one with its name, the only one, or the demo."""
    for source in sources:
        if name in (source.name, dict(source.options).get("name")) and (source.root or name == DEMO):
            return source
    if len(sources) == 1 and sources[0].root is not None:
        source = sources[0]
        return replace(source, name=name) if source.name in ("", DEMO) else source
    return DataSource(DEMO) if name == DEMO else None
