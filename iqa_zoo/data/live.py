"""LIVE image quality assessment database, release 2."""

from __future__ import annotations

from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder
from iqa_zoo.data.labels import read_mat
from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import Release, Row, make_rated_images
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="live",
    images=779,
    contents=29,
    score_range=(-10, 120),
    higher_is_better=False,
    label="DMOS",
    deviations=True,
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
    ``dmos_realigned.mat`` is there, otherwise those of ``dmos.mat``; the label says which. The deviations of the ratings are
    ``dmos_std`` of the realigned scores; ``dmos.mat`` has none. Neither the release nor the abstract of
    the paper ("about two dozen human subjects") gives the number of ratings of an image, so it is not known.

    Args:
        root: the folder with ``jp2k/``, ``jpeg/``, ``wn/``, ``gblur/``, ``fastfading/`` and the label files.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, a label file or an image is missing, or the labels are not the release's.
    """
    names = [f"{folder}/img{index}.bmp" for folder, count in FOLDERS.items() for index in range(1, count + 1)]
    dmos_file = find(root, RELEASE, "dmos_realigned.mat", "dmos.mat", what="the label file")
    realigned = dmos_file.name.casefold() == "dmos_realigned.mat"
    references_file = find(root, RELEASE, "refnames_all.mat", what="the list of references", beside=dmos_file)
    dmos = "dmos_new" if realigned else "dmos"
    wanted = [(dmos_file, dmos), (dmos_file, "orgs"), (references_file, "refnames_all")]
    wanted += [(dmos_file, "dmos_std")] if realigned else []
    columns = read_mat(*wanted)
    for (path, _), values in zip(wanted, columns, strict=True):
        if len(values) != len(names):
            raise InputError(f"{path} has {len(values)} entries; the release has {len(names)}")
    images = {
        folder: ImageFolder(find_any(root, folder, beside=dmos_file) or dmos_file.parent / folder) for folder in FOLDERS
    }
    rows = []
    for name, score, copy, reference, *spread in zip(names, *columns, strict=True):
        folder, file = name.split("/")
        if (is_copy := copy.number("orgs", name)) not in (0, 1):
            raise InputError(f"{copy.where}: orgs is {is_copy:g}; it must be 1 for copies of references, 0 for others")
        if not is_copy:
            content = reference.text("refnames_all").casefold()
            deviation = spread[0].number("dmos_std") if spread else None
            path = images[folder].find(file)
            rows.append(Row(path, score.number(dmos, name), content, distortion=folder, deviation=deviation))
    return make_rated_images(RELEASE, rows, subset, label="DMOS (realigned)" if realigned else "DMOS (not realigned)")
