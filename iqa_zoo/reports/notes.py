"""Notes below the tables of every study: the conditions that its numbers hold under."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iqa_zoo.data.views import LONGEST_SIDE
from iqa_zoo.reports.shared import HUMAN_LABELS
from iqa_zoo.reports.warnings import failed_notes, undefined_notes
from iqa_zoo.training.selection import RULES
from iqa_zoo.words import count_nouns

Results = dict[str, Any]


def list_protocol_notes(results: Results) -> list[str]:
    """Return the conditions of the numbers: the labels, the splits, the training."""
    data, recipe = results["data"], results["recipe"]
    grouped = f"by {data['contents']} contents" if data["contents"] < data["images"] else "by image"
    if pairs := len(data.get("look_alikes", ())):
        grouped += f" ({count_nouns(pairs, 'pair')} of images that look the same kept in one part)"
    notes = []
    if data["label"] not in HUMAN_LABELS:
        notes.append(f"LABELS ARE A {data['label'].upper().split(':')[0]}:{data['label'].partition(':')[2]}.")
    parts, splits = results["parts"], len(results["splits"])
    held = f"{parts['validation']} to validate, " if parts["validation"] else ""
    median = f"Median over {splits} random splits" if splits > 1 else "One random split"
    notes.append(
        f"{median} {grouped} of {data['images']} images: {parts['train']} to train, {held}"
        f"{parts['test']} to test; labels: {data['label'].split(':')[0]}."
    )
    if results["protocol"] == "frozen":
        notes.append(describe_frozen_training(results))
    else:
        backbone_lr = recipe["lr"] if recipe["backbone_lr"] is None else recipe["backbone_lr"]
        notes.append(
            f"Whole models trained from {results['weights']}; recipe {results['recipe_name']}: {recipe['epochs']} epochs, crops an image "
            f"and epoch: {recipe['crops']}, batch {recipe['batch_size']}, {recipe['optimizer']} {recipe['lr']:g} (backbone "
            f"{backbone_lr:g}), {recipe['precision']}; tested on {recipe['test_crops']} crops an image, the same for all.{describe_baseline(results)}"
        )
        if results.get("baseline_reads"):
            whose = "the first model's backbone" if results["backbone"] == "own" else "the same backbone and weights"
            notes.append(f"The baseline reads frozen features of {whose}; {describe_view(results)}.")
    notes += list_left_out_notes(results) + list_cache_notes(results)
    notes.append(f"Reported: {RULES[results['selection']]}.")
    runs = results.get("runs", [])
    return notes + failed_notes(runs) + undefined_notes(runs)


def describe_protocol(results: Mapping[str, Any]) -> str:
    """Describe data, splits and training in a sentence, for a caption; what a study does not have is left out.

    >>> data = {"name": "livec", "images": 1162, "contents": 1162, "label": "MOS"}
    >>> describe_protocol({"data": data, "splits": [1, 2], "parts": {"train": 930, "validation": 0, "test": 232}, "backbone": "resnet18"})
    'livec, 2 random splits by image: 930 to train, 232 to test; backbone resnet18.'
    """
    data, parts, backbone = results.get("data"), results.get("parts"), results.get("backbone")
    found = []
    if isinstance(data, Mapping):
        proxy = "" if data.get("label", "MOS").split(":")[0] in HUMAN_LABELS else ", proxy labels"
        place = f"{data['name']}{proxy}"
        if splits := len(results.get("splits", ())):
            by = "by content" if data["contents"] < data["images"] else "by image"
            place += f", {count_nouns(splits, 'random split')} {by}"
        if isinstance(parts, Mapping) and "train" in parts:
            held = f"{parts['validation']} to validate, " if parts.get("validation") else ""
            place += f": {parts['train']} to train, {held}{parts['test']} to test"
        found.append(place)
    if isinstance(backbone, str):
        trained = "trained end to end" if results.get("protocol") == "end-to-end" else ""
        frozen = "frozen " if results.get("protocol") == "frozen" else ""
        on = "each model on its own backbone" if backbone == "own" else f"{frozen}backbone {backbone}"
        found.append(", ".join(filter(None, [on, trained])))
    return "; ".join(found) + "." if found else ""


def describe_view(results: Mapping[str, Any]) -> str:
    """Describe what the features of an image are of.

    >>> describe_view({"view": "whole", "crops": 1}), describe_view({"crops": 4})
    ('whole images (long side at most 1024 pixels)', 'crops an image: 4')
    """
    whole = f"whole images (long side at most {LONGEST_SIDE} pixels)"
    if results.get("view") == "whole":
        return whole
    if results.get("view") == "auto":  # several backbones
        return f"{whole} of convolutional backbones, crops an image of others: {results['crops']}"
    return f"crops an image: {results['crops']}"


def describe_frozen_training(results: Results) -> str:
    """Return how decoders on frozen features were trained."""
    recipe = results["recipe"]
    tuned = ", before each was tuned (below)" if results.get("tuning") else ""
    return (
        f"Decoders on frozen {results['backbone']} features ({results['weights']}), {describe_view(results)}; "
        f"{recipe['epochs']} epochs, batch {recipe['batch_size']}, AdamW {recipe['lr']:g}, averaged weights, "
        f"{recipe.get('precision', 'float32')}, the same splits, seeds and steps for all{tuned}.{describe_baseline(results)}"
    )


def describe_baseline(results: Mapping[str, Any]) -> str:
    """Return how the baseline was fitted, a sentence with a space before it; empty where there is none.

    >>> describe_baseline({"baseline_reads": ["stage 3", "stage 4"]})
    ' The baseline is ridge regression in closed form on the means of stage 3 and stage 4, fitted to all images that are not test.'
    >>> describe_baseline({"baseline_lr": 0.01})
    ' The baseline, one linear layer, learns at 0.01.'
    """
    if read := results.get("baseline_reads"):
        means = ", ".join(read[:-1]) + (" and " if read[1:] else "") + read[-1]
        images = results.get("baseline_fitted_to", "all images that are not test")
        return f" The baseline is ridge regression in closed form on the means of {means}, fitted to {images}."
    if "baseline_lr" in results:  # of earlier versions
        return f" The baseline, one linear layer, learns at {results['baseline_lr']:g}."
    return ""


def list_cache_notes(results: Results) -> list[str]:
    """Return what of a study comes from the cache or from finished runs, and how many images were enlarged.

    >>> list_cache_notes({"from_cache": {"trainings": 12, "of": 20, "features": 1, "of_features": 1}})
    ['12 of 20 trained before; features from the cache.']
    >>> list_cache_notes({"enlarged": {"photos": 3}})
    ["3 images of photos smaller than the backbone's input, enlarged (bicubic)."]
    """
    used = results.get("from_cache", {})
    found = []
    if used.get("trainings"):
        found.append(f"{used['trainings']} of {used['of']} trained before")
    if used.get("features"):
        some = f"{used['features']} of {used['of_features']} sets of " if used["features"] < used["of_features"] else ""
        found.append(f"{some}features from the cache")
    small = [
        f"{count_nouns(count, 'image')} of {name} smaller than the backbone's input, enlarged (bicubic)."
        for name, count in results.get("enlarged", {}).items()
    ]
    return (["; ".join(found) + "."] if found else []) + small


def list_left_out_notes(results: Results) -> list[str]:
    """Return the losses that decoders were trained without, where there are any.

    >>> list_left_out_notes({"losses_left_out": {"mine": ["mirror_consistency"]}})
    ["Frozen features hold no mirrored image; losses that read one are left out: mine's mirror_consistency."]
    """
    left_out = results.get("losses_left_out")  # older results have no such key
    if not left_out:
        return []
    found = "; ".join(f"{model}'s {', '.join(losses)}" for model, losses in left_out.items())
    return [f"Frozen features hold no mirrored image; losses that read one are left out: {found}."]
