"""What ``iqa-zoo train`` prints for a reader: the result of a training, or the plan of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iqa_zoo.commands.metrics_text import make_metrics_table
from iqa_zoo.commands.progress import format_duration
from iqa_zoo.commands.shared import console, make_table
from iqa_zoo.training.selection import RULES

PEEKS = "peeks at the test part"


def print_training(result: Mapping[str, Any], folder: Path) -> None:
    """Print the result of a training in a folder."""
    rule = result["selection"]
    label = f", which {PEEKS}" if rule == "test-oracle" else ""
    print(f"epoch {result['epoch']} of {result['epochs']} is kept, by the rule {rule}{label}: {RULES[rule]}")
    columns = {f"test ({PEEKS})" if label else "test": result["metrics"]}
    if result["validation"]:
        columns["validation"] = result["validation"]
    console().print(make_metrics_table(columns))
    if result["every_rule"]:
        table = make_table("rule", "epoch", "test SROCC", "test PLCC", "")
        for other, reported in result["every_rule"].items():
            numbers = [f"{reported[metric]:.4f}" for metric in ("srocc", "plcc")]
            table.add_row(other, str(reported["epoch"]), *numbers, PEEKS if other == "test-oracle" else "")
        print("What every rule would have reported:")
        console().print(table)
    else:
        print("What the other rules would have reported was not measured: that takes --peek.")
    if enlarged := result.get("enlarged"):
        print(f"{len(enlarged)} images were smaller than the model's input and were enlarged.")
    for problem in result.get("log_problems", ()):
        print(f"Of the log: {problem}")
    print(f"{format_duration(result['seconds'])}; weights, predictions and history are in {folder}")


def print_plan(plan: Mapping[str, Any]) -> None:
    """Print what a training would do and cost."""
    images = plan["images"]
    frozen = plan["parameters"] - plan["trainable"]
    default = " (the default)" if plan["recipe_is_default"] else ""
    steps = f"{plan['epochs']} epochs of {plan['steps_an_epoch']} steps, {plan['steps']} steps in all"
    crops = f"{plan['crops_a_step']} crops of {plan['image_size']}x{plan['image_size']} pixels"
    lines = {
        "model": f"{plan['model']} ({plan['model_hash']})",
        "parameters": f"{plan['trainable']:,} trainable, {frozen:,} frozen",
        "recipe": f"{plan['recipe']}{default}: {plan['recipe_values']['summary']}",
        "data": f"{plan['dataset']}, split {plan['split']}: {images['train']} images train, {images['validation']} "
        f"validate, {images['test']} test",
        "training": f"{steps}, each of {crops}, {plan['crops_an_image']} an image and epoch"
        + (f"; {plan['enlarged']} smaller images are enlarged" if plan["enlarged"] else ""),
        "disk": f"{_format_megabytes(plan['checkpoint_bytes'])} a checkpoint (one is kept, two while the next is written) and "
        f"{_format_megabytes(plan['weights_bytes'])} of weights",
        "time": f"about {format_duration(plan['seconds'])} on {plan['device']}, from one timed step; reading images and other "
        "processes not counted",
    }
    for key, line in lines.items():
        print(f"{key + ':':12}{line}")
    print("Nothing was trained and nothing was written.")


def _format_megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
