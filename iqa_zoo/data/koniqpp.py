"""KonIQ++: KonIQ-10k with labelled defects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iqa_zoo.data.koniq10k import find_images, find_labels, read_scores
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.names import normalize_name
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, format_some, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="koniqpp",
    images=10073,
    score_range=(0, 100),
    licence=NOT_STATED,
    deviations=True,
    ratings_note="of each image, in the labels",
    source="https://database.mmsp-kn.de/koniq-image-defects-database.html",
)
DEFECTS = ("artifacts", "blur", "contrast", "colors")


@register_dataset("koniqpp")
def koniqpp(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """KonIQ++: the 10073 photographs and scores of KonIQ-10k, each with its most frequent defect.

    S. Su, V. Hosu, H. Lin, Y. Zhang and D. Saupe, BMVC 2021. The distortion of an image is the most frequently named
    of artifacts, blur, contrast and colors. Deviations and numbers of ratings are those of KonIQ-10k.

    Args:
        root: the folder of KonIQ-10k with ``koniq++database.csv`` beside its label file.
        folder: the image folder; ``1024x768/`` or ``512x384/`` if not given.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    labels = find_labels(root)
    images = find_images(root, folder, labels)
    defects_file = find(root, RELEASE, "koniq++database.csv", what="the label file of the defects", beside=labels)
    defects: dict[str, str] = {}
    for line in read_table(defects_file, ("filename", *DEFECTS)):
        name = line.text("filename")
        if normalize_name(name) in defects:
            raise InputError(f"{line.where}: {name} is listed twice; give each image one row")
        shares = {defect: line.number(defect, name) for defect in DEFECTS}
        defects[normalize_name(name)] = max(DEFECTS, key=shares.__getitem__)
    rows = []
    without = []
    for name, row in read_scores(labels, images):
        if defect := defects.get(normalize_name(name)):
            rows.append(replace(row, distortion=defect))
        else:
            without.append(name)
    if without and not subset:
        raise InputError(f"{defects_file} lacks {len(without)} images of KonIQ-10k: {format_some(without)}")
    return make_rated_images(RELEASE, rows, subset)
