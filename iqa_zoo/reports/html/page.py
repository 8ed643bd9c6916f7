"""A page, written as one HTML file with style, script, figures and images inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iqa_zoo.outputs import write_bytes
from iqa_zoo.reports.html.figures import Drawing
from iqa_zoo.reports.html.gallery import Gallery
from iqa_zoo.reports.html.protocol import ConfigText
from iqa_zoo.reports.html.tables import MOST_ROWS, parse_number
from iqa_zoo.reports.table import Table


@dataclass(frozen=True)
class Page:
    """The contents of a report.

    Args:
        title: study and dataset.
        verdict: the result in one sentence.
        sentences: further results.
        warnings: caveats shown first, such as proxy labels and missing parts.
        tables, drawings: tables and figures in order.
        galleries: single images, one gallery per dataset.
        explain: figures of ``iqa-zoo explain`` as (data URI, alternative text).
        conditions: (name, value).
        configs: configs of the models.
        configs_note: says if configs are left out.
        command: the command that reproduces the results.
        text: kept text output, shown if the results cannot be read.
    """

    title: str
    verdict: str
    sentences: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    drawings: Sequence[Drawing] = ()
    galleries: Sequence[Gallery] = ()
    explain: Sequence[tuple[str, str]] = ()
    conditions: Sequence[tuple[str, str]] = ()
    configs: Sequence[ConfigText] = ()
    configs_note: str = ""
    command: str = ""
    text: str = ""


def render(page: Page) -> str:
    """Render the page as HTML.

    >>> "<h1>a &lt;b&gt;</h1>" in render(Page("a <b>", "Undecided."))
    True
    """
    folder = files("iqa_zoo.reports.html") / "templates"
    environment = Environment(
        loader=PackageLoader("iqa_zoo.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parse_number"] = parse_number
    environment.globals["most_rows"] = MOST_ROWS
    return environment.get_template("report.html.jinja").render(
        page=page,
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),
        script=Markup((folder / "report.js").read_text(encoding="utf-8")),
        points=Markup(format_script([gallery.points for gallery in page.galleries])),
    )


def format_script(value: object) -> str:
    """Format JSON for a script element, so that no text in it ends the element.

    >>> format_script(["</script>"])
    '["\\\\u003c/script>"]'
    """
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def write_page(page: Page, path: Path) -> int:
    """Write the page and return its size in bytes.

    Raises:
        InputError: the file cannot be written.
    """
    content = render(page).encode("utf-8", "backslashreplace")
    write_bytes(path, content)
    return len(content)
