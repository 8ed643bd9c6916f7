"""Find the images that a study's results name; results hold names and scores, not pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from iqa_zoo.data.loading import DataSource, load_dataset
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.html.pictures import Pictures

DEMO = "demo"  # generates its images
GIVE = "No images are shown: give the dataset again with --data and --root."


def find_images(described: Mapping[str, Any], sources: Sequence[DataSource]) -> Pictures:
    """Find the images of a dataset that results describe by ``name`` and ``mos``; the note says which are missing and why."""
    mos = described.get("mos", {})
    data, note = load_source(described["name"], sources, mos)
    paths = {} if data is None else dict(zip(data.names, data.paths, strict=True))
    missing = [name for name in mos if name not in paths]
    if paths and missing:
        note = f"{len(missing)} of {len(mos)} images were not found, for example {missing[0]}."
    return Pictures(paths, note)


def load_source(name: str, sources: Sequence[DataSource], expected: Collection[str]) -> tuple[RatedImages | None, str]:
    """Load the dataset ``name``, which holds some of the expected images; or return None and a note on the reason."""
    source = choose_source(name, sources)
    if source is None:
        return None, GIVE
    try:
        data = load_dataset(source)
    except IqaZooError as error:
        return None, f"No images are shown, because the dataset cannot be loaded: {error}"
    if expected and set(expected).isdisjoint(data.names):
        return None, f"No images are shown: the given images are not those of {name}."
    return data, ""


def choose_source(name: str, sources: Sequence[DataSource]) -> DataSource | None:
    """Choose the source of a dataset: the one with its name, the only one, or the demo."""
    for source in sources:
        if name in (source.name, dict(source.options).get("name")) and (source.root or name == DEMO):
            return source
    if len(sources) == 1 and sources[0].root is not None:
        source = sources[0]
        return replace(source, name=name) if source.name in ("", DEMO) else source
    return DataSource(DEMO) if name == DEMO else None
