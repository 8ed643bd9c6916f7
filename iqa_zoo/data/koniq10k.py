"""KonIQ-10k: photographs from Flickr in the wild."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="koniq10k",
    images=10073,
    score_range=(0, 100),
    licence=NOT_STATED,
    source="https://database.mmsp-kn.de/koniq-10k-database.html",
)
PARTS = {"training": "train", "validation": "validation", "test": "test"}


@register_dataset("koniq10k")
def koniq10k(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """KonIQ-10k: 10073 photographs, authentic distortions, MOS 0..100, higher is better, official split.

    V. Hosu, H. Lin, T. Sziranyi and D. Saupe, IEEE TIP 29, 2020. Scores are those that loaders use, on 0..100
    (``MOS_zscore``), not the raw 1..5.

    Args:
        root: the folder with ``1024x768/`` or ``512x384/``, and ``koniq10k_distributions_sets.csv`` (which has the
            official split) or ``koniq10k_scores_and_distributions.csv`` (which has not).
        folder: the image folder; the larger images where both are there.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find_labels(root)
    images = find_images(root, folder, labels)
    rows = [Row(images.find(name), score, part=part) for name, score, part in read_scores(labels)]
    return make_rated_images(RELEASE, rows, subset)


def find_labels(root: str | Path) -> Path:
    """Find the label file of KonIQ-10k, preferring the one with the official split."""
    names = ("koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv")
    return find(root, RELEASE, *names, what="the label file")


def find_images(root: str | Path, folder: str | None, labels: Path) -> ImageFolder:
    """Find the images of KonIQ-10k, in a named folder or preferring the larger ones."""
    folders = [folder] if folder else ["1024x768", "512x384"]
    return ImageFolder(find(root, RELEASE, *folders, what="the image folder", beside=labels))


def read_scores(labels: Path) -> Iterator[tuple[str, float, str]]:
    """Read name, score and official part ("" if there is none) of each KonIQ-10k image."""
    if labels.name.casefold() != "koniq10k_distributions_sets.csv":
        for line in read_table(labels, ("image_name", "mos_zscore")):
            name = line.text("image_name")
            yield name, line.number("mos_zscore", name), ""
        return
    for line in read_table(labels, ("image_name", "mos", "set")):
        name, part = line.text("image_name"), line.text("set")
        if part.casefold() not in PARTS:
            raise InputError(f"{line.where}: {name} is in set {part!r}; known: {', '.join(PARTS)}")
        yield name, line.number("mos", name), PARTS[part.casefold()]
