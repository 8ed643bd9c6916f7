"""Categorical Subjective Image Quality database."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder, list_subfolders
from iqa_zoo.data.labels import read_lines, read_table
from iqa_zoo.data.layout import find
from iqa_zoo.data.names import match_names
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images, parse_name
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="csiq",
    images=866,
    contents=30,
    score_range=(0, 1),
    higher_is_better=False,
    label="DMOS",
    deviations=True,
    licence=NOT_STATED,
    source="https://s2.smu.edu/~eclarson/csiq.html",
)
# Names of two distortions in the spreadsheet -> in file names.
IN_FILE_NAMES = {"noise": "awgn", "jpeg 2000": "jpeg2000"}


@register_dataset("csiq")
def csiq(root: str | Path, *, subset: bool = False) -> RatedImages:
    """CSIQ: 866 distorted images of 30 contents, 6 distortions, DMOS 0..1, lower is better.

    E. C. Larson and D. M. Chandler, Journal of Electronic Imaging 19(1), 2010. The spreadsheet of the release gives the
    deviation of the ratings of each image (``dmos_std``); the text files do not. The number of ratings of an image is not
    stated (5,000 in all, of 35 observers).

    Args:
        root: the folder with ``dst_imgs/<type>/`` (or all images in ``dst_imgs/`` or ``dst_imgs_all/``) and the
            labels: ``csiq_label.txt``, ``im_names.txt`` with ``scores.txt``, or the release's ``csiq.DMOS.xlsx``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = find(
        root, RELEASE, "csiq_label.txt", "im_names.txt", "csiq.DMOS.csv", "csiq.DMOS.xlsx", what="the label file"
    )
    folder = find(root, RELEASE, "dst_imgs_all", "dst_imgs", what="the image folder", beside=labels)

    @functools.cache
    def index_images(distortion: str) -> ImageFolder:
        """Index the folder of a distortion and its parent; all folders if none has its name."""
        inner = list_subfolders(folder)
        own = match_names(distortion, [path.name for path in inner])
        return ImageFolder(folder, *(path for path in inner if not own or path.name in own))

    rows = []
    for name, score, where, deviation in _read_scores(root, labels):
        reference, distortion = parse_name(name, r"([^.]+)\.([^.]+)\.\d\.png", "1600.AWGN.1.png", where)
        path = index_images(name.split(".")[1]).find(name)
        rows.append(Row(path, score, reference=reference, distortion=distortion, deviation=deviation))
    return make_rated_images(RELEASE, rows, subset)


def _read_scores(root: str | Path, labels: Path) -> Iterator[tuple[str, float, str, float | None]]:
    """Read the name, score, place in the label file and deviation (None where the file has none) of each image."""
    if labels.name.casefold() == "csiq_label.txt":
        for line in read_lines(labels, ("image", "score")):
            name = line.text("image")
            yield name, line.number("score", name), line.where, None
    elif labels.name.casefold() == "im_names.txt":
        scores_file = find(root, RELEASE, "scores.txt", what="the scores of im_names.txt", beside=labels)
        names, scores = read_lines(labels, ("image",)), read_lines(scores_file, ("score",))
        if len(names) != len(scores):
            raise InputError(f"{labels} names {len(names)} images and {scores_file} has {len(scores)} scores")
        for line, score in zip(names, scores, strict=True):
            yield line.text("image"), score.number("score", line.text("image")), line.where, None
    else:
        columns = ("image", "dst_type", "dst_lev")
        for line in read_table(labels, (*columns, "dmos"), ("dmos_std",), sheet="all_by_image"):
            if not any(line.optional_text(column) for column in columns):  # a total below the table
                continue
            image, kind, level = (line.text(column) for column in columns)
            file = f"{image}.{IN_FILE_NAMES.get(kind.casefold(), kind.casefold())}.{level}.png"
            deviation = line.number("dmos_std") if "dmos_std" in line.values else None
            yield file, line.number("dmos", file), line.where, deviation
