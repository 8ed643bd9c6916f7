"""Smartphone Photography Attribute and Quality database."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, make_rated_images
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="spaq",
    images=11125,
    score_range=(0, 100),
    licence="educational and research purposes only; ask the authors about commercial use",
    source="https://github.com/h4nwei/SPAQ",
)
LABELS = "MOS and Image attribute scores"


@register_dataset("spaq")
def spaq(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """SPAQ: 11125 photographs from smartphones, MOS 0..100, higher is better.

    Y. Fang, H. Zhu, Y. Zeng, K. Ma and Z. Wang, CVPR 2020. The release gives no deviation and no number of ratings for an
    image. The authors later published the deviations in a separate file, which ``--data table`` reads.

    Args:
        root: the folder with ``TestImage/`` (or images resized before, in ``512x384/``), and ``MOS and Image
            attribute scores.xlsx`` (or .csv) in it or in ``Annotations/``.
        folder: the image folder; the full-size images where both are there.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    places = [f"{top}{LABELS}{suffix}" for top in ("Annotations/", "") for suffix in (".csv", ".xlsx")]
    labels = find(root, RELEASE, *places, what="the label file")
    known = ["TestImage", "SPAQ/TestImage", "512x384", "SPAQ zip/512x384"]
    at = find(root, RELEASE, *([folder] if folder else known), what="the image folder", beside=labels)
    images = ImageFolder(at, any_suffix=True)  # resized copies may have another suffix than the label file says
    rows = []
    for line in read_table(labels, ("image name", "mos")):
        name = line.text("image name")
        rows.append(Row(images.find(name), line.number("mos", name)))
    return make_rated_images(RELEASE, rows, subset)
