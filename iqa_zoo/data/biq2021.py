"""BIQ2021: photographs of one collection, taken for the purpose and from the web."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="biq2021",
    images=12000,
    score_range=(0, 1),
    licence=NOT_STATED,
    source="https://github.com/nisarahmedrana/BIQ2021",
)


@register_dataset("biq2021")
def biq2021(root: str | Path, *, subset: bool = False) -> RatedImages:
    """BIQ2021: 12000 photographs, authentic distortions, MOS 0..1, higher is better, official split.

    N. Ahmed and S. Asif, Journal of Electronic Imaging 31(5), 2022. The repository of the release holds the images and two label
    files, for training (10,000) and test (2,000), with the columns ``Image Name`` and ``MOS``. They exist in two versions:
    ``Train.csv`` and ``Test.csv`` have five decimals; ``Train (Images and MOS).csv`` and its sibling four, on a stretched scale. The
    first is read where both are there, and never one file of each. The paper mentions the deviation of the ratings of each
    image; these files do not have it, and the number of ratings is not known here. Not verified on the complete release:
    that no other image is in its folder.

    Args:
        root: the folder with the two label files and ``Images/``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    train = find(root, RELEASE, "Train.csv", "Train (Images and MOS).csv", what="the label file of the training part")
    other = f"Test{train.name[len('Train') :]}"
    test = find(train.parent, RELEASE, other, what="the label file of the test part")
    images = ImageFolder(find(root, RELEASE, "Images", what="the image folder", beside=train))
    rows = []
    for part, labels in (("train", train), ("test", test)):
        for line in read_table(labels, ("image name", "mos")):
            name = line.text("image name")
            rows.append(Row(images.find(name), line.number("mos", name), part=part))
    return make_rated_images(RELEASE, rows, subset)
