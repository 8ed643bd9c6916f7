"""Export a trained model, and check the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import iqa_zoo
from iqa_zoo.data.views import LONGEST_SIDE
from iqa_zoo.errors import ExportError, InputError
from iqa_zoo.hub.address import is_address
from iqa_zoo.inference.export import onnx_file, torch_file
from iqa_zoo.inference.export.formats import check_format
from iqa_zoo.inference.export.parity import Parity, measure_parity
from iqa_zoo.inference.find_model import find_model
from iqa_zoo.inference.inputs import OneImage
from iqa_zoo.inference.load import load
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.outputs import check_writable, write_bytes
from iqa_zoo.progress import Progress
from iqa_zoo.trained.entry import TrainedModel

MOST_CROPS = 100  # the graph compares every pair of crops, to place them


@dataclass(frozen=True)
class Exported:
    """A file that was exported.

    Attributes:
        file: its path.
        bytes: its size.
        sha256: of the file.
        parity: with the scorer.
        metadata: in the file; texts.
    """

    file: Path
    bytes: int
    sha256: str
    parity: Parity
    metadata: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        values = dict(file=str(self.file), bytes=self.bytes, sha256=self.sha256, parity=self.parity.to_dict())
        return {**values, "metadata": self.metadata}


def export(
    name_or_run: str | Path,
    file: str | Path,
    *,
    crops: int | None = None,
    images: Sequence[OneImage] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Export a trained model as one file from pixels to scores, and check that it gives the scores of the scorer.

    The file takes ``image``, uint8 RGB (batch, height, width, 3) of any size and number, and gives ``score`` (batch) on the scale
    of the ratings. The resize of images that do not fit, the crops, the normalisation and the scale are inside. What a file cannot
    do is to decode: apply the orientation of EXIF and put transparency over white, as ``examples/score_onnx.py`` does. Intervals,
    percentiles and flags are those of :func:`iqa_zoo.load` alone.

    Args:
        name_or_run: name of a trained model, the folder of a training, or the address of one on a hub.
        file: ends in ``.onnx`` (ONNX) or ``.pt2`` (a program of torch.export); an existing one is replaced.
        crops: an image is scored as the mean of so many; the model's own number where left out.
        images: to compare with the scorer; photographs of scikit-image where left out.
        progress: called with (images compared, images in all).

    Returns:
        The file with the differences that were measured.

    Raises:
        UnknownName: no such model.
        CheckpointError: its weights are missing or damaged.
        HubError: it cannot be fetched.
        InputError: another suffix, a file that cannot be written, a package that is missing, an image that cannot be scored.
        ExportError: the model cannot be expressed as a graph, or the file gives other scores; nothing is written.

    >>> exported = iqa_zoo.export("mlp_lite0.livec", "model.onnx")  # doctest: +SKIP
    >>> exported.parity.largest  # points of 100  # doctest: +SKIP
    6.1e-05
    """
    file = Path(file)
    check_format(file)
    check_writable(file)
    scorer = load(name_or_run, "cpu").with_crops(crops)
    if is_address(name_or_run):
        name_or_run = scorer.meaning.model  # the commit
    if scorer.meaning.crops > MOST_CROPS:
        raise InputError(f"{scorer.meaning.crops} crops an image are too many for a graph; at most {MOST_CROPS}")
    to_onnx = file.suffix == ".onnx"
    made = record(scorer, to_onnx=to_onnx)
    bare = onnx_file.add_metadata(made, {}) if to_onnx else torch_file.save_program(made, {})
    runner = onnx_file.OnnxRunner(bare) if to_onnx else torch_file.TorchRunner(bare)
    parity = measure_parity(runner, scorer, images, runtime=runner.name, progress=progress)
    if not parity.holds:
        raise ExportError(
            f"{name_or_run} gives other scores after its export to {file.suffix} ({parity.describe()}; accepted: "
            f"{parity.tolerance:.2g} and {parity.tolerance_resized:.2g}), so {file} is not written; report it with the config"
        )
    metadata = describe(scorer, name_or_run, parity)
    content = onnx_file.add_metadata(made, metadata) if to_onnx else torch_file.save_program(made, metadata)
    write_bytes(file, content)
    return Exported(file, len(content), hashlib.sha256(content).hexdigest(), parity, metadata)


def record(scorer: Scorer, *, to_onnx: bool) -> Any:
    """Return the graph of a scorer: an ``onnx.ModelProto`` or an ``ExportedProgram``.

    Raises:
        InputError: a part says that it has no graph; names it and its reason.
        ExportError: torch cannot record or translate it; names the model and torch's reason.
    """
    make = onnx_file.make_onnx if to_onnx else torch_file.make_program
    try:
        return make(scorer.model, scorer.meaning.crops)
    except InputError:
        raise
    except Exception as error:  # torch raises anything
        cause = error.__cause__ or error
        reason = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        raise ExportError(
            f"{scorer.meaning.model} cannot be exported to {'.onnx' if to_onnx else '.pt2'}: {reason}; the other format may "
            "work, and a part can be written for export with iqa_zoo.layers.graphs.is_recorded()"
        ) from error


def describe(scorer: Scorer, name_or_run: str | Path, parity: Parity) -> dict[str, str]:
    """Return what is written into a file: what its scores mean, what they depend on, the card, and the parity."""
    meaning = scorer.meaning
    if not is_address(meaning.model):
        meaning = replace(meaning, model=Path(meaning.model).name)
    spec = scorer.model.model.spec
    found = find_model(name_or_run)
    card = found.to_dict() if isinstance(found, TrainedModel) else {**asdict(found), "folder": found.folder.name}
    resize = f"a short side below {spec.image_size} pixels is enlarged to it"
    if spec.view == "whole":
        resize += f", a long side above {LONGEST_SIDE} pixels is reduced to it"
    values = {
        "version": iqa_zoo.__version__,
        "model": meaning.model,
        "signature": meaning.format_signature(),
        "scale": meaning.scale,
        "higher_is_better": json.dumps(meaning.data.higher_is_better),
        "score_range": json.dumps(meaning.data.score_range),
        "input": "image: uint8 RGB (batch, height, width, 3), EXIF orientation applied, transparency over white",
        "output": "score: float32 (batch), on the scale of the ratings",
        "resize": f"inside: {resize}; bicubic and antialiased, as Pillow's",
        "view": meaning.view,
        "licences": json.dumps(meaning.details.get("licences", {})),
        "parity": json.dumps(parity.to_dict()),
        "card": json.dumps(card, default=str),
    }
    return {f"iqa_zoo.{name}": value for name, value in values.items()}
