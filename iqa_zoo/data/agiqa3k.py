"""AGIQA-3K: generated images."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, file_index, find, number, rated_images, read_csv
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="agiqa3k",
    images=2982,
    score_range=(0, 5),
    licence="MIT",
    source="https://github.com/lcysyzxdxc/AGIQA-3k-Database",
)


@register_dataset("agiqa3k")
def agiqa3k(root: str | Path, *, subset: bool = False) -> RatedImages:
    """AGIQA-3K: 2982 images that six models generated from text, MOS 0..5, higher is better.

    C. Li et al., IEEE TCSVT 34(8), 2024. The score is the quality (``mos_quality``), not the alignment with the
    prompt. Images of one prompt count as one content, so that no prompt both trains and tests.

    Args:
        root: the folder with ``data.csv`` and the images, beside it or in one folder under it.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "data.csv", what="the label file")
    images = file_index(Path(root), deep=True)
    rows = []
    for line in read_csv(labels, ("name", "prompt", "mos_quality")):
        name = line["name"]
        path = images.get(name.casefold(), Path(root, name))
        rows.append(Row(path, number(line["mos_quality"], labels, name), reference=line["prompt"]))
    return rated_images(RELEASE, rows, subset)
