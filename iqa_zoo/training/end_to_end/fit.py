"""Train the weights of a model with mmengine's Runner, and test those of the selected epoch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from iqa_zoo.data.decoded import DecodedImages
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.inference.evaluation import evaluate_scores
from iqa_zoo.inference.predict import predict
from iqa_zoo.progress import StepProgress, make_image_progress
from iqa_zoo.state_dicts import read_state_dict
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.end_to_end.batches import Batches
from iqa_zoo.training.end_to_end.hooks import Epochs, Steps
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.runner import ZooRunner, make_optim_wrapper, run_quietly
from iqa_zoo.training.end_to_end.sharded import shard
from iqa_zoo.training.end_to_end.trackers import make_log_settings
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.processes import get_world
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.selection import compare_rules
from iqa_zoo.weights import load_weights


@dataclass(frozen=True)
class Job:
    """A checked training: what it reads, how it trains, where it is kept and how it reports."""

    data: RatedImages
    split: Split
    recipe: Recipe
    kept: RunFolder
    seed: int
    options: TrainingOptions
    images: DecodedImages
    progress: StepProgress | None


def fit(trainable: Trainable, job: Job, device: torch.device) -> tuple[Trainable, list[str]]:
    """Train, and return the model to test the weights in and the problems of the log.

    The model is the trained one, or an unsharded replica of a sharded one.
    """
    model, recipe, options, kept = trainable.model, job.recipe, job.options, job.kept
    batches = Batches(job.data, job.split.train, recipe, model.spec.image_size, job.seed, job.images)
    if options.sharded:
        replica = copy.deepcopy(trainable).place(device).to("cpu")
        shard(trainable.to(device), device)
    else:
        replica = trainable.place(device)
    steps = Steps(
        recipe,
        job.seed,
        len(batches),
        kept,
        {id(parameter): name for name, parameter in model.named_parameters()},
        options.save_steps,
        job.progress,
        replica=replica.model if options.sharded else None,
        resume=options.resume,
    )

    def measure(part: str) -> dict[str, float] | None:
        indices = getattr(job.split, part)
        if not len(indices) or (part == "test" and not options.measures_test):
            return None
        progress = steps.make_image_progress(part)
        scores = predict(
            replica.scorer, job.data, indices, crops=recipe.test_crops, images=job.images, progress=progress
        )
        return evaluate_scores(scores, job.data, indices)["metrics"]

    last = find_latest_checkpoint(kept.checkpoints)
    part = f"from-{last.name if last else 'the-start'}"
    optimizer = make_optimizer(model, recipe, backbone_lr=recipe.backbone_lr)
    with run_quietly(part, kept):
        runner = ZooRunner(
            model=trainable,
            work_dir=str(kept.path / "log"),
            train_dataloader=batches,
            train_cfg=dict(by_epoch=True, max_epochs=recipe.epochs),
            optim_wrapper=make_optim_wrapper(optimizer, recipe, options.sharded),
            default_hooks=dict(sampler_seed=None, param_scheduler=None, checkpoint=None),
            custom_hooks=[Epochs(recipe, options.selection, kept, steps, measure), steps],
            launcher="pytorch" if get_world() > 1 else "none",
            visualizer=make_log_settings(options.trackers),
            env_cfg=dict(part=part),
        )
        try:
            runner.train()
        except BaseException:
            runner.visualizer.close()  # as mmengine does at the end
            raise
    return replica.to(device), runner.visualizer.problems


def report_selected(trainable: Trainable, job: Job) -> dict[str, Any]:
    """Load the weights of the selected epoch, test them, and return the result of the run."""
    history: list[dict[str, Any]] = job.kept.read("history")
    load_weights(trainable.model, read_state_dict(job.kept.weights))
    passes, test = job.recipe.passes(len(job.split.train)), job.split.test
    progress = make_image_progress(job.progress, "test", len(history) * passes, job.recipe.epochs * passes)
    scores = predict(
        trainable.scorer, job.data, test, crops=job.recipe.test_crops, images=job.images, progress=progress
    )
    selected = next(epoch for epoch in history if epoch["selected"])
    return {
        "selection": job.options.selection,
        "epoch": selected["epoch"],
        "epochs": len(history),
        "validation": selected["validation"],
        **evaluate_scores(scores, job.data, test),
        "every_rule": compare_rules(history),
        "seconds": sum(epoch["seconds"] for epoch in history),
    }
