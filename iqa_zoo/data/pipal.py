"""PIPAL: perceptual image processing algorithms."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder, list_folder
from iqa_zoo.data.labels import read_lines
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.names import is_hidden
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images, parse_name
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="pipal",
    images=23200,
    contents=200,
    score_range=(800, 2000),
    label="MOS (Elo)",
    licence=NOT_STATED,
    source="https://github.com/HaomingCai/PIPAL-dataset",
)


@register_dataset("pipal")
def pipal(root: str | Path, *, subset: bool = False) -> RatedImages:
    """PIPAL, training part: 23200 images of 200 contents, 40 distortions, Elo score, higher is better.

    J. Gu et al., ECCV 2020. Scores are raw Elo ratings, about 917..1836; the labels of the other parts of the
    release are not public.

    Args:
        root: the folder with ``Train_Label/``, and ``Distortion_1/`` to ``Distortion_4/`` or all images in
            ``Dist_Imgs/``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "Train_Label", what="the label folder")
    parts = [find_any(root, f"Distortion_{index}", beside=labels) for index in range(1, 5)]
    folders = [folder for folder in parts if folder is not None]
    folders = folders or [find(root, RELEASE, "Dist_Imgs", "Distortion_1", what="the image folder", beside=labels)]
    images = ImageFolder(*folders)
    rows = []
    for file in list_folder(labels):
        if is_hidden(file) or not file.casefold().endswith(".txt"):
            continue
        for line in read_lines(labels / file, ("image", "score")):
            name = line.text("image")
            reference, kind = parse_name(name, r"([^_]+)_(\d+)_\d+\.bmp", "A0001_00_00.bmp", line.where)
            score = line.number("score", name)
            rows.append(Row(images.find(name), score, reference, distortion=f"group {kind}"))
    return make_rated_images(RELEASE, rows, subset)
