"""Train a model end to end on mmengine's Runner, in one process or several."""

from __future__ import annotations

import atexit
import copy
import errno
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from numpy.typing import NDArray
from torch import distributed, nn
from torch.distributed.fsdp import FSDPModule

from iqa_zoo.build import build_model
from iqa_zoo.config import config_hash
from iqa_zoo.data.loader import CropLoader, DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, save_splits
from iqa_zoo.engine.devices import torch_device
from iqa_zoo.engine.evaluation import FEWEST, evaluate_scores
from iqa_zoo.engine.hooks import Epochs, Steps, images_told
from iqa_zoo.engine.prediction import predict
from iqa_zoo.engine.recipe import Recipe
from iqa_zoo.engine.run_folder import RunFolder
from iqa_zoo.engine.selection import check_rule, every_rule
from iqa_zoo.engine.sharded import ShardedOptimWrapper, shard
from iqa_zoo.engine.state import latest_checkpoint
from iqa_zoo.engine.trainable import LabelScale, Trainable
from iqa_zoo.errors import CheckpointError, ConfigError, InputError, closest, not_one_of
from iqa_zoo.identity import (
    find_part_modules,
    identify_code,
    identify_images,
    identify_labels,
    identify_libraries,
    identify_weights,
)
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.weights import load_weights, read_state_dict

# Backends that mmengine writes scalars to, by the name that --track takes; all but the first need a package of their own.
TRACKERS = {
    "tensorboard": "TensorboardVisBackend",
    "wandb": "WandbVisBackend",
    "mlflow": "MLflowVisBackend",
    "clearml": "ClearMLVisBackend",
    "neptune": "NeptuneVisBackend",
    "dvclive": "DVCLiveVisBackend",
    "aim": "AimVisBackend",
}
_PACKAGES = {"dvclive": ("dvclive", "pygit2")}  # where it is not one of the tracker's name
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Progress = Callable[[str, int, int], None]  # (what is said, steps done, steps in all)


@dataclass(frozen=True)
class TrainingOptions:
    """What a training does besides computing: none of it changes the weights.

    Args:
        selection: a rule of :data:`iqa_zoo.engine.selection.RULES`.
        peek: measure the test part after every epoch as well, so that every rule's report can be compared. The rule
            that selects does not look at it, unless it is ``test-oracle``.
        resume: go on from the last checkpoint of the folder, where there is one.
        save_steps: keep a checkpoint every so many steps besides that of each epoch.
        trackers: names of ``TRACKERS``.
        device: as torch names it; CUDA where there is one.
        sharded: the processes share out weights, gradients and optimizer state (:mod:`iqa_zoo.engine.sharded`), for a
            model that cannot be trained in one's memory; to test, each holds all weights. What is kept on disk is the same.
        memory_bytes: for decoded images.
    """

    selection: str = "validation"
    peek: bool = False
    resume: bool = False
    save_steps: int | None = None
    trackers: tuple[str, ...] = ()
    device: str | None = None
    sharded: bool = False
    memory_bytes: int = 4 << 30


