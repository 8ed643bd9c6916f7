"""A page and the one file made of it: style, script, figures and images lie inside."""

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
from iqa_zoo.reports.html.tables import TableView


@dataclass(frozen=True)
class Page:
    """What a report says.

    Args:
        title: what was studied, on what.
        verdict: what came out, in one sentence.
        sentences: what else is to be said in words.
        warnings: what a reader must know first: labels that are a proxy, parts that are missing.
        tables: in order.
        drawings: figures.
        galleries: single images, a dataset each.
        explain: pictures of what happens inside a model, as (data URI, alternative text).
        conditions: (what, how).
        configs: of the models.
        configs_note: where some are left out.
        command: that makes the results again.
        text: kept output in the place of what cannot be read.
    """

    title: str
    verdict: str
    sentences: Sequence[str] = ()
    warnings: Sequence[str] = ()
    tables: Sequence[TableView] = ()
    drawings: Sequence[Drawing] = ()
    galleries: Sequence[Gallery] = ()
    explain: Sequence[tuple[str, str]] = ()
    conditions: Sequence[tuple[str, str]] = ()
    configs: Sequence[ConfigText] = ()
    configs_note: str = ""
    command: str = ""
    text: str = ""


def render(page: Page) -> str:
    """The page as HTML.

    >>> "<h1>a &lt;b&gt;</h1>" in render(Page("a <b>", "A tie."))
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
    return environment.get_template("report.html.jinja").render(
        page=page,
        style=Markup((folder / "report.css").read_text(encoding="utf-8")),
        script=Markup((folder / "report.js").read_text(encoding="utf-8")),
        points=Markup(as_script([gallery.points for gallery in page.galleries])),
    )


def as_script(value: object) -> str:
    """JSON that can stand in a script element: no text of it ends the element.

    >>> as_script(["</script>"])
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
