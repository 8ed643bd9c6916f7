"""Smartphone Photography Attribute and Quality database."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, file_index, find, number, rated_images, read_table
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

    Y. Fang, H. Zhu, Y. Zeng, K. Ma and Z. Wang, CVPR 2020.

    Args:
        root: the folder with ``TestImage/`` (or images resized before, in ``512x384/``), and ``MOS and Image
            attribute scores.xlsx`` (or .csv) in it or in ``Annotations/``.
        folder: the image folder; the full-size images where both are there.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    known = ["TestImage", "SPAQ/TestImage", "512x384", "SPAQ zip/512x384"]
    at = find(root, RELEASE, *([folder] if folder else known), what="the image folder")
    places = [f"{top}{LABELS}{suffix}" for top in ("Annotations/", "") for suffix in (".csv", ".xlsx")]
    labels = find(root, RELEASE, *places, what="the label file")
    # Resized copies may have another suffix than the label file says.
    images = {path.stem.casefold(): path for path in file_index(at).values()}
    rows = []
    for line in read_table(labels, ("image name", "mos")):
        name = str(line["image name"])
        rows.append(Row(images.get(Path(name).stem.casefold(), at / name), number(line["mos"], labels, name)))
    return rated_images(RELEASE, rows, subset)
