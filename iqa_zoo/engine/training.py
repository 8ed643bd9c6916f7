"""Train a model end to end on mmengine's Runner, in one process or several."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner
from numpy.typing import NDArray
from torch import distributed, nn

from iqa_zoo.build import build_model
from iqa_zoo.config import config_hash
from iqa_zoo.data.loader import CropLoader, DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, save_splits
from iqa_zoo.engine.evaluation import evaluate_scores
from iqa_zoo.engine.hooks import Epochs, Steps
from iqa_zoo.engine.prediction import predict, torch_device
from iqa_zoo.engine.provenance import source_hash, versions
from iqa_zoo.engine.recipe import Recipe
from iqa_zoo.engine.run_folder import RunFolder
from iqa_zoo.engine.selection import check_rule, every_rule
from iqa_zoo.engine.trainable import LabelScale, Trainable
from iqa_zoo.errors import ConfigError, InputError, closest
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
        memory_bytes: for decoded images.
    """

    selection: str = "validation"
    peek: bool = False
    resume: bool = False
    save_steps: int | None = None
    trackers: tuple[str, ...] = ()
    device: str | None = None
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
        options: see :class:`TrainingOptions`.
        progress: called after each step.

    Returns:
        What ``result.json`` holds: test metrics, predictions, the epoch, and what every rule would have reported.

    Raises:
        InputError: an image that cannot be read, a part that is empty, a folder that cannot be written; a loss that
            is not finite (says the step; the last good checkpoint stays).
        CheckpointError: the folder holds another run; says which keys differ.
    """
    check_rule(options.selection)
    _check_parts(data, split, recipe, options)
    device = _begin_processes(torch_device(options.device))
    _check_precision(recipe, device)
    torch.manual_seed(seed)
    model = build_model(cfg, pretrained=pretrained, weights=weights)
    run = {
        "model": model.config,
        "model_hash": config_hash(model.config),
        "recipe": recipe.to_dict(),
        "data": {
            "name": data.name,
            "images": len(data),
            "label": data.label,
            "higher_is_better": data.higher_is_better,
            "score_range": list(data.score_range),
        },
        "split": split.id,
        "seed": seed,
        "selection": options.selection,
        "peek": options.peek or options.selection == "test-oracle",
        "initial_weights": _fingerprint(model),
        "scale": vars(_scale(data, split, recipe)),
        "versions": versions(),
        "source": source_hash(),
        "device": device.type,
        "world": _world(),
    }
    kept = RunFolder(folder)
    if _rank() == 0:
        kept.begin(run, resume=options.resume)
        save_splits(kept.path / "split.json", data, [split])
    _wait()
    if (kept.path / "result.json").is_file():
        finished: dict[str, Any] = kept.read("result")
        return finished
    images = DecodedImages(data, memory_bytes=options.memory_bytes)
    trainable = _fit(model, data, split, recipe, kept, seed, options, device, images, progress)
    result = _report(trainable, data, split, recipe, kept, options, images)
    if _rank() == 0:
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
        from iqa_zoo.errors import CheckpointError

        raise CheckpointError(
            f"{kept.path} has no weights yet: no epoch was finished; go on with iqa-zoo train --resume"
        )
    model = build_model(run["model"])
    load_weights(model, read_state_dict(kept.weights))
    recipe = Recipe(**run["recipe"])
    trainable = _trainable(model, LabelScale(**run["scale"]), recipe)
    return trainable.to(torch_device(device)).eval(), run


def _fit(
    model: QualityModel,
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
    trainable = _trainable(model, _scale(data, split, recipe), recipe)
    freeze(model, recipe.freeze)
    if device.type == "cpu":
        model.to(memory_format=torch.channels_last)  # the faster layout for convolutions
    batches = _Batches(data, split.train, recipe, model.spec.image_size, seed, images)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizer = _optimizer(model, recipe)
    steps = Steps(recipe, seed, len(batches), kept, names, options.save_steps, progress)

    def measure(part: str) -> dict[str, float] | None:
        indices = getattr(split, part)
        wanted = part == "validation" or options.peek or options.selection == "test-oracle"
        if not len(indices) or not wanted:
            return None
        scores = predict(trainable, data, indices, crops=recipe.test_crops, images=images)
        return evaluate_scores(scores, data, indices)["metrics"]

    epochs = Epochs(recipe, options.selection, kept, steps, measure)
    with _quietly():
        runner = _ZooRunner(
            model=trainable,
            work_dir=str(kept.path / "log"),
            train_dataloader=batches,
            train_cfg=dict(by_epoch=True, max_epochs=recipe.epochs),
            optim_wrapper=_optim_wrapper(optimizer, recipe),
            default_hooks=dict(sampler_seed=None, param_scheduler=None, checkpoint=None),
            custom_hooks=[epochs, steps],
            launcher="pytorch" if _world() > 1 else "none",
            log_level="ERROR",  # progress is shown elsewhere
            visualizer=dict(type="Visualizer", vis_backends=_backends(options.trackers)),
            experiment_name=uuid4().hex,
            env_cfg=dict(mp_cfg=dict(mp_start_method=torch.multiprocessing.get_start_method())),
            randomness=dict(seed=seed),
            device=device,
            restore=lambda runner: steps.restore(runner) if options.resume else None,
        )
        runner.train()
    return trainable


def _report(
    trainable: Trainable,
    data: RatedImages,
    split: Split,
    recipe: Recipe,
    kept: RunFolder,
    options: TrainingOptions,
    images: DecodedImages,
) -> dict[str, Any]:
    history: list[dict[str, Any]] = kept.read("history")
    load_weights(trainable.model, read_state_dict(kept.weights))
    scores = predict(trainable, data, split.test, crops=recipe.test_crops, images=images)
    selected = next(i for i, epoch in enumerate(history) if epoch["selected"])
    return {
        "selection": options.selection,
        "epoch": selected + 1,
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
        self.length = len(self.loader) // recipe.accumulate * recipe.accumulate
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
    """mmengine's Runner on a device of our choice, resumed from our checkpoints."""

    def __init__(self, *, device: torch.device, restore: Callable[[Runner], None], **settings: Any):
        self.device, self._restore = device, restore
        super().__init__(**settings)

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        model = model.to(self.device)
        if not self.distributed:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)

    def load_or_resume(self) -> None:
        self._restore(self)

    def dump_config(self) -> None:
        """Nothing: ``run.json`` says it all."""


