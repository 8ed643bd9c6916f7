"""LIVE image quality assessment database, release 2."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, file_index, find, find_any, rated_images, read_mat
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="live",
    images=779,
    contents=29,
    score_range=(-10, 120),
    higher_is_better=False,
    label="DMOS",
    licence="use, copy, modify and distribute for any purpose with the copyright notice; cite the authors",
    source="https://live.ece.utexas.edu/research/quality/subjective.htm",
)
# The label files list the folders in this order; each holds img1.bmp to img<count>.bmp, copies of references included.
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}


@register_dataset("live")
def live(root: str | Path, *, subset: bool = False) -> RatedImages:
    """LIVE: 779 distorted images of 29 contents, 5 distortions, DMOS, lower is better.

    H. R. Sheikh, M. F. Sabir and A. C. Bovik, IEEE TIP 15(11), 2006. The 203 undistorted copies of references
    that lie among the images are left out. The scores are the realigned ones (about -3..112) where
    ``dmos_realigned.mat`` is there, otherwise those of ``dmos.mat``; the label says which.

    Args:
        root: the folder with ``jp2k/``, ``jpeg/``, ``wn/``, ``gblur/``, ``fastfading/`` and the label files.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    names = [f"{folder}/img{index}.bmp" for folder, count in FOLDERS.items() for index in range(1, count + 1)]
    dmos_file = find(root, RELEASE, "dmos_realigned.mat", "dmos.mat", what="the label file")
    realigned = dmos_file.name.casefold() == "dmos_realigned.mat"
    scores = read_mat(dmos_file, "dmos_new" if realigned else "dmos")
    is_copy = read_mat(dmos_file, "orgs")
    references_file = find(root, RELEASE, "refnames_all.mat", what="the list of references")
    references = read_mat(references_file, "refnames_all")
    for path, values in ((dmos_file, scores), (dmos_file, is_copy), (references_file, references)):
        if len(values) != len(names):
            raise InputError(f"{path} has {len(values)} entries; the release has {len(names)}")
    images = {}
    for folder in FOLDERS:
        at = find_any(root, folder)
        images[folder] = file_index(at) if at is not None else {}
    rows = []
    for name, score, copy, reference in zip(names, scores, is_copy, references, strict=True):
        folder, file = name.split("/")
        if not copy:
            path = images[folder].get(file, Path(root, name))
            rows.append(Row(path, float(score), reference=str(reference).casefold(), distortion=folder))
    return rated_images(RELEASE, rows, subset, label="DMOS (realigned)" if realigned else "DMOS (not realigned)")
