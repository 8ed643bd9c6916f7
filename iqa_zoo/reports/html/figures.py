"""Matplotlib figures as inline SVG with alternative text."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Drawing:
    """An SVG element with its alternative text; ``width`` is its natural width in CSS pixels."""

    name: str
    svg: Markup
    alt: str
    width: int


def embed_figure(name: str, figure: Figure) -> Drawing:
    """Render a figure as one SVG element with unique ids.

    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> _ = figure.subplots().set(title="Speed", xlabel="images", ylabel="s")
    >>> drawn = embed_figure("speed", figure)
    >>> str(drawn.svg[:4]), drawn.alt
    ('<svg', 'Plot: Speed. Horizontal axis: images. Vertical axis: s.')
    """
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\1{re.sub(r'[^a-zA-Z0-9]', '-', name)}-", svg)
    svg = re.sub(r'^<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'^<svg ([^>]*?)height="[^"]*"', r'<svg aria-hidden="true" \1', svg, count=1, flags=re.DOTALL)
    return Drawing(name, Markup(svg), describe(figure), round(figure.get_figwidth() * 96))


def describe(figure: Figure) -> str:
    """Describe a figure by its titles, axes and legends."""
    parts: list[str] = []
    heading = figure.get_suptitle()
    parts += [f"Plot: {heading}"] if heading else []
    for axes in figure.axes:
        if not axes.get_visible() or axes.get_label() == "<colorbar>":
            continue
        title = axes.get_title(loc="left") or axes.get_title()
        parts += [f"Plot: {title}"] if title else []
        parts += [f"Horizontal axis: {axes.get_xlabel()}"] if axes.get_xlabel() else []
        parts += [f"Vertical axis: {axes.get_ylabel()}"] if axes.get_ylabel() else []
        legend = axes.get_legend()
        if legend:
            parts.append("Series: " + ", ".join(each.get_text() for each in legend.get_texts()))
    return " ".join(f"{' '.join(part.split())}." for part in parts) or "Plot."
