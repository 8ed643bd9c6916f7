"""CID2013: eight scenes photographed with 79 cameras."""

from __future__ import annotations

import os
from pathlib import Path

from iqa_zoo.data.image_folder import ImageFolder, list_folder, list_subfolders
from iqa_zoo.data.labels import read_table
from iqa_zoo.data.layout import find_any
from iqa_zoo.data.names import is_hidden, normalize_name
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import NOT_STATED, Release, Row, make_rated_images, parse_name
from iqa_zoo.errors import InputError
from iqa_zoo.registry import register_dataset

RELEASE = Release(
    name="cid2013",
    images=474,
    contents=8,
    score_range=(-10, 100),
    label="MOS (realigned)",
    licence=NOT_STATED,
    source="https://zenodo.org/records/2647033",
)
SHEET = "CID2013 MOS"


@register_dataset("cid2013")
def cid2013(root: str | Path, *, subset: bool = False) -> RatedImages:
    """CID2013: 474 photographs of 8 scenes with 79 cameras, MOS -10..100, higher is better.

    T. Virtanen, M. Nuutinen, M. Vaahteranoksa, P. Oittinen and J. Häkkinen, IEEE TIP 24(1), 2015. Scores are the realigned ones
    of the sheet ``CID2013 MOS``, which are on one scale for the six image sets; public lists of them have 474 images from -9.5 to
    87.9 (the paper counts 480). A name such as ``IS_I_C01_D01`` gives the image set, the scene and the camera. All
    photographs of one scene count as one content, so that no scene both trains and tests; splits by content then have only 8
    groups. The release holds the ratings of about 30 people for each set; their deviations and numbers are not read. Not verified
    on files of the release: the names of columns and folders, which are those that public readers of it use.

    Args:
        root: the folder with ``CID2013 data - version 12112014.xlsx`` (or another version, or .csv) and the images, in
            ``IS1/co1/`` ... ``IS6/co8/`` or in one folder.
        subset: allow fewer images than the release has.

    Raises:
        InputError: the root, the labels or an image is missing, or the labels are not the release's.
    """
    labels = _find_labels(Path(root))
    images = _index_images(labels.parent)
    rows = []
    sheet = SHEET if labels.suffix.lower() == ".xlsx" else None
    for line in read_table(labels, ("source_id", "realigned mos"), sheet=sheet):
        name = line.text("source_id")
        _, scene = parse_name(name, r"is_([ivx]+)_c(\d\d)_d\d\d", "IS_I_C01_D01", line.where)
        rows.append(Row(images.find(f"{name}.jpg"), line.number("realigned mos", name), reference=f"C{scene}"))
    return make_rated_images(RELEASE, rows, subset)


def _find_labels(root: Path) -> Path:
    """Find the label file, whose name carries a version, in a folder or one deeper."""
    folders = [root, *list_subfolders(root)] if os.path.isdir(root) else []
    for level in (folders[:1], folders[1:]):
        found = [folder / name for folder in level for name in list_folder(folder) if _is_label_file(name)]
        if len(found) > 1:
            raise InputError(
                f"the labels may be {' or '.join(map(str, found))}; give the folder of one, or remove the other"
            )
        if found:
            return found[0]
    where = f"{root} holds no 'CID2013 data*.xlsx'" if folders else f"{root} does not exist"
    raise InputError(
        f"{RELEASE.name}: the label file not found: {where}; get the release from {RELEASE.source}"
        " and give the folder it was unpacked into"
    )


def _is_label_file(name: str) -> bool:
    plain = normalize_name(name)
    return plain.startswith("cid2013 data") and plain.endswith((".xlsx", ".csv")) and not is_hidden(name)


def _index_images(root: Path) -> ImageFolder:
    """Index the images of the image sets, of their scenes, and of the folder itself."""
    sets = [find_any(root, f"IS{number}", f"IS_{number}") for number in range(1, 7)]
    deeper = [folder for folder in sets if folder is not None]
    return ImageFolder(root, *deeper, *(scene for folder in deeper for scene in list_subfolders(folder)))
