"""LIVE In the Wild Image Quality Challenge: 1162 photographs with authentic distortions."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, file_index, find, rated_images, read_mat
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="livec",
    images=1162,
    score_range=(0, 100),
    licence="use, copy, modify and distribute for any purpose with the copyright notice; cite the authors",
    source="https://live.ece.utexas.edu/research/ChallengeDB/",
)
# The first seven images were shown to people to practise on; the papers leave them out.
PRACTICE = 7


@register_dataset("livec")
def livec(root: str | Path, *, subset: bool = False) -> RatedImages:
    """LIVE In the Wild (LIVEC, CLIVE): 1162 photographs, authentic distortions, MOS 0..100, higher is better.

    D. Ghadiyaram and A. C. Bovik, IEEE TIP 25(1), 2016.

    Args:
        root: the folder with ``Images/`` and ``Data/``, or the one above it (``ChallengeDB_release/``).
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    at = ("", "ChallengeDB_release/")
    names_file = find(root, RELEASE, *(f"{top}Data/AllImages_release.mat" for top in at), what="the label file")
    mos_file = find(names_file.parent, RELEASE, "AllMOS_release.mat", what="the label file")
    images = file_index(find(names_file.parent.parent, RELEASE, "Images", what="the image folder"))
    names = [str(name) for name in read_mat(names_file, "AllImages_release")]
    scores = read_mat(mos_file, "AllMOS_release")
    if len(names) != len(scores):
        raise InputError(f"{names_file} names {len(names)} images and {mos_file} has {len(scores)} scores")
    folder = names_file.parent.parent / "Images"
    rows = [
        Row(images.get(name.casefold(), folder / name), float(score))
        for name, score in list(zip(names, scores, strict=True))[PRACTICE:]
    ]
    return rated_images(RELEASE, rows, subset)
