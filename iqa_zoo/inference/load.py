"""Load a trained model, by its name or from the folder of a training, as a scorer."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from iqa_zoo.build import build_model
from iqa_zoo.data.views import choose_crops
from iqa_zoo.errors import CheckpointError
from iqa_zoo.hub.address import is_address
from iqa_zoo.identity import identify_file
from iqa_zoo.inference.find_model import describe_fetched, find_model
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.inference.score import ScoreMeaning, describe_view
from iqa_zoo.inference.scorer import KnownPhotographs, Scorer
from iqa_zoo.state_dicts import shorten
from iqa_zoo.trained.entry import TrainedModel, check_file
from iqa_zoo.trained.names import DEFAULT
from iqa_zoo.trained.standardised import StandardisedBackbone, count_pooled, unpack_scales
from iqa_zoo.trained.tensors import BACKBONE, CALIBRATION, HASHES, NAMES, find_packaged_hash
from iqa_zoo.trained.training_photographs import FeatureDistribution
from iqa_zoo.training.devices import select_device
from iqa_zoo.training.label_scale import LabelScale
from iqa_zoo.training.run_folder import RunFolder

_DEFAULT: dict[str, Scorer] = {}
_LOCK = threading.Lock()


def load(name_or_run: str | Path = DEFAULT, device: str | None = None, *, folder: Path | None = None) -> Scorer:
    """Load a trained model as a scorer.

    Args:
        name_or_run: name of a trained model (``iqa-zoo score --models`` lists them), the folder of a training, or a model on a
            hub (``hf://user/name`` or ``hf://user/name@revision``). What is fetched stays in the cache of the hub's client, and the
            address of the commit stands in ``meaning.model``.
        device: as torch names it; CUDA where there is one.
        folder: of the trained models with names; that of the package where it is left out.

    Raises:
        UnknownName: neither; names the closest.
        CheckpointError: a file of weights is missing or another; names its hash and the expected one.
        HubError: the model cannot be fetched; says what to do.
    """
    if is_address(name_or_run):
        return _load_fetched(name_or_run, device)
    found = find_model(name_or_run, folder)
    if isinstance(found, TrainedModel):
        return load_trained(found, device, folder=folder)
    return _load_run(name_or_run, device)


def _load_fetched(address: str | Path, device: str | None) -> Scorer:
    from iqa_zoo.hub.download import fetch_model

    fetched = fetch_model(address)
    found = describe_fetched(fetched)
    if isinstance(found, TrainedModel):
        scorer = load_trained(found, device, folder=fetched.folder)
        return Scorer(scorer.model, replace(scorer.meaning, model=str(fetched.address)), scorer.photographs)
    return _load_run(str(fetched.address), device)


def score(images: Any) -> Any:
    """Score an image or a list of images with the default model, which is loaded at the first call.

    Args:
        images: as :meth:`iqa_zoo.inference.scorer.Scorer.score` takes them.

    Raises:
        InputError: a single image cannot be read or scored.
    """
    with _LOCK:
        if DEFAULT not in _DEFAULT:
            _DEFAULT[DEFAULT] = load(DEFAULT)
    return _DEFAULT[DEFAULT].score(images)


def load_trained(entry: TrainedModel, device: str | None = None, *, folder: Path | None = None) -> Scorer:
    """Load a trained model of a description.

    Raises:
        CheckpointError: a file of weights is missing or another; names its hash and the expected one.
    """
    path = check_file(entry, folder)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
        names = tuple(json.loads((file.metadata() or {}).get(NAMES, "[]")))
    if entry.backbone_sha256 and (found := find_packaged_hash(entry.config)) != entry.backbone_sha256:
        raise CheckpointError(
            f"{entry.name} was trained on a backbone whose weights have the SHA-256 {entry.backbone_sha256}; this version of "
            f"iqa_zoo knows {found or 'no package'} for it"
        )
    model = build_model(entry.config, pretrained=bool(entry.backbone_sha256))
    own = {name: value for name, value in tensors.items() if not name.startswith(("scales.", CALIBRATION))}
    missing, unknown = model.load_state_dict(own, strict=False)
    missing = [name for name in missing if not (entry.backbone_sha256 and name.startswith(BACKBONE))]
    if missing or unknown:
        raise CheckpointError(f"{path}: missing: {shorten(missing)}; unknown: {shorten(unknown)}")
    if scales := unpack_scales(tensors):
        model.backbone = StandardisedBackbone(model.backbone, scales)
    photographs = _read_photographs(entry, tensors, names)
    if len(photographs.distribution.mean_F) != count_pooled(model.spec):
        raise CheckpointError(f"{path}: what it holds of the training photographs does not fit this version of iqa_zoo")
    scaled = ScaledModel(model, scale=LabelScale(entry.center, entry.spread)).place(select_device(device))
    meaning = ScoreMeaning(
        model=entry.name,
        weights=tuple(filter(None, (entry.sha256, entry.backbone_sha256))),
        data=entry.data,
        view=describe_view(model.spec, entry.crops),
        crops=entry.crops,
        coverage=entry.calibration.coverage,
        details={"licences": entry.licences},
    )
    return Scorer(scaled, meaning, photographs)


def _read_photographs(entry: TrainedModel, tensors: dict[str, Tensor], names: tuple[str, ...]) -> KnownPhotographs:
    arrays = {
        name.removeprefix(CALIBRATION): value.numpy() for name, value in tensors.items() if name.startswith(CALIBRATION)
    }
    hashes = arrays.get(HASHES)
    distribution = FeatureDistribution.from_arrays(arrays)
    if hashes is None:
        return KnownPhotographs(entry.calibration, distribution)
    return KnownPhotographs(entry.calibration, distribution, hashes, names)


def _load_run(folder: str | Path, device: str | None) -> Scorer:
    model, run = load_run(folder, device)
    crops = choose_crops(model.model.spec, None, run.test_crops)
    meaning = ScoreMeaning(
        model=run.shown,
        weights=(identify_file(RunFolder(run.folder).weights),),
        data=run.data,
        view=describe_view(model.model.spec, crops),
        crops=crops,
        coverage=None,
        details={"model_hash": run.model_hash, "split": run.split},
    )
    return Scorer(model, meaning)
