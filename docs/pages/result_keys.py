"""What each key of a result means. A key without a line here stops the build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COMPARE_KEYS = {
    "study": "registered name of the study",
    "schema": "version of this schema",
    "command": "the command line, or the Python call",
    "spec": "every setting of the study",
    "versions": "of iqa_zoo, Python and the libraries that compute",
    "source": "hash of the code that computes",
    "threads": "of the process",
    "protocol": "`frozen` or `end-to-end`",
    "recipe": "how the models were trained",
    "baseline": "name of the baseline",
    "baseline_reads": "the stages that the baseline reads",
    "compared": "names of the compared models",
    "backbone": "the backbone of all decoders",
    "weights": "of the backbone, with their hash",
    "match": "what decoders were matched by: `params`, `macs` or `none`",
    "target": "whose size was the target",
    "matched": "each model as it was compared: config, budget, and what was moved to match it",
    "published": "each model as published: backbone, budget, latency, published SROCC and PLCC",
    "published_on": "the dataset of the published numbers",
    "published_only": "systems that have published numbers and no model",
    "data": "the dataset: name, images, scale, direction, hashes of images and labels",
    "selection": "rule that chose the reported epoch",
    "margin": "SROCC differences below it count as equivalent",
    "parts": "images to train, validate and test in a split",
    "splits": "ids of the splits",
    "view": "`whole` images or `crops`",
    "crops": "crops per image",
    "losses_left_out": "losses that the protocol cannot compute, by model",
    "runs": "one entry per training, see below",
    "leaks": "images of `--test` that are also in the data",
    "raters": "what the deviation and number of ratings say about each model",
    "summary": "medians and quartiles of each metric, by model",
    "rules": "what each selection rule would have reported, by model",
    "differences": "one entry per pair of models, see below",
    "from_cache": "how many trainings and features were read from the cache",
    "enlarged": "images smaller than the input that were enlarged",
    "features": "identity of the cached features",
    "seconds": "how long the study took",
}

RUN_KEYS = {
    "model": "name of the model",
    "config": "hash of its config",
    "split": "id of the split",
    "seed": "of the training",
    "srocc": "Spearman's rank correlation on the test part",
    "krocc": "Kendall's rank correlation",
    "plcc": "Pearson's correlation",
    "plcc_logistic4": "Pearson's correlation after a logistic fit with four parameters",
    "rmse": "root mean squared error, on the scale of the labels",
    "rmse_logistic4": "the same after the logistic fit",
    "predictions": "the score of each test image, by name",
    "test_sets": "the same metrics on each dataset of `--test`",
    "epoch": "the reported epoch",
    "epochs": "epochs trained",
    "last_loss": "mean loss of the last epoch",
    "every_rule": "metrics and epoch under each selection rule",
    "seconds": "how long the training took",
    "resumed": "whether it was read from the cache",
}

DIFFERENCE_KEYS = {
    "first": "name of the first model",
    "second": "name of the second model",
    "mean": "mean SROCC difference, first minus second",
    "low": "lower end of the interval, adjusted for the number of pairs",
    "high": "upper end of the interval",
    "p": "p value of the same test, adjusted",
    "count": "differences that the mean is of",
    "confidence": "of the interval",
    "se": "standard error of the mean",
    "method": "how the standard error was computed",
    "margin": "SROCC differences below it count as equivalent",
    "p_ahead": "probability that the difference is above the margin",
    "p_within": "probability that it is within the margin",
    "p_behind": "probability that it is below minus the margin",
    "pairs": "comparisons that the interval, p and verdict are adjusted for",
    "needed": "what would decide an undecided pair",
    "verdict": "`ahead`, `behind`, `equivalent` or `undecided`",
    "wins": "splits in which the first model is better",
    "losses": "splits in which the second model is better",
    "splits": "number of splits",
    "undefined": "splits without a defined SROCC",
    "why": "why the difference is undefined",
}


def list_keys(held: Mapping[str, Any], meanings: Mapping[str, str]) -> list[list[str]]:
    """Return a row (key, type, meaning) for every key that a record holds.

    Raises:
        KeyError: a key has no meaning here, or a meaning has no key.
    """
    if set(held) != set(meanings):
        raise KeyError(f"docs/pages/result_keys.py and the record differ in {sorted(set(held) ^ set(meanings))}")
    names = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "list", "dict": "object"}
    return [[f"`{key}`", names[type(value).__name__], meanings[key]] for key, value in held.items()]