def _trainable(model: QualityModel, scale: LabelScale, recipe: Recipe) -> Trainable:
    autocast = torch.bfloat16 if recipe.precision == "bfloat16" else None  # float16 is the optimiser wrapper's
    return Trainable(model, scale=scale, autocast=autocast, freeze_batch_norm=recipe.freeze_batch_norm)


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


def _optim_wrapper(optimizer: torch.optim.Optimizer, recipe: Recipe) -> OptimWrapper:
    clip = dict(max_norm=recipe.clip) if recipe.clip is not None else None
    settings: dict[str, Any] = dict(optimizer=optimizer, clip_grad=clip, accumulative_counts=recipe.accumulate)
    if recipe.precision == "float16":
        return AmpOptimWrapper(dtype="float16", loss_scale="dynamic", **settings)
    return OptimWrapper(**settings)


def _check_precision(recipe: Recipe, device: torch.device) -> None:
    if recipe.precision == "float16" and device.type != "cuda":
        raise InputError("precision float16 needs CUDA, for its loss scaling; use bfloat16 or float32 on a CPU")


def _check_parts(data: RatedImages, split: Split, recipe: Recipe, options: TrainingOptions) -> None:
    for part in ("train", "test"):
        if not len(getattr(split, part)):
            raise InputError(f"{data.name}: the {part} part of split {split.id} is empty")
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
            from iqa_zoo.errors import not_one_of

            raise InputError(not_one_of(tracker, TRACKERS, "tracker"))


def _backends(trackers: Sequence[str]) -> list[dict[str, str]]:
    return [dict(type="LocalVisBackend"), *(dict(type=TRACKERS[name]) for name in trackers)]


def _fingerprint(model: nn.Module) -> str:
    """A hash of the weights that training starts from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _begin_processes(device: torch.device) -> torch.device:
    """Join the other processes of ``torchrun``, if there are any; each takes a CUDA device of its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(device)
        if not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return device


def _rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def _world() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def _wait() -> None:
    if distributed.is_initialized():
        distributed.barrier()


@contextmanager
def _quietly() -> Iterator[None]:
    """mmengine announces itself on the root logger's level; what it has to say is shown elsewhere."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
