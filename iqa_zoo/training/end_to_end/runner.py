"""mmengine's Runner with our device, seeds, checkpoints and log; it leaves nothing behind in the process."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch import nn
from torch.distributed.fsdp import FSDPModule

from iqa_zoo.cache import FULL
from iqa_zoo.training.end_to_end.sharded import ShardedOptimWrapper
from iqa_zoo.training.end_to_end.trackers import ScalarLog
from iqa_zoo.training.processes import get_rank, get_world
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder


class ZooRunner(Runner):
    """mmengine's Runner for a model that has its weights and its device.

    ``env_cfg`` holds ``part``, the name of the folder for this part of the run's log.
    """

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Set only what the Runner reads. mmengine would change threads, file limits and how processes start."""
        self._rank, self._world_size, self._timestamp = get_rank(), get_world(), env_cfg["part"]

    def build_logger(self, log_level: int | str = "ERROR", **_: Any) -> MMLogger:
        """Return a logger that writes no file."""
        logger: MMLogger = MMLogger.get_instance(self._experiment_name, log_level="ERROR")
        return logger

    def wrap_model(self, model_wrapper_cfg: Any, model: nn.Module) -> nn.Module:
        """Leave the model on its device; under torchrun wrap it, unless it is sharded."""
        if not self.distributed or isinstance(model, FSDPModule):
            return model
        device = next(model.parameters()).device
        # A backbone may have parameters that no stage in use reads.
        return MMDistributedDataParallel(
            model, device_ids=[device.index] if device.type == "cuda" else None, find_unused_parameters=True
        )

    def _skip(self, *_: Any) -> None:
        """Do nothing: the model has its weights, and ``run.json`` has the versions and the configuration."""

    _init_model_weights = _log_env = dump_config = _skip


def make_optim_wrapper(optimizer: torch.optim.Optimizer, recipe: Recipe, sharded: bool) -> OptimWrapper:
    """Return the wrapper that clips and accumulates gradients and steps, for the Runner."""
    clip = dict(max_norm=recipe.clip) if recipe.clip is not None else None
    settings: dict[str, Any] = dict(optimizer=optimizer, clip_grad=clip, accumulative_counts=recipe.accumulate)
    if recipe.precision == "float16":
        return AmpOptimWrapper(dtype="float16", loss_scale="dynamic", **settings)
    return ShardedOptimWrapper(**settings) if sharded else OptimWrapper(**settings)


@contextmanager
def run_quietly(part: str, kept: RunFolder) -> Iterator[None]:
    """Silence mmengine's Runner, and afterwards remove what it leaves in the process."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it announces itself on the root logger's level
    try:
        with warnings.catch_warnings():
            # Whether parameters are unused depends on the model.
            warnings.filterwarnings("ignore", message="find_unused_parameters=True was specified")
            yield
    except OSError as error:
        if error.errno in FULL:  # in a log or a tracker's file
            with kept.writing():
                raise
        raise
    finally:
        logging.disable(disabled)
        for kind in (MMLogger, MessageHub, ScalarLog, DefaultScope):
            kind._instance_dict.pop(part, None)
