"""Categorical Subjective Image Quality database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import (
    NOT_STATED,
    Release,
    Row,
    file_index,
    find,
    name_parts,
    number,
    rated_images,
    read_lines,
    read_table,
)
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="csiq",
    images=866,
    contents=30,
    score_range=(0, 1),
    higher_is_better=False,
    label="DMOS",
    licence=NOT_STATED,
    source="https://s2.smu.edu/~eclarson/csiq.html",
)
# The spreadsheet's words for two distortions that the file names call otherwise.
IN_FILE_NAMES = {"noise": "awgn", "jpeg 2000": "jpeg2000"}


@register_dataset("csiq")
def csiq(root: str | Path, *, subset: bool = False) -> RatedImages:
    """CSIQ: 866 distorted images of 30 contents, 6 distortions, DMOS 0..1, lower is better.

    E. C. Larson and D. M. Chandler, Journal of Electronic Imaging 19(1), 2010.

    Args:
        root: the folder with ``dst_imgs/<type>/`` (or all images in ``dst_imgs/`` or ``dst_imgs_all/``) and the
            labels: ``csiq_label.txt``, ``im_names.txt`` with ``scores.txt``, or the release's ``csiq.DMOS.xlsx``.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    folder = find(root, RELEASE, "dst_imgs_all", "dst_imgs", what="the image folder")
    images = file_index(folder, deep=True)
    rows = []
    for name, score, labels in _labels(root):
        reference, distortion = name_parts(name, r"([^.]+)\.([^.]+)\.\d\.png", "1600.AWGN.1.png", labels)
        path = images.get(name.casefold(), folder / name)
        rows.append(Row(path, score, reference=reference, distortion=distortion))
    return rated_images(RELEASE, rows, subset)


def _labels(root: str | Path) -> Iterator[tuple[str, float, Path]]:
    labels = find(
        root, RELEASE, "csiq_label.txt", "im_names.txt", "csiq.DMOS.csv", "csiq.DMOS.xlsx", what="the label file"
    )
    if labels.name.casefold() == "csiq_label.txt":
        for line in read_lines(labels):
            yield line[0], number(line[-1], labels, line[0]), labels
    elif labels.name.casefold() == "im_names.txt":
        scores_file = find(root, RELEASE, "scores.txt", what="the scores of im_names.txt")
        names, scores = (list(read_lines(path)) for path in (labels, scores_file))
        if len(names) != len(scores):
            raise InputError(f"{labels} names {len(names)} images and {scores_file} has {len(scores)} scores")
        for name, score in zip(names, scores, strict=True):
            yield name[0], number(score[0], scores_file, name[0]), labels
    else:
        columns = ("image", "dst_type", "dst_lev", "dmos")
        for cells in read_table(labels, columns, "all_by_image"):
            if cells["image"] in (None, ""):
                continue
            kind = str(cells["dst_type"]).strip().casefold()
            image, level = (str(cells[key]).removesuffix(".0") for key in ("image", "dst_lev"))
            file = f"{image}.{IN_FILE_NAMES.get(kind, kind)}.{level}.png"
            yield file, number(cells["dmos"], labels, file), labels
