"""Blurred Image Database."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="bid",
    images=586,
    score_range=(0, 5),
    licence=NOT_STATED,
    source="https://www02.smt.ufrj.br/~eduardo/ImageDatabase.htm",
)


@register_dataset("bid")
def bid(root: str | Path, *, subset: bool = False) -> RatedImages:
    """BID: 586 photographs with realistic blur, MOS 0..5, higher is better.

    A. Ciancio et al., IEEE TIP 20(1), 2011.

    Args:
        root: the folder with ``DatabaseGrades.xlsx`` (or .csv) and ``ImageDatabase/DatabaseImage0001.JPG`` ...; the
            images may also lie beside the labels.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    places = [f"{top}DatabaseGrades{suffix}" for top in ("", "ImageDatabase/") for suffix in (".csv", ".xlsx")]
    labels = find(root, RELEASE, *places, what="the label file")
    folder = find_any(root, "ImageDatabase", beside=labels)
    images = ImageFolder(labels.parent) if folder is None else ImageFolder(*{folder: None, labels.parent: None})
    rows = []
    for line in read_table(labels, ("image number", "average subjective grade")):
        number = line.number("image number")
        if not number.is_integer():
            raise InputError(f"{line.where}: the image number is {number}, not a whole number")
        name = f"DatabaseImage{int(number):04d}.JPG"
        rows.append(Row(images.find(name), line.number("average subjective grade", name)))
    return make_rated_images(RELEASE, rows, subset)
