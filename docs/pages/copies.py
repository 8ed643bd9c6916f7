"""Pages that are files of the repository: model cards, CONTRIBUTING, the changelog, the guide to plugins."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARDS = ROOT / "model_cards"
DOCUMENTS = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md", "plugins": "plugins/README.md"}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")

# A link of the repository -> the page of the documentation that it becomes, from generated/.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "plugins/README.md": "plugins.md",
    "README.md": "../index.md",
    "CHANGELOG.md": "changelog.md",
}


def list_documents() -> dict[str, str]:
    """Return the pages of the files at the root of the repository."""
    return {f"{page}.md": move_links(ROOT / file) for page, file in DOCUMENTS.items()}


def list_cards() -> dict[str, str]:
    """Return a page for each model card, and the list of them."""
    pages = {f"model_cards/{path.stem}.md": path.read_text(encoding="utf-8") for path in sorted(CARDS.glob("*.md"))}
    names = [Path(name).stem for name in pages]
    index = [
        "# Model cards",
        "Each card gives what a model computes, its budget, its published and measured results, the decisions behind it and its "
        "licences. Budgets and results are written by a program and checked by a test.",
        "**Trained models** (`iqa-zoo score --run NAME`)",
        format_toctree([name for name in names if "." in name]),
        "**Architectures** (`iqa-zoo config NAME`)",
        format_toctree([name for name in names if "." not in name]),
    ]
    return {**pages, "model_cards/index.md": "\n\n".join(index) + "\n"}


def list_pictures() -> dict[str, bytes]:
    return {f"model_cards/pictures/{path.name}": path.read_bytes() for path in sorted((CARDS / "pictures").iterdir())}


def format_toctree(names: list[str]) -> str:
    return "\n".join(["```{toctree}", ":maxdepth: 1", "", *names, "```"])


def move_links(file: Path) -> str:
    """Return the text of a file with links that hold from generated/; what has no page there is plain text."""

    def move(found: re.Match[str]) -> str:
        text, target = found.groups()
        if target.startswith(("http://", "https://", "#")):
            return found[0]
        path, _, anchor = target.partition("#")
        held = (file.parent / path).resolve().relative_to(ROOT).as_posix()
        if held.startswith("model_cards/"):
            return f"[{text}]({held})"
        if held in PAGES:
            return f"[{text}]({PAGES[held]}{'#' + anchor if anchor else ''})"
        return text if text.startswith("`") else f"{text}"

    return LINK.sub(move, file.read_text(encoding="utf-8"))
