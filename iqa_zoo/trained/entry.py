"""The description of a trained model, one JSON file beside one file of tensors. Read without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self, get_type_hints

from iqa_zoo.errors import CheckpointError, UnknownName, not_one_of
from iqa_zoo.identity import identify_file
from iqa_zoo.inference.run import TrainedOn
from iqa_zoo.outputs import write_json
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.trained.battery import Battery
from iqa_zoo.trained.calibration import Calibration
from iqa_zoo.trained.names import find_folder, list_trained

FORMAT = "iqa_zoo trained model, version 1"


@dataclass(frozen=True)
class Measured:
    """The quality of a training procedure by repeated random splits, each model tested on images that it was not trained on.

    Attributes:
        srocc, plcc: mean over the splits, with the interval of a corrected t test.
        srocc_median, plcc_median: over the splits.
        images: of the data.
        splits: how many.
        test_share: share of the images that a split holds out.
        coverage: share of held-out ratings inside their interval, each calibrated without the images of its own split.
    """

    srocc: Estimate
    plcc: Estimate
    srocc_median: float
    plcc_median: float
    images: int
    splits: int
    test_share: float
    coverage: float


@dataclass(frozen=True)
class TrainedModel:
    """A trained model, as its description says.

    Attributes:
        name: ``architecture.tag``.
        file: of the tensors, beside the description.
        sha256: of that file.
        bytes: its size.
        config: of the whole model, backbone included.
        backbone_sha256: of the package's file with the backbone's weights; empty where ``file`` holds the backbone too.
        crops: an image is scored as the mean of so many crops; 1 for a model that sees whole images.
        data: what it was trained on.
        center, spread: score * spread + center is on the labels' scale.
        licences: of ``code``, ``weights`` and ``training data``.
        recipe: of the training.
        seed: of the training.
        measured: its quality.
        milliseconds: an image takes, and ``speed_of``: under which conditions.
        speed_of: image size, threads and processor of ``milliseconds``.
        calibration: what turns a score into an interval, a percentile and flags.
        golden: scores of photographs of scikit-image at the time of writing, by name.
        battery: how it behaves under distortions and changes.
        version: of iqa_zoo that wrote it.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    config: dict[str, Any]
    backbone_sha256: str
    crops: int
    data: TrainedOn
    center: float
    spread: float
    licences: dict[str, str]
    recipe: dict[str, Any]
    seed: int
    measured: Measured
    milliseconds: float
    speed_of: str
    calibration: Calibration
    golden: dict[str, float]
    battery: Battery
    version: str

    @property
    def params(self) -> int:
        """Parameters stored in ``file``, in single precision."""
        return self.bytes // 4

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str) -> Self:
        """Read what :meth:`to_dict` returned.

        Raises:
            CheckpointError: a key is missing or unknown; names ``where``.
        """
        content = dict(values)
        if (found := content.pop("format", None)) != FORMAT:
            raise CheckpointError(f"{where}: its format is {found!r}, expected {FORMAT!r}")
        return _read(cls, content, where)


def _read(kind: Any, content: Any, where: str) -> Any:
    """Make a dataclass of a mapping with the same keys, and of those inside it. Fields with a default may be missing."""
    known = {each.name for each in fields(kind)}
    needed = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    given = set(content) if isinstance(content, Mapping) else set()
    if not needed <= given <= known or not isinstance(content, Mapping):
        raise CheckpointError(
            f"{where}: damaged or of another version of iqa_zoo: {kind.__name__} lacks {sorted(needed - given)} and has "
            f"unknown {sorted(given - known)}"
        )
    hints = get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in content.items()})


def _convert(kind: Any, value: Any, where: str) -> Any:
    if hasattr(kind, "__dataclass_fields__"):
        return _read(kind, value, where)
    if kind is float and value is None:
        return float("nan")
    return tuple(value) if isinstance(value, list) else value


def read_trained(name: str, folder: Path | None = None) -> TrainedModel:
    """Read the description of a trained model.

    Raises:
        UnknownName: there is none of this name; names the closest.
        CheckpointError: its description is damaged.
    """
    path = find_folder(folder) / f"{name}.json"
    if name not in list_trained(folder):
        raise UnknownName(not_one_of(name, list_trained(folder), "trained model"))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error
    return TrainedModel.from_dict(content, str(path))


def check_file(entry: TrainedModel, folder: Path | None = None) -> Path:
    """Return the file of a trained model's tensors after a check of its hash.

    Raises:
        CheckpointError: it is missing or another; names both hashes.
    """
    path = find_folder(folder) / entry.file
    if not path.is_file():
        raise CheckpointError(f"{path}, the weights of {entry.name}, is missing; reinstall iqa_zoo")
    if (found := identify_file(path)) != entry.sha256:
        raise CheckpointError(
            f"{path} is not the file of {entry.name}: its SHA-256 is {found}, expected {entry.sha256}; reinstall iqa_zoo"
        )
    return path


def write_entry(entry: TrainedModel, folder: Path | None = None) -> Path:
    """Write the description of a trained model and return its path."""
    path = find_folder(folder) / f"{entry.name}.json"
    write_json(path, entry.to_dict())
    return path
