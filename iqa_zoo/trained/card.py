"""The card of a trained model as Markdown, and the picture of its behaviour: everything is in its description."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iqa_zoo.config_hash import config_hash
from iqa_zoo.reports.table import Table
from iqa_zoo.trained.battery import DISTORTIONS
from iqa_zoo.trained.entry import TrainedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE_MOVE = 0.05  # of the score range: a change that should not matter and moves a score by more is named


def format_card(entry: TrainedModel, picture: str | None = None) -> str:
    """Format the card.

    Args:
        entry: the description.
        picture: path of the picture from the card; None for a card without one.
    """
    sections = [
        f"# {entry.name}",
        f"<!-- Written by model_cards/generate.py from iqa_zoo/trained/models/{entry.name}.json; make it anew with "
        "benchmarks/train_box.py. -->",
        _make_facts(entry).markdown(),
        "## How good it is",
        _make_quality(entry).markdown(),
        "## How it behaves",
        _make_distortions(entry).markdown(),
        *([f"![Scores under distortions of rising strength]({picture})"] if picture else []),
        _make_changes(entry).markdown(),
        "## Where it fails",
        "\n".join(f"- {line}" for line in list_failures(entry)),
        "## Licences",
        "\n".join(f"- {what}: {terms}" for what, terms in entry.licences.items()),
    ]
    return "\n\n".join(sections) + "\n"


def list_failures(entry: TrainedModel) -> list[str]:
    """List what the model does not do well, by its measurements."""
    low, high = entry.data.score_range
    half = entry.calibration.quantile
    lines = [
        f"The interval of a typical photograph is {2 * half:.0f} of {high - low:g} points wide: a difference of two photographs "
        f"that is below about {half:.0f} points means little."
    ]
    for name, share in entry.battery.ordered.items():
        if share < 1:
            lines.append(f"{name}: only {share:.0%} of the steps to a stronger distortion lower the quality.")
    for name, moves in entry.battery.changes.items():
        largest = max(np.abs(moves))
        if largest > LARGE_MOVE * (high - low):
            lines.append(f"{name}: the score of the same photograph moves by up to {largest:.1f} points.")
    lines.append(
        f"It knows the photographs of {entry.data.name} only: distortions, subjects and cameras that are not among them are "
        "out of its experience, and the flag for unlike images finds the far ones only."
    )
    return lines


def draw_battery(entry: TrainedModel) -> Figure:
    """Draw the score against the strength of each distortion: thin lines for photographs, a thick one for their mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 * len(DISTORTIONS), 2.4), layout="constrained")
    axes = figure.subplots(1, len(DISTORTIONS), sharey=True)
    for axis, (name, rows) in zip(axes, entry.battery.scores.items(), strict=True):
        scores_PS = np.array(rows)
        axis.plot(scores_PS.T, color="0.7", linewidth=1)
        axis.plot(scores_PS.mean(0), color="C0", linewidth=2, marker="o", markersize=3)
        axis.set_title(name, fontsize=9)
        axis.set_xticks(range(scores_PS.shape[1]), ["none", *map(str, range(1, scores_PS.shape[1]))], fontsize=7)
        axis.tick_params(axis="y", labelsize=7)
    axes[0].set_ylabel(f"score ({entry.data.label})", fontsize=8)
    return figure


def _make_facts(entry: TrainedModel) -> Table:
    low, high = entry.data.score_range
    better = "higher" if entry.data.higher_is_better else "lower"
    backbone = entry.config["backbone"]
    separate = f", its weights in a package of their own (SHA-256 {entry.backbone_sha256[:12]})"
    rows = {
        "trained on": f"{entry.data.name}, {entry.measured.images:,} images",
        "scores": f"{entry.data.label}, {low:g} to {high:g}, {better} is better",
        "backbone": f"{backbone.get('name', backbone['type'])}{separate if entry.backbone_sha256 else ''}",
        "config": config_hash(entry.config),
        "file": f"{entry.file}, {entry.bytes / 1e6:.2f} MB, SHA-256 {entry.sha256[:12]}",
        "time an image": f"{entry.milliseconds:.0f} ms ({entry.speed_of})",
        "recipe": ", ".join(f"{key} {value}" for key, value in entry.recipe.items()) + f", seed {entry.seed}",
        "written by": f"iqa_zoo {entry.version}",
    }
    return Table("What it is", ["", "value"], [list(row) for row in rows.items()], left=["", "value"])


def _make_quality(entry: TrainedModel) -> Table:
    measured = entry.measured
    rows = [
        [name, f"{estimate.mean:.3f}", f"{estimate.low:.3f} to {estimate.high:.3f}", f"{median:.3f}"]
        for name, estimate, median in (
            ("SROCC", measured.srocc, measured.srocc_median),
            ("PLCC", measured.plcc, measured.plcc_median),
        )
    ]
    notes = [
        f"{measured.splits} random splits; each time a model of the same recipe is trained on {1 - measured.test_share:.0%} of the images "
        f"and tested on the others. Intervals: 95 %, corrected t.",
        f"Intervals of scores state {entry.calibration.coverage:.0%} coverage; {measured.coverage:.1%} of held-out ratings are inside.",
    ]
    return Table("On held-out images", ["", "mean", "interval", "median"], rows, notes, left=[""])


def _make_distortions(entry: TrainedModel) -> Table:
    rows = []
    for name, scores in entry.battery.scores.items():
        means = np.mean(scores, axis=0)
        strengths = ", ".join(f"{strength:g}" for strength in DISTORTIONS[name][1])
        rows.append([name, strengths, *(f"{mean:.1f}" for mean in means), f"{entry.battery.ordered[name]:.0%}"])
    columns = ["distortion", "strengths", "none", *map(str, range(1, 6)), "steps in order"]
    notes = [
        f"Mean score of {', '.join(entry.battery.photographs)} (scikit-image). Strengths: deviation of the blur in pixels, of the noise "
        "in levels, JPEG quality, factor of the levels, factor of the sides (and enlarged again)."
    ]
    return Table("Distortions of rising strength", columns, rows, notes, left=["distortion", "strengths"])


def _make_changes(entry: TrainedModel) -> Table:
    rows = [
        [name, f"{np.abs(moves).mean():.1f}", f"{np.abs(moves).max():.1f}"]
        for name, moves in entry.battery.changes.items()
    ]
    notes = ["Points by which the scores of the same photographs move."]
    return Table("Changes that should matter little", ["change", "mean", "largest"], rows, notes, left=["change"])
