"""Tampere Image Database 2013."""

from __future__ import annotations

import math
from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_lines
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images, parse_name
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="tid2013",
    images=3000,
    contents=25,
    score_range=(0, 9),
    deviations=True,
    ratings=39,
    ratings_note="the average over the contents: 971 experiments on 25 contents (Ponomarenko et al. 2015)",
    licence=NOT_STATED,
    source="https://www.ponomarenko.info/tid2013.htm",
)
DISTORTIONS = (
    "additive Gaussian noise", "additive noise in colour components", "spatially correlated noise", "masked noise",
    "high frequency noise", "impulse noise", "quantisation noise", "Gaussian blur", "image denoising", "JPEG",
    "JPEG 2000", "JPEG transmission errors", "JPEG 2000 transmission errors", "non-eccentricity pattern noise",
    "local block-wise distortions", "mean shift", "contrast change", "change of colour saturation",
    "multiplicative Gaussian noise", "comfort noise", "lossy compression of noisy images",
    "colour quantisation with dither", "chromatic aberrations", "sparse sampling and reconstruction",
)  # fmt: skip


@register_dataset("tid2013")
def tid2013(root: str | Path, *, subset: bool = False) -> RatedImages:
    """TID2013: 3000 distorted images of 25 contents, 24 distortions, MOS 0..9, higher is better.

    N. Ponomarenko et al., Signal Processing: Image Communication 30, 2015. File names differ from the labels in
    the case of their letters and are matched without it. ``mos_std.txt`` holds the standard deviation of each MOS, that is its
    standard error, not that of the ratings: a rating is a whole number of 0 to 9, and a MOS of 5.51429 with 0.13013 is that of
    35 ratings with a deviation of 0.77. It is multiplied by the root of the number of ratings. That number is the average of
    39: each of the 971 experiments covered one of the 25 contents. 971 agrees with the 524,340 comparisons that the paper counts:
    540 an experiment, 120 images in 9 rounds of pairs.

    Args:
        root: the folder with ``distorted_images/``, ``mos_with_names.txt`` and, for the deviations, ``mos_std.txt``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    assert RELEASE.ratings is not None
    labels = find(root, RELEASE, "mos_with_names.txt", what="the label file")
    images = ImageFolder(find(root, RELEASE, "distorted_images", what="the image folder", beside=labels))
    lines = read_lines(labels, ("score", "image"))
    errors_file = find_any(root, "mos_std.txt", beside=labels)
    errors = read_lines(errors_file, ("error",)) if errors_file is not None else []
    if errors_file is not None and len(errors) != len(lines):
        raise InputError(f"{labels} has {len(lines)} scores and {errors_file} has {len(errors)} deviations")
    rows = []
    for i, line in enumerate(lines):
        name = line.text("image")
        reference, kind = parse_name(name, r"(i\d\d)_(0[1-9]|1\d|2[0-4])_\d\.bmp", "I01_01_1.bmp", line.where)
        path, score, distortion = images.find(name), line.number("score", name), DISTORTIONS[int(kind) - 1]
        deviation = errors[i].number("error") * math.sqrt(RELEASE.ratings) if errors else None
        rows.append(Row(path, score, reference, distortion, deviation=deviation))
    return make_rated_images(RELEASE, rows, subset)
