"""Make a trained model: test the procedure on repeated splits, train on all images, calibrate, and write the files."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import iqa_zoo
from iqa_zoo.config import Config, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.identity import identify_file
from iqa_zoo.inference.load import load_trained
from iqa_zoo.inference.run import TrainedOn
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.progress import Progress
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.stats.metrics import plcc, srocc
from iqa_zoo.stats.paired import estimate_by_t
from iqa_zoo.trained.battery import Battery, load_photographs, run_battery
from iqa_zoo.trained.calibration import HeldOut, fit_calibration, measure_coverage
from iqa_zoo.trained.entry import Measured, TrainedModel, write_entry
from iqa_zoo.trained.names import FOLDER
from iqa_zoo.trained.standardised import pool_features
from iqa_zoo.trained.tensors import find_packaged_hash, save_tensors
from iqa_zoo.trained.training_photographs import fit_distribution
from iqa_zoo.training.frozen.decoder import fit_decoder
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.recipe import FrozenRecipe

TIMED = (384, 512)  # height and width of the image that is timed, in pixels
REPEATS = 5


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a trained model is made of.

    Attributes:
        name: ``architecture.tag``.
        cfg: of the model.
        recipe: of the training.
        seed: of the training.
        crops: an image, in scores; 1 for a backbone that sees whole images.
        licences: of ``code``, ``weights`` and ``training data``.
        coverage: to state for intervals.
    """

    name: str
    cfg: Config
    recipe: FrozenRecipe
    seed: int = 0
    crops: int = 1
    licences: Mapping[str, str]
    coverage: float = 0.9


def write_trained(
    release: Release,
    bank: FeatureBank,
    data: RatedImages,
    splits: Sequence[Split],
    *,
    backbone: nn.Module | None = None,
    hashes_NB: NDArray[np.uint8] | None = None,
    photographs: Mapping[str, NDArray[np.uint8]] | None = None,
    folder: Path = FOLDER,
    progress: Progress | None = None,
) -> TrainedModel:
    """Test, train, calibrate and write a model with a name; return its description.

    Args:
        release: what to make.
        bank: features of all images.
        data: the images and their ratings.
        splits: to test on; their validation parts count as training images.
        backbone: that computed the features, where no package has its weights; they are written too.
        hashes_NB: packed perceptual hashes of the images (:mod:`iqa_zoo.data.duplicates`), for the flag of look-alikes.
        photographs: uint8 image_HWC by name, for golden scores and the battery; those of scikit-image where left out.
        folder: of the files.
        progress: called with (trainings done, all trainings).

    Raises:
        IqaZooError: a loss is not finite.
        InputError: too few images or splits.
    """
    total = len(splits) + 1

    def notify(done: int) -> None:
        if progress is not None:
            progress(done, total)

    held_out = []
    for number, split in enumerate(splits):
        held_out.append(predict_held_out(release, bank, data.mos, split))
        notify(number + 1)
    everything = np.arange(len(data))
    fitted = fit_decoder(release.cfg, bank, data.mos, everything, recipe=release.recipe, seed=release.seed)
    notify(total)
    assert fitted.scales is not None
    scales = {name: fitted.scales[name] for name in bank.arrays}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{release.name}.safetensors"
    distribution = fit_distribution(pool_bank(replace(bank, scales=scales), everything))
    save_tensors(path, fitted.model, scales, distribution, backbone=backbone, hashes_NB=hashes_NB, names=data.names)
    entry = TrainedModel(
        name=release.name,
        file=path.name,
        sha256=identify_file(path),
        bytes=path.stat().st_size,
        config=resolve_config(release.cfg),
        backbone_sha256="" if backbone is not None else find_packaged_hash(release.cfg),
        crops=release.crops,
        data=TrainedOn(data.name, data.label, data.score_range, data.higher_is_better),
        center=fitted.labels.center,
        spread=fitted.labels.spread,
        licences=dict(release.licences),
        recipe=asdict(release.recipe),
        seed=release.seed,
        measured=measure_quality(held_out, data.mos, release.coverage),
        milliseconds=math.nan,
        speed_of=_describe_speed(),
        calibration=fit_calibration(held_out, data.mos, coverage=release.coverage),
        golden={},
        battery=Battery((), {}, {}, {}),
        version=iqa_zoo.__version__,
    )
    scorer = load_trained(entry, "cpu", folder=folder)
    shown = load_photographs() if photographs is None else dict(photographs)
    entry = replace(
        entry,
        milliseconds=_measure_milliseconds(scorer),
        golden={name: float(scorer.score(image_HWC)) for name, image_HWC in shown.items()},
        battery=run_battery(scorer, shown, higher_is_better=data.higher_is_better),
    )
    write_entry(entry, folder)
    return entry


def predict_held_out(release: Release, bank: FeatureBank, mos: NDArray[np.float64], split: Split) -> HeldOut:
    """Train on a split's training and validation parts, and predict its test part, each image with its distance from the others."""
    train = np.sort(np.concatenate([split.train, split.validation]))
    fitted = fit_decoder(release.cfg, bank, mos, train, recipe=release.recipe, seed=release.seed)
    standardised = replace(bank, scales=fitted.scales)
    distribution = fit_distribution(pool_bank(standardised, train))
    distances = distribution.measure_distances(pool_bank(standardised, split.test))
    return HeldOut(split.test, fitted.predict(bank, split.test), distances)


def measure_quality(held_out: Sequence[HeldOut], mos: NDArray[np.float64], coverage: float) -> Measured:
    """Measure the correlation of predictions and ratings on each split, and how often intervals hold the rating."""
    tested = [len(part.images) for part in held_out]
    ratio = float(np.mean(tested)) / (len(mos) - float(np.mean(tested)))

    def measure(metric: Any) -> tuple[Estimate, float]:
        values = np.array([metric(part.predictions, mos[part.images]) for part in held_out])
        se = math.sqrt((1 / len(values) + ratio) * float(values.var(ddof=1)))
        estimate = estimate_by_t(float(values.mean()), se, math.nan, len(values), 0.95, "corrected t")
        return estimate, float(np.median(values))

    by_srocc, by_plcc = measure(srocc), measure(plcc)
    return Measured(
        srocc=by_srocc[0],
        plcc=by_plcc[0],
        srocc_median=by_srocc[1],
        plcc_median=by_plcc[1],
        images=len(mos),
        splits=len(held_out),
        test_share=float(np.mean(tested)) / len(mos),
        coverage=measure_coverage(held_out, mos, coverage=coverage),
    )


def pool_bank(bank: FeatureBank, images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return pooled_NF of some images: the mean over their crops of :func:`pool_features`."""
    pooled = []
    for chosen in np.array_split(images, max(1, -(-len(images) // 64))):
        each_crop = (bank.take(chosen, np.full(len(chosen), crop)) for crop in range(bank.crops))
        pooled_BF = torch.stack([pool_features(features, bank.spec.stages).double() for features in each_crop]).mean(0)
        pooled.append(pooled_BF.numpy())
    return np.concatenate(pooled)


def _measure_milliseconds(scorer: Scorer) -> float:
    """Return the median time of a score, reading not included."""
    image_HWC = np.random.default_rng(0).integers(0, 256, (*TIMED, 3), dtype=np.uint8)
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        scorer.score(image_HWC)
        seconds.append(time.perf_counter() - started)
    return round(1000 * float(np.median(seconds)), 1)


def _describe_speed() -> str:
    threads = torch.get_num_threads()
    return (
        f"{TIMED[1]} x {TIMED[0]} pixels, {threads} thread{'s' if threads > 1 else ''} of a CPU ({platform.machine()})"
    )
