"""UHD-IQA: photographs of 4K width and high technical quality."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="uhd_iqa",
    images=6073,
    score_range=(0, 1),
    licence="photographs from Pixabay.com; the terms of the ratings are not stated in the README of the release",
    source="https://database.mmsp-kn.de/uhd-iqa-benchmark-database.html",
    ratings=20,
    ratings_note="20 for each image: 10 experts, twice (README of the release)",
)
PARTS = {"training": "train", "validation": "validation", "test": "test"}


@register_dataset("uhd_iqa")
def uhd_iqa(root: str | Path, *, subset: bool = False) -> RatedImages:
    """UHD-IQA: 6073 photographs 3840 pixels wide, authentic distortions, MOS 0..1, higher is better, official split.

    V. Hosu, L. Agnolucci, O. Wiedemann, D. Iso and D. Saupe, ECCV workshops 2024, arXiv:2406.17472. The README of the release
    gives the number of images, the columns ``image_name``, ``quality_mos`` and ``set``, and the number of ratings; it gives no
    deviation of the ratings. Not verified on files of the release: that images lie in ``training/``, ``validation/`` and
    ``test/``, and that the scores are on 0..1 (those seen in public lists are .4 to .9).

    Args:
        root: the folder with ``uhd-iqa-metadata.csv`` and the images: in ``training/``, ``validation/`` and ``test/``, or all
            in one folder, ``images/`` or that of the labels.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "uhd-iqa-metadata.csv", what="the label file")
    folders = {name: find_any(root, name, f"challenge/{name}", beside=labels) for name in PARTS}
    together = find_any(root, "images", beside=labels) or labels.parent
    images = {name: ImageFolder(folder or together) for name, folder in folders.items()}
    rows = []
    for line in read_table(labels, ("image_name", "quality_mos", "set")):
        name, part = line.text("image_name"), line.text("set").casefold()
        if part not in PARTS:
            raise InputError(f"{line.where}: {name} is in set {line.text('set')!r}; known: {', '.join(PARTS)}")
        rows.append(Row(images[part].find(name), line.number("quality_mos", name), part=PARTS[part]))
    return make_rated_images(RELEASE, rows, subset)
