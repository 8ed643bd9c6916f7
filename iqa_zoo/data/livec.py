"""LIVE In the Wild Image Quality Challenge: 1162 photographs with authentic distortions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iqa_zoo.data.boxed import FOLDER, read_box
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
    deviations=True,
    ratings=175,
    ratings_note="the average over the images that its README states; the release does not give the number of each",
    box=FOLDER / "livec.json",
)
# The first seven images are training examples for the raters; papers leave them out.
PRACTICE = 7


@register_dataset("livec")
def livec(root: str | Path | None = None, *, subset: bool = False) -> RatedImages:
    """LIVE In the Wild (LIVEC, CLIVE): 1162 photographs, authentic distortions, MOS 0..100, higher is better.

    D. Ghadiyaram and A. C. Bovik, IEEE TIP 25(1), 2016. The release gives the standard deviation of the ratings of each image
    (``AllStdDev_release.mat``), and not their number: that of all images is the average of 175 that its README and the paper
    state (more than 350,000 ratings in all). Without a folder, the features of one backbone that come with
    the package are the data (:mod:`iqa_zoo.data.boxed`): names and labels of all photographs, and no pixels.

    Args:
        root: the folder with ``Images/`` and ``Data/`` (``ChallengeDB_release/``), or the one above it; None for the
            features in the package.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    if root is None:
        return _read_box()
    names_file = find(root, RELEASE, "Data/AllImages_release.mat", what="the label file")
    mos_file = find(names_file.parent, RELEASE, "AllMOS_release.mat", what="the label file")
    images = ImageFolder(find(root, RELEASE, "Images", what="the image folder", beside=names_file))
    spread_file = names_file.parent / "AllStdDev_release.mat"
    spread = [(spread_file, "AllStdDev_release")] if spread_file.is_file() else []
    names, scores, *deviations = read_mat((names_file, "AllImages_release"), (mos_file, "AllMOS_release"), *spread)
    if len(names) != len(scores):
        raise InputError(f"{names_file} names {len(names)} images and {mos_file} has {len(scores)} scores")
    if deviations and len(deviations[0]) != len(scores):
        raise InputError(f"{mos_file} has {len(scores)} scores and {spread_file} has {len(deviations[0])} deviations")
    rows = []
    for i, line in list(enumerate(names))[PRACTICE:]:
        name = line.text("AllImages_release")
        deviation = deviations[0][i].number("AllStdDev_release", name) if deviations else None
        rows.append(Row(images.find(name), scores[i].number("AllMOS_release", name), deviation=deviation))
    return make_rated_images(RELEASE, rows, subset)


def _read_box() -> RatedImages:
    assert RELEASE.box is not None
    box = read_box(RELEASE.box)
    return RatedImages(
        RELEASE.name,
        tuple(Path(image["name"]) for image in box.images),
        np.array([image["mos"] for image in box.images]),
        score_range=RELEASE.score_range,
        licence=RELEASE.licence,
        source=RELEASE.source,
        deviations=np.array([image["deviation"] for image in box.images]),
        ratings=np.array(RELEASE.ratings),
        ratings_note=RELEASE.ratings_note,
        box=box.path,
    )
