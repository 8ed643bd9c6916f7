"""Write the pages of the documentation that are made from the code, the records and the cards.

Sphinx calls :func:`write_pages` at the start of a build; ``python docs/generate.py FOLDER`` writes the same pages by hand.
Pages are written only where they changed, so that a second build is fast.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pages.copies import list_cards, list_documents, list_pictures
from pages.findings import list_includes
from pages.reference import list_reference
from pages.results import list_figures, list_records


def write_pages(folder: Path) -> list[Path]:
    """Write every generated page and picture into a folder, remove pages that are no longer made, and return what is there."""
    pages = {**list_reference(), **list_records(), **list_cards(), **list_documents(), **list_includes()}
    contents: dict[str, bytes] = {name: text.encode() for name, text in pages.items()}
    contents |= {**list_pictures(), **list_figures()}
    for name, content in contents.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    kept = {folder / name for name in contents}
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()
    return sorted(kept)


if __name__ == "__main__":
    print("\n".join(str(path) for path in write_pages(Path(sys.argv[1]))))
