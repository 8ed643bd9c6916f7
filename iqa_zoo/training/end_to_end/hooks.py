"""What happens around the steps and epochs of a training, as hooks of mmengine's Runner."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, distributed, nn

from iqa_zoo.errors import InputError
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

Measure = Callable[[str], Mapping[str, float] | None]  # part -> metrics
Progress = Callable[[str, int, int], None]  # (what is said, steps done, steps in all)
History = list[dict[str, Any]]


class Steps(Hook):
    """Each step: its seed, its learning rate, the moving average, a loss that must be finite, and checkpoints.

    Args:
        recipe: of the training.
        seed: of the run; a step's randomness depends on it, the step and the process, and on nothing before.
        steps_an_epoch: forward passes an epoch (accumulated parts count).
        kept: where checkpoints go.
        names: ``id(parameter)`` -> name.
        save_steps: a checkpoint every so many steps besides that of each epoch.
        progress: called after each step.
        replica: where the model is sharded, another one that is not, to test and to keep weights; on the CPU.
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
        progress: Progress | None,
        replica: nn.Module | None = None,
    ):
        self.recipe, self.seed, self.steps_an_epoch = recipe, seed, steps_an_epoch
        self.kept, self.names, self.save_steps, self.progress = kept, names, save_steps, progress
        self.history: History = []
        self.losses: list[float] = []  # of the epoch so far
        self.replica = replica
        self.done = 0  # steps
        self.average: MovingAverage | None = None
        self.started = time.perf_counter()

    def before_run(self, runner: Runner) -> None:
        if self.recipe.ema is not None:
            self.average = MovingAverage(unwrap_model(runner), self.recipe.ema, self.recipe.ema_every)

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
        done, total = runner.iter + 1, self.recipe.epochs * self.steps_an_epoch
        loss = _over_processes(outputs["loss"])
        if not math.isfinite(loss):
            self._stop(f"the loss is {loss}", runner, done)
        self.losses.append(loss)
        whole = done % self.recipe.accumulate == 0
        epoch_ends = done % self.steps_an_epoch == 0
        keep = bool(self.save_steps) and done % (self.save_steps or 1) == 0 and whole and not epoch_ends
        # A finite loss can have a gradient that is not; its weights must not be kept.
        if (keep or epoch_ends) and (name := _not_finite(unwrap_model(runner))):
            self._stop(f"the weights {name} are not finite", runner, done)
        if self.average is not None and whole:
            of = self.steps_an_epoch // self.recipe.accumulate
            self.average.step(unwrap_model(runner), len(self.losses) // self.recipe.accumulate, of)
        if self.progress and runner.rank == 0:
            self.progress(f"epoch {runner.epoch + 1} of {self.recipe.epochs}, loss {self.mean_loss:.4f}", done, total)
        if keep:
            self.save(runner, epoch=runner.epoch, step=done)

        self.done = done

    def make_image_progress(self, part: str) -> Callable[[int, int], None] | None:
        """For :func:`iqa_zoo.inference.predict.predict`: it says which image of the part is tested, between two steps."""
        epoch = f"epoch {-(-self.done // self.steps_an_epoch)} of {self.recipe.epochs}, "
        return make_image_progress(self.progress, epoch + part, self.done, self.recipe.epochs * self.steps_an_epoch)

    def _stop(self, why: str, runner: Runner, done: int) -> NoReturn:
        last = find_latest_checkpoint(self.kept.checkpoints)
        remedies = [f"a lower rate (lr is {self.recipe.lr:g})"]
        remedies += ["a clipped gradient (clip: 1.0)"] if self.recipe.clip is None else []
        remedies += ["precision: float32"] if self.recipe.precision != "float32" else []
        raise InputError(
            f"{why} at step {done} of {self.recipe.epochs * self.steps_an_epoch} (epoch {runner.epoch + 1}); "
            + (f"the last good checkpoint is {last}" if last else "there is no checkpoint yet")
            + f". Begin in another folder with {' or '.join(remedies)}"
            + (f"; --weights {last / 'model.safetensors'} starts from the last good weights" if last else "")
        )

    @property
    def mean_loss(self) -> float:
        return sum(self.losses) / max(1, len(self.losses))

    @contextmanager
    def averaged(self, runner: Runner) -> Iterator[nn.Module]:
        """The model as it is tested and kept, the same in every process: averaged weights, if there are any."""
        model = unwrap_model(runner)
        if self.replica is not None:
            device = next(model.parameters()).device
            self.replica.load_state_dict(gather_whole(self._tested(model)))
            _share_buffers(self.replica.to(device))
            try:
                yield self.replica
            finally:
                self.replica.to("cpu")
            return
        live = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        if self.average is not None:
            model.load_state_dict(self.average.tensors)
        _share_buffers(model)
        try:
            yield model
        finally:
            model.load_state_dict(live)

    def _tested(self, model: nn.Module) -> Mapping[str, Tensor]:
        return model.state_dict() if self.average is None else self.average.tensors

    def save(self, runner: Runner, *, epoch: int, step: int) -> None:
        """Keep what is needed to go on exactly from here: so many epochs and steps done. Called in every process."""
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

    def restore(self, runner: Runner) -> None:
        """Go on from the last checkpoint, if there is one."""
        last = find_latest_checkpoint(self.kept.checkpoints)
        if last is None:
            return
        tensors, state = load_checkpoint(last)
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
    """After each epoch: metrics, the history, the weights if the rule selects them, a checkpoint, an early stop.

    Args:
        recipe: of the training.
        rule: which epoch's weights are kept.
        kept: where.
        steps: the hook of the steps.
        measure: part -> its metrics, or None where the part is not to be measured.
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


def make_image_progress(
    progress: Progress | None, words: str, steps: int, of_steps: int
) -> Callable[[int, int], None] | None:
    """What takes (images done, images in all) and tells them as words, while the steps stand still; None for None.

    >>> make_image_progress(print, "test", 8, 8)(3, 20)
    test image 3 of 20 8 8
    """
    if progress is None:
        return None
    return lambda done, total: progress(f"{words} image {done} of {total}", steps, of_steps)


def should_stop_early(history: History, patience: int | None) -> bool:
    """Whether the best validation SROCC is ``patience`` epochs old.

    >>> should_stop_early([dict(validation=dict(srocc=0.7)), dict(validation=dict(srocc=0.6))], patience=1)
    True
    """
    if patience is None or not history:
        return False
    sroccs = [replace_undefined(epoch["validation"]["srocc"]) for epoch in history]
    return len(history) - 1 - sroccs.index(max(sroccs)) >= patience


def _over_processes(loss: Tensor) -> float:
    """The mean over the processes, so that all of them stop where one has to."""
    if distributed.is_initialized():
        loss = loss / distributed.get_world_size()
        distributed.all_reduce(loss)
    return loss.item()


def _share_buffers(model: nn.Module) -> None:
    """Give every process the first one's: running statistics are each process's own."""
    if distributed.is_initialized():
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def _not_finite(model: nn.Module) -> str | None:
    """The first parameter that is not finite in some process, the same in all of them."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    good = torch.stack([get_local(parameter).isfinite().all() for parameter in parameters]).int()
    if distributed.is_initialized():
        distributed.all_reduce(good, distributed.ReduceOp.MIN)
    return None if good.all() else names[int(good.argmin())]


def unwrap_model(runner: Runner) -> nn.Module:
    """The quality model inside whatever wraps it."""
    trainable: Any = getattr(runner.model, "module", runner.model)
    return trainable.model
