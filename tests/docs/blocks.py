"""The code blocks of the pages, and how each is run.

A comment before a block says why it is not run as it stands: ``<!-- test: MODE, REASON -->``, where the mode is

- ``small``: every command runs, with the options of ``SMALL`` added, so that it takes seconds;
- ``first``, ``last``: that command runs so; the others are of the same study and only planned, which checks their options;
- ``plan``: all are only planned; a study called from Python returns its published record;
- ``skip``: nothing here can run it; a test lists these.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if page.relative_to(DOCS).parts[0] not in ("generated", "_build")),
]
BLOCK = re.compile(r"(?:<!-- test: (\w+), (.*?) -->\n)?^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = ("python", "bash", "yaml")
NO_CODE = ("text",)  # output and drawings; what begins with { is a directive of Sphinx
MODES = ("run", "small", "first", "last", "plan", "skip")
RECORDS = {"compare": "livec_box", "ablate": "livec_box_ablate"}  # of studies that are only planned

# What makes a study small, as keywords; the options of a command are made of them.
SMALL_STUDY = dict(images=40, splits=2, epochs=1, validation_fraction=0.25, batch_size=16, jobs=1)
TINY_RECIPE = ["--recipe-set", "epochs=1", "batch_size=4", "crops=1", "test_crops=1", "warmup_epochs=0"]
TINY_VIT = ["--set", "dim=64", "backbone.name=test_vit", "interactions.*.num_heads=2", "interactions.2.hidden=32"]
SMALL = {
    "compare": ["--no-latency"],
    "swap": ["--draw", "4"],
    "scaling": ["--backbones", "test_resnet", "test_convnext"],
    "layer_probe": [],
    "train": ["--validation-fraction", "0.4", *TINY_RECIPE, *TINY_VIT],
    "get": ["--accept-licence"],
    "push": ["--data-licence", "CC0"],
    "serve": ["--port", "0"],
    "end_to_end": ["--backbone", "test_resnet", "--splits", "1", *TINY_RECIPE],
}


@dataclass(frozen=True)
class Block:
    """One block of a page: its language, how the test runs it, and why not as it stands."""

    language: str
    text: str
    mode: str
    reason: str


def read_blocks(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, textwrap.dedent(text), mode or "run", reason) for mode, reason, language, text in found]


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def split_commands(text: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words for words in lines if words]


def make_small(study: str | None, words: list[str]) -> list[str]:
    """Return the options that make a command small; of several values of one option the last counts."""
    if study is None:
        return (
            SMALL.get(words[1] if words[0] == "data" else words[0], [])
            if "--dry-run" not in words or words[0] == "push"
            else []
        )
    shared = [word for key, value in SMALL_STUDY.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    if "end-to-end" in words:
        shared = [
            word
            for key in ("images", "validation_fraction")
            for word in (f"--{key.replace('_', '-')}", str(SMALL_STUDY[key]))
        ]
        return [*shared, *SMALL["end_to_end"], *SMALL.get(study, [])]
    tuned = ["--tune", "2"] if "--tune" in words else []
    return [*shared, *SMALL.get(study, []), *tuned]
