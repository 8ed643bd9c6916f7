"""Tell the formats of foreign split files apart, and read them."""

from __future__ import annotations

import json
from pathlib import Path

from iqa_zoo.data.foreign_splits.arniqa import FILES, read_arniqa
from iqa_zoo.data.foreign_splits.liqe import is_liqe, read_liqe
from iqa_zoo.data.foreign_splits.parts import Parts, check_parts
from iqa_zoo.data.foreign_splits.pyiqa import is_mapping, read_mapping, read_meta_info
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

READERS = {
    ".npy": read_arniqa,
    ".txt": read_liqe,
    ".csv": read_meta_info,
    ".pkl": read_mapping,
    ".pickle": read_mapping,
    ".json": read_mapping,
}


def is_foreign(path: Path) -> bool:
    """Whether a file or folder of splits is of another project, by its suffix, or for JSON by what it holds."""
    if path.is_dir():
        return True
    if path.suffix.lower() != ".json":
        return path.suffix.lower() in READERS and path.exists()
    try:
        return is_mapping(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False


def read_foreign_splits(path: Path, data: RatedImages) -> list[Parts]:
    """Read the splits of another project as indices of the images in each part.

    Known are ARNIQA's folder of ``train.npy``, ``val.npy`` and ``test.npy``, LIQE's folder ``splits2`` of text files, and pyiqa's
    ``meta_info`` CSV, pickle or JSON. Images that are in no part are not used.

    Raises:
        InputError: the files are damaged, do not fit the data, or list an image twice.
    """
    if path.is_dir():
        try:
            read = read_liqe if is_liqe(path) else read_arniqa
            if read is read_arniqa and not any((path / name).exists() for name in FILES):
                raise InputError(
                    f"{path} holds no splits of LIQE (1/..._train_clip.txt, ...) or ARNIQA ({', '.join(FILES)})"
                )
        except OSError as error:
            raise InputError(f"the folder {path} cannot be read: {error.strerror or error}") from error
    else:
        read = READERS[path.suffix.lower()]
    splits = read(path, data)
    if not splits:
        raise InputError(f"{path} holds no splits")
    return [check_parts(parts, data, f"{path}: split {number}") for number, parts in enumerate(splits, start=1)]
