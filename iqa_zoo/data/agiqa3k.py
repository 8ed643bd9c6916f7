"""AGIQA-3K: generated images."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder, list_subfolders
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, make_rated_images
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="agiqa3k",
    images=2982,
    score_range=(0, 5),
    deviations=True,
    licence="MIT",
    source="https://github.com/lcysyzxdxc/AGIQA-3k-Database",
)


@register_dataset("agiqa3k")
def agiqa3k(root: str | Path, *, subset: bool = False) -> RatedImages:
    """AGIQA-3K: 2982 images that six models generated from text, MOS 0..5, higher is better.

    C. Li et al., IEEE TCSVT 34(8), 2024. The score is the quality (``mos_quality``), not the alignment with the
    prompt; ``std_quality`` is the deviation of its ratings. The release does not give the number of ratings of an image, so
    it is not known. Images of one prompt count as one content, so that no prompt both trains and tests.

    Args:
        root: the folder with ``data.csv`` and the images, beside it or in one folder under it.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "data.csv", what="the label file")
    images = ImageFolder(labels.parent, *list_subfolders(labels.parent))
    rows = []
    for line in read_table(labels, ("name", "prompt", "mos_quality"), ("std_quality",)):
        name = line.text("name")
        path, score, prompt = images.find(name), line.number("mos_quality", name), line.text("prompt")
        deviation = line.number("std_quality") if "std_quality" in line.values else None
        rows.append(Row(path, score, reference=prompt, deviation=deviation))
    return make_rated_images(RELEASE, rows, subset)
