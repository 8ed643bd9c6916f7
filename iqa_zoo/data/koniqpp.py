"""KonIQ++: KonIQ-10k with the defects that people saw."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.koniq10k import scores_and_parts
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, file_index, find, number, rated_images, read_csv, some
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="koniqpp",
    images=10073,
    score_range=(0, 100),
    licence=NOT_STATED,
    source="https://database.mmsp-kn.de/koniq-image-defects-database.html",
)
DEFECTS = ("artifacts", "blur", "contrast", "colors")


@register_dataset("koniqpp")
def koniqpp(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """KonIQ++: the 10073 photographs and scores of KonIQ-10k, each with its most often named defect.

    S. Su, V. Hosu, H. Lin, Y. Zhang and D. Saupe, BMVC 2021. The distortion of an image is the one of artifacts,
    blur, contrast and colors that most people named.

    Args:
        root: the folder of KonIQ-10k with ``koniq++database.csv`` beside its label file.
        folder: the image folder; ``1024x768/`` or ``512x384/`` if not given.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    at = find(root, RELEASE, *([folder] if folder else ["1024x768", "512x384"]), what="the image folder")
    defects_file = find(root, RELEASE, "koniq++database.csv", what="the label file of the defects")
    images = file_index(at)
    defect_of = {}
    for line in read_csv(defects_file, ("filename", *DEFECTS)):
        name = line["filename"].casefold()
        defect_of[name] = max(DEFECTS, key=lambda defect: number(line[defect], defects_file, name))
    rows = []
    without = []
    for name, score, part in scores_and_parts(root):
        if name.casefold() in defect_of:
            path = images.get(name.casefold(), at / name)
            rows.append(Row(path, score, distortion=defect_of[name.casefold()], part=part))
        else:
            without.append(name)
    if without and not subset:
        raise InputError(f"{defects_file} lacks {len(without)} images of KonIQ-10k: {some(without)}")
    return rated_images(RELEASE, rows, subset)
