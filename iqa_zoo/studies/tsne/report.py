"""Table, sentences and picture of how images group in the features of a backbone, made from the results alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iqa_zoo.reports.notes import list_cache_notes
from iqa_zoo.reports.shared import format_data_name
from iqa_zoo.reports.table import Table, tabulate
from iqa_zoo.stats.separability import FOLDS, NEIGHBOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = dict[str, Any]


def make_tables(results: Results) -> list[Table]:
    """How well the classes separate in each level."""
    views = "the whole image" if results.get("view") == "whole" else f"the image and {results['crops']} crops"
    notes = [
        f"{results['weights']}; mean over {views}, channels standardised; {results['data']['images']} images.",
        "silhouette: -1 to 1, 0 where classes overlap. "
        f"k-NN: share of images whose {NEIGHBOURS} nearest neighbours of other contents name its class ({FOLDS} folds); chance: "
        "always the largest class. Both of the features themselves, not of the layout.",
        *list_cache_notes(results),
    ]
    classes = "distortions" if results["by"] == "distortion" else "thirds of the quality range"
    cells = {
        "level": lambda level: level["level"],
        "channels": lambda level: str(level["channels"]),
        "silhouette": lambda level: f"{level['silhouette']:+.3f}",
        "k-NN accuracy": lambda level: f"{level['accuracy']:.3f}",
        "chance": lambda level: f"{level['chance']:.3f}",
    }
    title = f"How {classes} separate in {results['backbone']}: {_data(results)}"
    return [tabulate(title, results["levels"], cells, notes, left=["level"])]


def _data(results: Results) -> str:
    return format_data_name(results["data"]) if results["by"] == "quality" else str(results["data"]["name"])


def make_sentences(results: Results) -> list[str]:
    """The level where the classes separate best, by each measure."""
    lines = []
    for key, name in (("accuracy", "k-NN accuracy"), ("silhouette", "silhouette")):
        best = max(results["levels"], key=lambda level: level[key])
        lines.append(f"{results['by'].capitalize()} separates best at {best['level']} by {name} ({best[key]:.3f}).")
    if results["weights"].startswith("random weights"):
        lines.append("RANDOM WEIGHTS: a control, not a result.")
    return lines


def make_figures(results: Results) -> dict[str, Figure]:
    """The layout of each level; by quality the colour is the label itself."""
    from iqa_zoo.reports.plots import plot_layouts

    titles = [
        f"{level['level']}: silhouette {level['silhouette']:+.2f}, k-NN {level['accuracy']:.2f} "
        f"(chance {level['chance']:.2f})"
        for level in results["levels"]
    ]
    points = dict(zip(titles, (level["layout"] for level in results["levels"]), strict=True))
    colours: Any = results["classes"] if results["by"] == "distortion" else list(results["data"]["mos"].values())
    random = ", RANDOM WEIGHTS" if results["weights"].startswith("random weights") else ""
    title = f"t-SNE of {results['backbone']}{random}: {_data(results)}, {results['data']['images']} images"
    return {"tsne": plot_layouts(points, colours, title=title, label=results["data"]["label"])}
