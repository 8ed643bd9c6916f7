"""What a tuning did and what it was worth, for the results of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from iqa_zoo.stats.summary import summarize_values
from iqa_zoo.studies.protocol import compute_parts_ratio
from iqa_zoo.studies.runner import Record
from iqa_zoo.studies.summaries import compute_differences
from iqa_zoo.studies.tuning.plan import TuningPlan
from iqa_zoo.studies.tuning.search import Trial, Tuned

KEPT = ("model", "split", "srocc", "plcc", "epoch", "error")  # of a record with the default recipe


def summarize_tuning(plan: TuningPlan, default: Sequence[Record], tuned: Tuned) -> dict[str, Any]:
    """Return the design, the trials and choices of every decoder, what tuning was worth, and the results without it.

    Args:
        plan: the trials.
        default: records of the study with the default recipe.
        tuned: what the tuning found.
    """
    chosen: dict[str, list[Record]] = {model: [] for model in plan.models}
    for i, training in enumerate(tuned.trainings):
        if training.model in chosen:
            split = len(chosen[training.model])
            chosen[training.model].append(_describe_choice(plan, tuned, i, plan.find_inner(split)))
    margin, ratio = plan.runner.spec.statistics.margin, compute_parts_ratio(plan.splits[0])
    good = [record for record in default if "error" not in record]
    labelled = [{**record, "model": f"{record['model']} tuned"} for record in tuned.records if "error" not in record]
    pairs = [(f"{model} tuned", model) for model in plan.models]
    return {
        **plan.describe(),
        "models": {
            model: {
                "dropout_keys": dict(plan.dropout[model]),
                "trials": [
                    {"split": plan.splits[trial.split].id, "trial": trial.number, "share": trial.share, **score}
                    for trial, score in tuned.scores.items()
                    if trial.model == model
                ],
                "chosen": chosen[model],
            }
            for model in plan.models
        },
        "worth": compute_differences([*good, *labelled], ratio, plan.data, pairs, margin=margin),
        "default_summary": {
            model: asdict(summarize_values([record["srocc"] for record in good if record["model"] == model]))
            for model in dict.fromkeys(record["model"] for record in good)
        },
        "default_runs": [{key: record[key] for key in KEPT if key in record} for record in default],
        "default_differences": compute_differences(good, ratio, plan.data, margin=margin),
    }


def _describe_choice(plan: TuningPlan, tuned: Tuned, i: int, inner: int) -> Record:
    """Describe what was chosen for one training; ``dropout`` is None where layers keep several values, or there is none."""
    training, number = tuned.trainings[i], tuned.numbers[i]
    own = set(plan.dropout[training.model].values())
    dropout = plan.points[number - 1].dropout if number > 1 else (min(own) if len(own) == 1 else None)
    return {
        "split": training.split.id,
        "trial": number,
        "lr": training.recipe.lr,
        "weight_decay": training.recipe.weight_decay,
        "dropout": dropout if own else None,
        "epochs": training.recipe.epochs,
        "srocc": tuned.scores[Trial(training.model, inner, number)]["srocc"],
    }
