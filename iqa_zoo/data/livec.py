"""LIVE In the Wild Image Quality Challenge: 1162 photographs with authentic distortions."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_mat
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="livec",
    images=1162,
    score_range=(0, 100),
    licence="use, copy, modify and distribute for any purpose with the copyright notice; cite the authors",
    source="https://live.ece.utexas.edu/research/ChallengeDB/",
)
# The first seven images are training examples for the raters; papers leave them out.
PRACTICE = 7


@register_dataset("livec")
def livec(root: str | Path, *, subset: bool = False) -> RatedImages:
    """LIVE In the Wild (LIVEC, CLIVE): 1162 photographs, authentic distortions, MOS 0..100, higher is better.

    D. Ghadiyaram and A. C. Bovik, IEEE TIP 25(1), 2016.

    Args:
        root: the folder with ``Images/`` and ``Data/`` (``ChallengeDB_release/``), or the one above it.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    names_file = find(root, RELEASE, "Data/AllImages_release.mat", what="the label file")
    mos_file = find(names_file.parent, RELEASE, "AllMOS_release.mat", what="the label file")
    images = ImageFolder(find(root, RELEASE, "Images", what="the image folder", beside=names_file))
    names, scores = read_mat((names_file, "AllImages_release"), (mos_file, "AllMOS_release"))
    if len(names) != len(scores):
        raise InputError(f"{names_file} names {len(names)} images and {mos_file} has {len(scores)} scores")
    rows = []
    for line, score in list(zip(names, scores, strict=True))[PRACTICE:]:
        name = line.text("AllImages_release")
        rows.append(Row(images.find(name), score.number("AllMOS_release", name)))
    return make_rated_images(RELEASE, rows, subset)