def train_model(
    cfg: str | Path | Mapping[str, Any],
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    folder: str | Path,
    *,
    seed: int = 0,
    pretrained: bool = False,
    weights: str | Path | None = None,
    recipe_name: str | None = None,
    options: TrainingOptions = TrainingOptions(),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train a model on a split's training part and report the test part at the selected epoch.

    The same seed gives the same weights on the same machine, whether or not the run was interrupted: each step seeds
    itself. Under ``torchrun`` the processes share each batch; a batch is the same images and crops in any number of processes.

    Args:
        cfg: what to train.
        data: rated images.
        split: with a validation part, if the selection or an early stop reads one.
        recipe: how.
        folder: where the run is kept (:mod:`iqa_zoo.engine.run_folder`).
        seed: of the initial weights, the order of images, the crops and what is random in the model.
        pretrained, weights: as for :func:`iqa_zoo.build_model`.
        recipe_name: noted in ``run.json`` beside the recipe's values, which alone count.
        options: see :class:`TrainingOptions`.
        progress: called after each step, and after each image that is tested; what is said tells which.

    Returns:
        What ``result.json`` holds: test metrics, predictions, the epoch, and what every rule would have reported.

    Raises:
        InputError: an image that cannot be read, a part that is empty or too small to be measured, a folder that cannot
            be written; a loss that is not finite (says the step; the last good checkpoint stays).
        CheckpointError: the folder holds another run; says which keys differ.
    """
    check_rule(options.selection)
    check_parts(data, split)
    _check_options(data, split, recipe, options)
    device = _begin_processes(torch_device(options.device))
    _check_precision(recipe, device, options.sharded)
    with torch.random.fork_rng(_cuda_devices(device)):
        torch.manual_seed(seed)
        model = build_model(cfg, pretrained=pretrained, weights=weights)
    if hasattr(model.head, "fit"):
        raise InputError(
            f"the head {model.config['head']['type']!r} is fitted in closed form on frozen features, by benchmarks/compare.py; "
            "to train it end to end choose the head 'linear'"
        )
    run = {
        "model": model.config,
        "model_hash": config_hash(model.config),
        "recipe": recipe.to_dict(),
        "recipe_name": recipe_name,
        "data": {
            "name": data.name,
            "images": len(data),
            "label": data.label,
            "higher_is_better": data.higher_is_better,
            "score_range": list(data.score_range),
            "images_hash": identify_images(data, [*split.train, *split.validation]),
            "test_images_hash": identify_images(data, split.test),
            "labels_hash": identify_labels(data),
        },
        "split": split.id,
        "seed": seed,
        "selection": options.selection,
        "peek": options.peek or options.selection == "test-oracle",
        "initial_weights": identify_weights(model),
        "scale": vars(_scale(data, split, recipe)),
        "versions": identify_libraries(),
        "code": identify_code([__name__], find_part_modules(model.config)),
        "device": device.type,
        "world": _world(),
        "sharded": options.sharded,
    }
    kept = RunFolder(folder)
    if _rank() == 0:
        kept.begin(run, resume=options.resume)
        with kept.writing():
            save_splits(kept.path / "split.json", data, [split])
    _wait()
    if (kept.path / "result.json").is_file():
        finished: dict[str, Any] = kept.read("result")
        return finished
    images = DecodedImages(data, memory_bytes=options.memory_bytes)
    trainable = _trainable(model, _scale(data, split, recipe), recipe)
    if _rank() > 0:
        progress = None
    with torch.random.fork_rng(_cuda_devices(device)):
        tested = _fit(trainable, data, split, recipe, kept, seed, options, device, images, progress)
    _wait()  # for what the first process writes
    result = _report(tested, data, split, recipe, kept, options, images, progress)
    if _rank() == 0:
        with kept.writing():
            kept.write("result", result)
    _wait()
    return result


def load_run(folder: str | Path, device: str | None = None) -> tuple[Trainable, dict[str, Any]]:
    """Return the model of a finished or a running training at its selected epoch, in eval mode, and its ``run.json``.

    Raises:
        CheckpointError: not a run, or one without weights yet.
    """
    kept = RunFolder(folder)
    run: dict[str, Any] = kept.read("run")
    if not kept.weights.is_file():
        raise CheckpointError(
            f"{kept.path} has no weights yet: no epoch was finished; go on with iqa-zoo train --resume"
        )
    model = build_model(run["model"])
    load_weights(model, read_state_dict(kept.weights))
    recipe = Recipe(**run["recipe"])
    trainable = _trainable(model, LabelScale(**run["scale"]), recipe)
    return _placed(trainable, torch_device(device)).eval(), run


def _fit(
    trainable: Trainable,
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    kept: RunFolder,
    seed: int,
    options: TrainingOptions,
    device: torch.device,
    images: DecodedImages,
    progress: Progress | None,
) -> Trainable:
    """Train, and return what the weights are to be tested in: the same, or a replica where that is sharded."""
    model = trainable.model
    freeze(model, recipe.freeze)
    batches = _Batches(data, split.train, recipe, model.spec.image_size, seed, images)
    if options.sharded:
        replica = _placed(copy.deepcopy(trainable), device).to("cpu")
        shard(trainable.to(device), device)
    else:
        replica = _placed(trainable, device)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = _optimizer(model, recipe)
    apart = replica.model if options.sharded else None
    steps = Steps(recipe, seed, len(batches), kept, names, options.save_steps, progress, apart)

    def measure(part: str) -> dict[str, float] | None:
        indices = getattr(split, part)
        wanted = part == "validation" or options.peek or options.selection == "test-oracle"
        if not len(indices) or not wanted:
            return None
        scores = predict(
            replica, data, indices, crops=recipe.test_crops, images=images, progress=steps.tells_images(part)
        )
        return evaluate_scores(scores, data, indices)["metrics"]

    epochs = Epochs(recipe, options.selection, kept, steps, measure)
    last = latest_checkpoint(kept.checkpoints)
    part = f"from-{last.name if last else 'the-start'}"
    with _alone(part, kept):
        runner = _ZooRunner(
            model=trainable,
            work_dir=str(kept.path / "log"),
            train_dataloader=batches,
            train_cfg=dict(by_epoch=True, max_epochs=recipe.epochs),
            optim_wrapper=_optim_wrapper(optimizer, recipe, options.sharded),
            default_hooks=dict(sampler_seed=None, param_scheduler=None, checkpoint=None),
            custom_hooks=[epochs, steps],
            launcher="pytorch" if _world() > 1 else "none",
            visualizer=dict(type="Visualizer", vis_backends=_backends(options.trackers)),
            device=device,
            part=part,
            restore=lambda runner: steps.restore(runner) if options.resume else None,
        )
        try:
            runner.train()
        except BaseException:
            runner.visualizer.close()  # as mmengine does at the end
            raise
    return replica.to(device)


def _report(
    trainable: Trainable,
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    kept: RunFolder,
    options: TrainingOptions,
    images: DecodedImages,
    progress: Progress | None,
) -> dict[str, Any]:
    history: list[dict[str, Any]] = kept.read("history")
    load_weights(trainable.model, read_state_dict(kept.weights))
    passes = recipe.passes(len(split.train))
    said = images_told(progress, "test", len(history) * passes, recipe.epochs * passes)
    scores = predict(trainable, data, split.test, crops=recipe.test_crops, images=images, progress=said)
    selected = next(i for i, epoch in enumerate(history) if epoch["selected"])
    return {
        "selection": options.selection,
        "epoch": history[selected]["epoch"],
        "epochs": len(history),
        "validation": history[selected]["validation"],
        **evaluate_scores(scores, data, split.test),
        "every_rule": every_rule(history),
        "seconds": sum(epoch["seconds"] for epoch in history),
    }


class _Batches:
    """The batches of an epoch as mmengine's loop takes them; as many as accumulate to whole steps."""

    def __init__(
        self,
        data: RatedImages,
        train: NDArray[np.int64],
        recipe: Recipe,
        size: int,
        seed: int,
        images: DecodedImages,
    ):
        part = recipe.batch_size // recipe.accumulate
        self.loader = CropLoader(
            data,
            train,
            size=size,
            crops=recipe.crops,
            batch_size=part,
            seed=seed,
            flip=recipe.flip,
            images=images,
            rank=_rank(),
            world=_world(),
            drop_last=True,
        )
        self.dataset = _NoMeta()
        self.length = recipe.passes(len(train))
        self.skipped = 0
        if not self.length:
            crops = len(train) * recipe.crops
            raise InputError(f"{data.name}: {crops} training crops do not fill a batch of {recipe.batch_size}")

    def begin(self, epoch: int, skip: int) -> None:
        self.skipped = skip
        self.loader.set_epoch(epoch, skip)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for batch in islice(self.loader, self.length - self.skipped):
            yield dict(image_BCHW=batch.image_BCHW, mos_B=batch.mos_B)


class _NoMeta:
    """What mmengine asks of a dataset."""

    metainfo: dict[str, Any] = {}  # noqa: RUF012  # read only


class _ZooRunner(Runner):
    """mmengine's Runner on a device of our choice, resumed from our checkpoints, that leaves the process as it is.

    Args:
        device: to train on.
        part: folder of this part of the run's log.
        restore: called before the first step.
        settings: mmengine's.
    """

    def __init__(self, *, device: torch.device, part: str, restore: Callable[[Runner], None], **settings: Any):
        self.device, self._part, self._restore = device, part, restore
        super().__init__(**settings)

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Only what the Runner reads: mmengine's sets threads, file limits and how processes start for all."""
        self._rank, self._world_size, self._timestamp = _rank(), _world(), self._part

    def set_randomness(self, seed: Any, **_: Any) -> None:
        """Nothing: each step seeds itself."""
        self._seed, self._deterministic = seed, False

    def build_logger(self, log_level: int | str = "ERROR", **_: Any) -> MMLogger:
        """One that writes no file: progress is shown elsewhere."""
        logger: MMLogger = MMLogger.get_instance(self._experiment_name, log_level="ERROR")
        return logger

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Nothing: ``run.json`` has the versions."""

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        model = model.to(self.device)
        if not self.distributed or isinstance(model, FSDPModule):
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        # A backbone may have parameters that no stage in use reads.
        return MMDistributedDataParallel(model, device_ids=devices, find_unused_parameters=True)

    def _init_model_weights(self) -> None:
        """Nothing: the model has its weights, and what wraps it gives every process the first one's."""

    def load_or_resume(self) -> None:
        self._restore(self)

    def dump_config(self) -> None:
        """Nothing: ``run.json`` says it all."""


def _trainable(model: QualityModel, scale: LabelScale, recipe: Recipe) -> Trainable:
    autocast = torch.bfloat16 if recipe.precision == "bfloat16" else None  # float16 is the optimiser wrapper's
    return Trainable(model, scale=scale, autocast=autocast, freeze_batch_norm=recipe.freeze_batch_norm)


def _placed(trainable: Trainable, device: torch.device) -> Trainable:
    """On its device, in the layout that is faster there for convolutions: scores can depend on it in the last bits."""
    trainable.to(device)
    if device.type == "cpu":
        trainable.model.to(memory_format=torch.channels_last)
    return trainable


def _scale(data: RatedImages, split: Split, recipe: Recipe) -> LabelScale:
    if recipe.labels == "raw":
        return LabelScale()
    train_mos = data.mos[split.train]
    spread = float(train_mos.std())
    if not spread:
        raise InputError(f"{data.name}: all training labels are {train_mos[0]:g}; there is nothing to learn")
    return LabelScale(float(train_mos.mean()), spread)


def freeze(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Stop the training of the parameters that a shell pattern names (a name alone means all below it).

    Returns:
        The names of the parameters that are frozen.

    Raises:
        ConfigError: a pattern that names no parameter, or nothing left to train.

    >>> freeze(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), ["0"])
    ['0.weight', '0.bias']
    """
    parameters = dict(model.named_parameters())
    frozen = []
    for pattern in patterns:
        met = [name for name in parameters if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not met:
            modules = [name for name, _ in model.named_modules() if name]
            raise ConfigError(
                [f"freeze: no parameter is named {pattern!r}{closest(pattern, modules)}"], title="the recipe"
            )
        frozen += met
    for name in frozen:
        parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ConfigError(["freeze: nothing is left to train"], title="the recipe")
    return list(dict.fromkeys(frozen))


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """One group for each rate and decay: backbone and decoder, matrices and the rest."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            of_backbone = name.startswith("backbone.") and recipe.backbone_lr is not None
            lr = recipe.backbone_lr if of_backbone else recipe.lr
            decays = parameter.ndim >= 2 or recipe.decay_vectors
            groups.setdefault((lr or 0.0, recipe.weight_decay if decays else 0.0), []).append(parameter)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(
        [
            {"params": parameters, "lr": lr, "initial_lr": lr, "weight_decay": decay}
            for (lr, decay), parameters in groups.items()
        ],
        lr=recipe.lr,
    )


def _optim_wrapper(optimizer: torch.optim.Optimizer, recipe: Recipe, sharded: bool) -> OptimWrapper:
    clip = dict(max_norm=recipe.clip) if recipe.clip is not None else None
    settings: dict[str, Any] = dict(optimizer=optimizer, clip_grad=clip, accumulative_counts=recipe.accumulate)
    if recipe.precision == "float16":
        return AmpOptimWrapper(dtype="float16", loss_scale="dynamic", **settings)
    return ShardedOptimWrapper(**settings) if sharded else OptimWrapper(**settings)


def _check_precision(recipe: Recipe, device: torch.device, sharded: bool) -> None:
    if recipe.precision == "float16" and sharded:
        raise InputError("precision float16 cannot be trained sharded: its loss scaling is not; use bfloat16")
    if recipe.precision == "float16" and device.type != "cuda":
        raise InputError("precision float16 needs CUDA, for its loss scaling; use bfloat16 or float32 on a CPU")


def check_parts(data: RatedImages, split: Split) -> None:
    """Refuse a split that cannot be trained on or whose parts are too small for the metrics they are measured by.

    Raises:
        InputError: says which part, how many images it has and how many it needs.
    """
    for part in ("train", "test"):
        if not len(getattr(split, part)):
            raise InputError(f"{data.name}: the {part} part of split {split.id} is empty")
    for part, remedy in (("validation", "raise --validation-fraction"), ("test", "choose other splits")):
        count = len(getattr(split, part))
        if 0 < count < FEWEST:
            raise InputError(
                f"{data.name}: the {part} part of split {split.id} has {count} images, and its metrics need {FEWEST}; "
                f"{remedy}"
            )


def _check_options(data: RatedImages, split: Split, recipe: Recipe, options: TrainingOptions) -> None:
    if options.sharded and int(os.environ.get("WORLD_SIZE", "1")) < 2:
        raise InputError(
            "a sharded training needs several processes: start it with torchrun --nproc-per-node N -m iqa_zoo.cli train "
            "..., or leave --sharded out"
        )
    if not len(split.validation):
        for what, needs in (
            ("the selection rule 'validation'", options.selection == "validation"),
            ("an early stop (patience)", recipe.patience is not None),
        ):
            if needs:
                raise InputError(
                    f"{data.name}: {what} reads a validation part, and split {split.id} has none; make splits with "
                    "validation_fraction, or choose --selection last"
                )
    for tracker in options.trackers:
        if tracker not in TRACKERS:
            raise InputError(not_one_of(tracker, TRACKERS, "tracker"))
        packages = _PACKAGES.get(tracker, (tracker,))
        if not all(map(find_spec, packages)):
            raise InputError(f"the tracker {tracker!r} needs a package: pip install {' '.join(packages)}")


def _backends(trackers: Sequence[str]) -> list[dict[str, str]]:
    return [dict(type="LocalVisBackend"), *(dict(type=TRACKERS[name]) for name in trackers)]


def _cuda_devices(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _begin_processes(device: torch.device) -> torch.device:
    """Join the other processes of ``torchrun``, if there are any; each takes a CUDA device of its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(distributed.destroy_process_group)  # more trainings may follow in these processes
    return device


def _rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def _world() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _wait() -> None:
    if distributed.is_initialized():
        distributed.barrier()


@contextmanager
def _alone(part: str, kept: RunFolder) -> Iterator[None]:
    """mmengine's Runner without its messages and, afterwards, without what it leaves in the process."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it announces itself on the root logger's level
    try:
        with warnings.catch_warnings():
            # The usual case of the unused parameters that may be there.
            warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
            yield
    except OSError as error:
        if error.errno in _FULL:  # in a log or a tracker's file
            with kept.writing():
                raise
        raise
    finally:
        logging.disable(disabled)
        for kind in (MMLogger, MessageHub, Visualizer, DefaultScope):
            kind._instance_dict.pop(part, None)
