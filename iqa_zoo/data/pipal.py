"""PIPAL: perceptual image processing algorithms."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import (
    NOT_STATED,
    Release,
    Row,
    file_index,
    find,
    find_any,
    name_parts,
    number,
    rated_images,
    read_lines,
)
from iqa_zoo.errors import InputError
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
    folders = [folder for index in range(1, 5) if (folder := find_any(root, f"Distortion_{index}")) is not None]
    folders = folders or [find(root, RELEASE, "Dist_Imgs", "Distortion_1", what="the image folder")]
    images = {name: path for folder in folders for name, path in file_index(folder).items()}
    rows = []
    for file in sorted(labels.glob("*.txt")):
        for line in read_lines(file):
            if len(line) != 2:
                raise InputError(f"{file}: {' '.join(line)!r} is not an image and its score")
            name = line[0]
            reference, kind = name_parts(name, r"([^_]+)_(\d+)_\d+\.bmp", "A0001_00_00.bmp", file)
            path = images.get(name.casefold(), folders[0] / name)
            rows.append(Row(path, number(line[1], file, name), reference, distortion=f"group {kind}"))
    return rated_images(RELEASE, rows, subset)
