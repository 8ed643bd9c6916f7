"""Hooks of mmengine's Runner around the steps and epochs of a training."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, distributed, nn

from iqa_zoo.errors import InputError
from iqa_zoo.progress import Progress, StepProgress, make_image_progress
from iqa_zoo.randomness import set_seed
from iqa_zoo.training.averaging import MovingAverage
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.schedule import compute_rate_factor, set_rates
from iqa_zoo.training.selection import choose_epoch, replace_undefined
from iqa_zoo.training.shards import gather_whole, get_local, load_gathered
from iqa_zoo.training.state import (
    collect_optimizer_state,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
    save_tensors,
)

Measure = Callable[[str], Mapping[str, float] | None]  # part -> its metrics, None if it is not to be measured


class Steps(Hook):
    """Each step: its seed and learning rate, the moving average, the check that the loss is finite, and checkpoints.

    Args:
        recipe: of the training.
        seed: of the run; the randomness of a step depends on the seed, the step and the process only.
        steps_an_epoch: forward passes per epoch (accumulated parts count).
        kept: the folder of the run.
        names: ``id(parameter)`` -> name.
        save_steps: write a checkpoint every so many steps besides that of each epoch.
        progress: called after each step.
        replica: for a sharded model, an unsharded one on the CPU, to test and to keep weights.
        resume: continue from the last checkpoint, if there is one.
    """

    priority = "NORMAL"

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        steps_an_epoch: int,
        kept: RunFolder,
        names: Mapping[int, str],
        save_steps: int | None,
        progress: StepProgress | None,
        replica: nn.Module | None = None,
        resume: bool = False,
    ):
        self.recipe, self.seed, self.steps_an_epoch = recipe, seed, steps_an_epoch
        self.kept, self.names, self.save_steps, self.progress = kept, names, save_steps, progress
        self.history: list[dict[str, Any]] = []
        self.losses: list[float] = []  # of the epoch so far
        self.replica, self.resume = replica, resume
        self.done, self.total = 0, recipe.epochs * steps_an_epoch  # steps
        self.average: MovingAverage | None = None
        self.started = time.perf_counter()

    def before_run(self, runner: Runner) -> None:
        if self.recipe.ema is not None:
            self.average = MovingAverage(unwrap_model(runner), self.recipe.ema, self.recipe.ema_every)
        last = find_latest_checkpoint(self.kept.checkpoints) if self.resume else None
        if last is not None:
            self.restore(runner, last)

    def before_train_epoch(self, runner: Runner) -> None:
        runner.train_dataloader.begin(runner.epoch, len(self.losses))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        step = f"{self.seed}/{runner.iter}/{runner.rank}"
        set_seed(zlib.crc32(step.encode()))
        set_rates(runner.optim_wrapper.optimizer, compute_rate_factor(self.recipe, runner.iter, self.steps_an_epoch))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        assert outputs is not None
        done = runner.iter + 1
        loss = _average_over_processes(outputs["loss"])
        if not math.isfinite(loss):
            self._stop(f"the loss is {loss}", runner, done)
        self.losses.append(loss)
        whole = done % self.recipe.accumulate == 0
        epoch_ends = done % self.steps_an_epoch == 0
        keep = bool(self.save_steps) and done % (self.save_steps or 1) == 0 and whole and not epoch_ends
        # A finite loss can have a gradient that is not; its weights must not be kept.
        if (keep or epoch_ends) and (name := _find_not_finite(unwrap_model(runner))):
            self._stop(f"the weights {name} are not finite", runner, done)
        if self.average is not None and whole:
            of = self.steps_an_epoch // self.recipe.accumulate
            self.average.step(unwrap_model(runner), len(self.losses) // self.recipe.accumulate, of)
        if self.progress and runner.rank == 0:
            self.progress(
                f"epoch {runner.epoch + 1} of {self.recipe.epochs}, loss {self.mean_loss:.4f}", done, self.total
            )
        if keep:
            self.save(runner, epoch=runner.epoch, step=done)
        self.done = done

    def make_image_progress(self, part: str) -> Progress | None:
        """Return a callable that reports the tested images of a part, between two steps."""
        epoch = f"epoch {-(-self.done // self.steps_an_epoch)} of {self.recipe.epochs}, "
        return make_image_progress(self.progress, epoch + part, self.done, self.total)

    def _stop(self, why: str, runner: Runner, done: int) -> NoReturn:
        last = find_latest_checkpoint(self.kept.checkpoints)
        remedies = [f"a lower rate (lr is {self.recipe.lr:g})"]
        remedies += ["a clipped gradient (clip: 1.0)"] if self.recipe.clip is None else []
        remedies += ["precision: float32"] if self.recipe.precision != "float32" else []
        raise InputError(
            f"{why} at step {done} of {self.total} (epoch {runner.epoch + 1}); "
            + (f"the last good checkpoint is {last}" if last else "there is no checkpoint yet")
            + f". Begin in another folder with {' or '.join(remedies)}"
            + (f"; --weights {last / 'model.safetensors'} starts from the last good weights" if last else "")
        )

    @property
    def mean_loss(self) -> float:
        return sum(self.losses) / max(1, len(self.losses))

    @contextmanager
    def averaged(self, runner: Runner) -> Iterator[nn.Module]:
        """Yield the model to test and keep, the same in every process; its weights are the average, if there is one."""
        model = unwrap_model(runner)
        if self.replica is not None:
            device = next(model.parameters()).device
            tested = model.state_dict() if self.average is None else self.average.tensors
            self.replica.load_state_dict(gather_whole(tested))
            _broadcast_buffers(self.replica.to(device))
            try:
                yield self.replica
            finally:
                self.replica.to("cpu")
            return
        live = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if self.average is not None:
            model.load_state_dict(self.average.tensors)
        _broadcast_buffers(model)
        try:
            yield model
        finally:
            model.load_state_dict(live)

    def save(self, runner: Runner, *, epoch: int, step: int) -> None:
        """Write a checkpoint to resume exactly after so many epochs and steps. Every process must call this."""
        tensors = {
            "model": gather_whole(unwrap_model(runner).state_dict()),
            "optimizer": gather_whole(collect_optimizer_state(runner.optim_wrapper.optimizer, self.names)),
        }
        if self.average is not None:
            tensors["ema"] = gather_whole(self.average.state_dict())
        if runner.rank == 0:
            scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
            state = {
                "epoch": epoch,
                "step": step,
                "losses": self.losses,
                "history": self.history,
                "scaler": scaler.state_dict() if scaler is not None else None,
            }
            save_checkpoint(self.kept.checkpoints, step, tensors, state)

    def restore(self, runner: Runner, checkpoint: Path) -> None:
        """Continue from a checkpoint."""
        tensors, state = load_checkpoint(checkpoint)
        load_gathered(unwrap_model(runner), tensors["model"])
        restore_optimizer(runner.optim_wrapper.optimizer, self.names, tensors.get("optimizer", {}))
        if self.average is not None:
            self.average.load_state_dict(tensors["ema"])
        if state["scaler"] is not None:
            runner.optim_wrapper.loss_scaler.load_state_dict(state["scaler"])
        self.history, self.losses = state["history"], state["losses"]
        loop = runner.train_loop
        loop._epoch, loop._iter = state["epoch"], state["step"]
        loop.stop_training = should_stop_early(self.history, self.recipe.patience)


class Epochs(Hook):
    """After each epoch: metrics, the history, the weights if the rule selects the epoch, a checkpoint, and the early stop.

    Args:
        recipe: of the training.
        rule: which epoch's weights are kept.
        kept: the folder of the run.
        steps: the hook of the steps.
        measure: returns the metrics of a part, or None if it is not to be measured.
    """

    priority = "LOW"  # after the last step's own hooks

    def __init__(self, recipe: Recipe, rule: str, kept: RunFolder, steps: Steps, measure: Measure):
        self.recipe, self.rule, self.kept, self.steps, self.measure = recipe, rule, kept, steps, measure

    def after_train_epoch(self, runner: Runner) -> None:
        steps = self.steps
        epoch: dict[str, Any] = {
            "epoch": runner.epoch + 1,
            "loss": steps.mean_loss,
            "lr": [group["lr"] for group in runner.optim_wrapper.optimizer.param_groups],
        }
        with steps.averaged(runner) as model:
            epoch |= {part: self.measure(part) for part in ("validation", "test")}
            epoch["seconds"] = time.perf_counter() - steps.started
            steps.started = time.perf_counter()
            steps.history.append(epoch)
            chosen = choose_epoch(steps.history, self.rule)
            for i, each in enumerate(steps.history):
                each["selected"] = i == chosen
            if runner.rank == 0 and chosen == len(steps.history) - 1:
                about = {"epoch": str(runner.epoch + 1), "selection": self.rule}
                with self.kept.writing():
                    save_tensors(model.state_dict(), self.kept.weights, about)
        steps.losses = []
        if runner.rank == 0:
            with self.kept.writing():
                self.kept.write("history", steps.history)
        runner.visualizer.add_scalars(
            {f"{part}/{name}": value for part in ("validation", "test") for name, value in (epoch[part] or {}).items()},
            step=runner.epoch + 1,
        )
        steps.save(runner, epoch=runner.epoch + 1, step=runner.iter)
        runner.train_loop.stop_training = should_stop_early(steps.history, self.recipe.patience)


def should_stop_early(history: Sequence[Mapping[str, Any]], patience: int | None) -> bool:
    """Return whether the best validation SROCC is ``patience`` epochs old.

    >>> should_stop_early([dict(validation=dict(srocc=0.7)), dict(validation=dict(srocc=0.6))], patience=1)
    True
    """
    if patience is None or not history:
        return False
    sroccs = [replace_undefined(epoch["validation"]["srocc"]) for epoch in history]
    return len(history) - 1 - sroccs.index(max(sroccs)) >= patience


def _average_over_processes(loss: Tensor) -> float:
    """Return the mean over the processes, so that all of them stop together."""
    if distributed.is_initialized():
        loss = loss / distributed.get_world_size()
        distributed.all_reduce(loss)
    return loss.item()


def _broadcast_buffers(model: nn.Module) -> None:
    """Give every process the buffers of the first one: each has running statistics of its own."""
    if distributed.is_initialized():
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def _find_not_finite(model: nn.Module) -> str | None:
    """Return the first parameter that is not finite in any process; the same in all of them."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    good = torch.stack([get_local(parameter).isfinite().all() for parameter in parameters]).int()
    if distributed.is_initialized():
        distributed.all_reduce(good, distributed.ReduceOp.MIN)
    return None if good.all() else names[int(good.argmin())]


def unwrap_model(runner: Runner) -> nn.Module:
    """Return the quality model inside its wrappers."""
    trainable: Any = getattr(runner.model, "module", runner.model)
    return trainable.model
