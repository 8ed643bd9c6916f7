"""LIVE-FB (FLIVE, PaQ-2-PiQ): the largest set of rated photographs."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, file_index, find, find_any, number, rated_images, read_csv
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
    parts = _official_parts(labels.parent)
    top = find_any(root, "FLIVE", "database") or Path(root)
    flat = top.name.casefold() == "flive"
    indices: dict[str, dict[str, Path]] = {}
    rows = []
    for line in read_csv(labels, ("name", "mos")):
        name = line["name"]
        folder, _, file = name.rpartition("/")
        within = "" if flat else folder
        if within not in indices:
            at = find_any(top, within) if within else top
            indices[within] = file_index(at) if at is not None else {}
        path = indices[within].get(file.casefold(), top / within / file)
        part = parts.get(name.casefold(), "train") if parts else ""
        rows.append(Row(path, number(line["mos"], labels, name), part=part))
    return rated_images(RELEASE, rows, subset)


def _official_parts(folder: Path) -> dict[str, str]:
    """The part of each image that does not train, by lower-case name; empty without the list of test images."""
    test_file, validation_file = (find_any(folder, name) for name in ("labels640.csv", "labels=640_padded.csv"))
    if test_file is None:
        return {}
    parts = {}
    if validation_file is not None:
        for line in read_csv(validation_file, ("name_image", "is_valid")):
            if line["is_valid"].casefold() in ("true", "1"):
                parts[line["name_image"].casefold()] = "validation"
    parts |= {line["name_image"].casefold(): "test" for line in read_csv(test_file, ("name_image",))}
    return parts
