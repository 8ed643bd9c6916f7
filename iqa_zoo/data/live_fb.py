"""LIVE-FB (FLIVE, PaQ-2-PiQ): the largest set of rated photographs."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.names import normalize_name
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="live_fb",
    images=39810,
    score_range=(0, 100),
    licence=NOT_STATED,
    source="https://github.com/niu-haoran/FLIVE_Database",
)


@register_dataset("live_fb")
def live_fb(root: str | Path, *, subset: bool = False) -> RatedImages:
    """LIVE-FB: 39810 photographs of many sizes, MOS 0..100, higher is better, official split.

    Z. Ying et al., CVPR 2020. The images listed in ``labels640.csv`` are the official test part; those marked
    ``is_valid`` in ``labels=640_padded.csv`` validate. Without these files there is no official split.

    Args:
        root: the folder with ``labels_image.csv`` and the images: in their folders, under ``database/`` or
            directly, or all in ``FLIVE/``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "labels_image.csv", "database/labels_image.csv", what="the label file")
    parts = _read_official_parts(labels.parent)
    base = labels.parent.parent if labels.parent.name.casefold() == "database" else labels.parent
    flat = find_any(base, "FLIVE")
    top = flat or find_any(base, "database") or base
    folders: dict[str, ImageFolder | None] = {}
    rows = []
    for line in read_table(labels, ("name", "mos")):
        name = line.text("name")
        folder, _, file = name.rpartition("/")
        within = "" if flat else folder
        if within not in folders:
            at = find_any(top, within) if within else top
            folders[within] = ImageFolder(at) if at is not None else None
        images = folders[within]
        path = images.find(file) if images is not None else top / within / file
        part = parts.get(normalize_name(name), "train") if parts else ""
        rows.append(Row(path, line.number("mos", name), part=part))
    return make_rated_images(RELEASE, rows, subset)


def _read_official_parts(folder: Path) -> dict[str, str]:
    """Read the part of each validation and test image, by normalised name; empty without the list of test images."""
    test_file, validation_file = (find_any(folder, name) for name in ("labels640.csv", "labels=640_padded.csv"))
    if test_file is None:
        return {}
    parts = {}
    if validation_file is not None:
        for line in read_table(validation_file, ("name_image", "is_valid")):
            if line.text("is_valid").casefold() in ("true", "1"):
                parts[normalize_name(line.text("name_image"))] = "validation"
    return parts | {normalize_name(line.text("name_image")): "test" for line in read_table(test_file, ("name_image",))}
