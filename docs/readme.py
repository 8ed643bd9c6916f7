"""Write the generated blocks of README.md and of docs/start/compare.md, or check them.

python docs/readme.py            # write
python docs/readme.py --check    # exit 1 where a block is not what the code and the records say
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from pages.findings import make_answer, make_findings  # noqa: E402
from pages.reference import list_own  # noqa: E402
from pages.results import load_record  # noqa: E402

from iqa_zoo.registry import DATASETS, MODELS, SLOTS, STUDIES  # noqa: E402
from iqa_zoo.training.recipe import list_recipes  # noqa: E402

README = HERE.parent / "README.md"
COMPARE = HERE / "start" / "compare.md"
SHOWN = ("(c)", "Paired differences")  # the tables of the first command


def make_first_command() -> str:
    """Return the tables and the sentences of the first command, as it prints them in Markdown."""
    result = load_record("livec_box")
    tables = [table.markdown() for table in result.tables() if table.title.startswith(SHOWN)]
    return "\n\n".join([*tables, *result.sentences()])


def make_parts() -> str:
    """Return the table of what is inside, from the registry."""
    rows = {f"`{slot}`": list_own(registry) for slot, registry in SLOTS.items()}
    rows |= {"models": list_own(MODELS), "data sets": list_own(DATASETS)}
    rows |= {"studies": [name.replace("_", "-") for name in list_own(STUDIES)], "recipes": list_recipes()}
    lines = ["| slot | names |", "| --- | --- |"]
    return "\n".join(
        [*lines, *(f"| {key} | {', '.join(f'`{name}`' for name in names)} |" for key, names in rows.items())]
    )


BLOCKS = {
    README: {
        "answer": make_answer,
        "parts": make_parts,
        "findings": lambda: "\n".join(f"{i}. {finding}" for i, finding in enumerate(make_findings(), 1)),
    },
    COMPARE: {"first command": make_first_command},
}


def fill_page(page: Path) -> str:
    """Return the text of a page with its blocks as they should be.

    Raises:
        ValueError: a block is not there exactly once.
    """
    text = page.read_text(encoding="utf-8")
    for mark, make in BLOCKS[page].items():
        pattern = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
        content = make()
        text, found = pattern.subn(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)
        if found != 1:
            raise ValueError(f"{page.name} has {found} blocks <!-- {mark} -->, not one")
    return text


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for page in BLOCKS:
        text = fill_page(page)
        if text != page.read_text(encoding="utf-8"):
            stale.append(page.name)
            if not check:
                page.write_text(text, encoding="utf-8")
    if stale and check:
        print(f"out of date: {', '.join(stale)}; run python docs/readme.py", file=sys.stderr)
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
