"""mmengine's Runner on our terms: our device, checkpoints and log, and nothing left behind in the process."""

from __future__ import annotations

import errno
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.distributed.fsdp import FSDPModule

from iqa_zoo.errors import InputError, not_one_of
from iqa_zoo.training.end_to_end.sharded import ShardedOptimWrapper
from iqa_zoo.training.processes import get_rank, get_world
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder

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


class ZooRunner(Runner):
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
        self._rank, self._world_size, self._timestamp = get_rank(), get_world(), self._part

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


class Log(Visualizer):
    """Where scalars are logged: a backend that fails is dropped, and the training goes on without it.

    Attributes:
        problems: one line for each backend that was dropped.
    """

    def __init__(self, name: str = "log", **settings: Any):  # mmengine wants the name in the signature
        super().__init__(name, **settings)
        self.problems: list[str] = []

    def add_scalars(self, scalar_dict: dict[str, Any], step: int = 0, file_path: str | None = None) -> None:
        self._call("add_scalars", scalar_dict, step, file_path)

    def close(self) -> None:
        self._call("close")

    def _call(self, method: str, *arguments: Any) -> None:
        for name, backend in list(self._vis_backends.items()):
            try:
                getattr(backend, method)(*arguments)
            except Exception as error:  # a tracker can fail in any way, and no log is worth a training
                del self._vis_backends[name]
                self.problems.append(f"the log of {name} ended early: {error}")


def make_log_settings(trackers: Sequence[str]) -> dict[str, Any]:
    """The log for the Runner's settings: scalars in the run's folder, and in trackers by the names of ``TRACKERS``."""
    backends = [dict(type="LocalVisBackend"), *(dict(type=TRACKERS[name]) for name in trackers)]
    return dict(type=Log, vis_backends=backends)


def check_trackers(trackers: Sequence[str]) -> None:
    """Check that trackers exist and that their packages are installed.

    Raises:
        InputError: names the tracker, and the package to install.
    """
    for tracker in trackers:
        if tracker not in TRACKERS:
            raise InputError(not_one_of(tracker, TRACKERS, "tracker"))
        packages = _PACKAGES.get(tracker, (tracker,))
        if not all(map(find_spec, packages)):
            raise InputError(f"the tracker {tracker!r} needs a package: pip install {' '.join(packages)}")


def make_optim_wrapper(optimizer: torch.optim.Optimizer, recipe: Recipe, sharded: bool) -> OptimWrapper:
    """What clips, accumulates and steps for the Runner."""
    clip = dict(max_norm=recipe.clip) if recipe.clip is not None else None
    settings: dict[str, Any] = dict(optimizer=optimizer, clip_grad=clip, accumulative_counts=recipe.accumulate)
    if recipe.precision == "float16":
        return AmpOptimWrapper(dtype="float16", loss_scale="dynamic", **settings)
    return ShardedOptimWrapper(**settings) if sharded else OptimWrapper(**settings)


@contextmanager
def run_quietly(part: str, kept: RunFolder) -> Iterator[None]:
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
        for kind in (MMLogger, MessageHub, Log, DefaultScope):
            kind._instance_dict.pop(part, None)
