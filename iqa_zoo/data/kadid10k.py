"""Konstanz Artificially Distorted Image quality Database."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import LabelRow, read_lines, read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images, parse_name
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="kadid10k",
    images=10125,
    contents=81,
    score_range=(1, 5),
    deviations=True,
    ratings=30,
    ratings_note="30 crowd workers for each image (Lin et al. 2020, abstract)",
    licence=NOT_STATED,
    source="https://database.mmsp-kn.de/kadid-10k-database.html",
)
DISTORTIONS = (
    "Gaussian blur", "lens blur", "motion blur", "colour diffusion", "colour shift", "colour quantisation",
    "colour saturation 1", "colour saturation 2", "JPEG 2000", "JPEG", "white noise",
    "white noise in colour component", "impulse noise", "multiplicative noise", "denoise", "brighten", "darken",
    "mean shift", "jitter", "non-eccentricity patch", "pixelate", "quantisation", "colour block", "high sharpen",
    "contrast change",
)  # fmt: skip


@register_dataset("kadid10k")
def kadid10k(root: str | Path, *, subset: bool = False) -> RatedImages:
    """KADID-10k: 10125 distorted images of 81 contents, 25 distortions, MOS 1..5, higher is better.

    H. Lin, V. Hosu and D. Saupe, QoMEX 2019; 30 ratings of each image (abstract of arXiv:2001.08113). The column of the
    label file is called dmos, but 5 is the best. Its column ``var`` holds standard deviations, not variances: only then do
    scores such as 4.57 with 0.496 come from 30 whole numbers of 1 to 5. ``kadid10k_label.txt`` has no deviations.

    Args:
        root: the folder with ``images/`` or ``distorted_images/``, and ``dmos.csv`` or ``kadid10k_label.txt``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(root, RELEASE, "dmos.csv", "kadid10k_label.txt", what="the label file")
    folder = find(root, RELEASE, "distorted_images", "images", what="the image folder", beside=labels)
    images = ImageFolder(folder)
    rows = []
    for line in _read(labels):
        name = line.text("dist_img")
        reference, kind = parse_name(name, r"(i\d\d)_(0[1-9]|1\d|2[0-5])_\d\d\.png", "I01_01_01.png", line.where)
        deviation = line.number("var") if "var" in line.values else None
        path, score, distortion = images.find(name), line.number("dmos", name), DISTORTIONS[int(kind) - 1]
        rows.append(Row(path, score, reference, distortion, deviation=deviation))
    return make_rated_images(RELEASE, rows, subset)


def _read(labels: Path) -> list[LabelRow]:
    columns = ("dist_img", "dmos")
    return read_lines(labels, columns) if labels.suffix.casefold() == ".txt" else read_table(labels, columns, ("var",))
