"""KonIQ-10k: photographs from Flickr in the wild."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import LabelRow, read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="koniq10k",
    images=10073,
    score_range=(0, 100),
    licence=NOT_STATED,
    deviations=True,
    ratings_note="of each image, in the labels",
    source="https://database.mmsp-kn.de/koniq-10k-database.html",
)
GRADES = ("c1", "c2", "c3", "c4", "c5")  # columns: how many ratings, or which share of them, give 1, 2, 3, 4, 5
PARTS = {"training": "train", "validation": "validation", "test": "test"}


@register_dataset("koniq10k")
def koniq10k(root: str | Path, *, folder: str | None = None, subset: bool = False) -> RatedImages:
    """KonIQ-10k: 10073 photographs, authentic distortions, MOS 0..100, higher is better, official split.

    V. Hosu, H. Lin, T. Sziranyi and D. Saupe, IEEE TIP 29, 2020. Scores are those that loaders use, on 0..100
    (``MOS_zscore``), not the raw 1..5. Deviations and numbers of ratings (about 120 an image) come from the columns ``c1`` to
    ``c5`` and ``c_total``. The release gives no deviation on the scale of the scores: that of the raw ratings is put on it by
    the slope of the regression of the scores on the raw means, over all images.

    Args:
        root: the folder with ``1024x768/`` or ``512x384/``, and ``koniq10k_distributions_sets.csv`` (which has the
            official split) or ``koniq10k_scores_and_distributions.csv`` (which has not).
        folder: the image folder; the larger images where both are there.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find_labels(root)
    images = find_images(root, folder, labels)
    return make_rated_images(RELEASE, (row for _, row in read_scores(labels, images)), subset)


def find_labels(root: str | Path) -> Path:
    """Find the label file of KonIQ-10k, preferring the one with the official split."""
    names = ("koniq10k_distributions_sets.csv", "koniq10k_scores_and_distributions.csv")
    return find(root, RELEASE, *names, what="the label file")


def find_images(root: str | Path, folder: str | None, labels: Path) -> ImageFolder:
    """Find the images of KonIQ-10k, in a named folder or preferring the larger ones."""
    folders = [folder] if folder else ["1024x768", "512x384"]
    return ImageFolder(find(root, RELEASE, *folders, what="the image folder", beside=labels))


def read_scores(labels: Path, images: ImageFolder) -> list[tuple[str, Row]]:
    """Read name and labels of each KonIQ-10k image; a part is "" where the file has no split."""
    split = labels.name.casefold() == "koniq10k_distributions_sets.csv"
    score, needed = ("mos", ("set",)) if split else ("mos_zscore", ())
    lines = read_table(labels, ("image_name", score, *needed), (*GRADES, "c_total"))
    names = [line.text("image_name") for line in lines]
    scores = [line.number(score, name) for line, name in zip(lines, names, strict=True)]
    parts = [_read_part(line, name) if split else "" for line, name in zip(lines, names, strict=True)]
    unknown: list[tuple[float | None, float | None]] = [(None, None)] * len(lines)
    ratings = _read_ratings(lines, np.array(scores)) or unknown
    return [
        (name, Row(images.find(name), mos, part=part, deviation=deviation, ratings=count))
        for name, mos, part, (deviation, count) in zip(names, scores, parts, ratings, strict=True)
    ]


def _read_part(line: LabelRow, name: str) -> str:
    part = line.text("set").casefold()
    if part not in PARTS:
        raise InputError(f"{line.where}: {name} is in set {line.text('set')!r}; known: {', '.join(PARTS)}")
    return PARTS[part]


def _read_ratings(
    lines: Sequence[LabelRow], scores: NDArray[np.float64]
) -> list[tuple[float | None, float | None]] | None:
    """Return the deviation, on the scale of the scores, and the number of the ratings of each image; None without them."""
    if not lines or any(column not in lines[0].values for column in (*GRADES, "c_total")):
        return None
    grades = np.array([[line.number(column) for column in GRADES] for line in lines])
    counts = np.array([line.number("c_total") for line in lines])
    if (bad := (grades < 0).any(axis=1) | (grades.sum(axis=1) <= 0) | (counts < 2)).any():
        line = lines[int(np.argmax(bad))]
        raise InputError(f"{line.where}: c1 to c5 and c_total are no numbers of ratings; restore the label file")
    shares = grades / grades.sum(axis=1, keepdims=True)
    levels = np.arange(1, 6)
    raw = shares @ levels
    if not np.ptp(raw) > 0:
        return None  # nothing shows how the two scales relate
    variances = (shares * (levels - raw[:, None]) ** 2).sum(axis=1) * counts / (counts - 1)
    slope = float(np.cov(raw, scores)[0, 1] / raw.var(ddof=1))
    return list(zip((abs(slope) * np.sqrt(variances)).tolist(), counts.tolist(), strict=True))
