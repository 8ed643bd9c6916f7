"""Statements that a reader can check: which weights a number rests on, and what a verdict says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from iqa_zoo.reports.shared import format_verdict
from iqa_zoo.studies.compare.report import make_sentences
from iqa_zoo.studies.spec import BackboneSpec
from iqa_zoo.studies.weights import describe_weights

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("model_cards/*.md"), *RESULTS.glob("*.md"), *ROOT.glob("plugins/*/*.md")],
    key=str,
)
FILE = re.compile(r"[\w.-]+\.safetensors")


def described_weights() -> dict[str, str]:
    """The rows of the table of weights, by file name."""
    rows = re.findall(r"^\| `([^`]+)` \|(.*)$", (RESULTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    return dict(rows)


@pytest.mark.slow
def test_every_file_of_weights_that_was_measured_is_described_with_its_hash_and_licence():
    described = described_weights()
    named = {name for path in RESULTS.glob("*.json") for name in FILE.findall(path.read_text(encoding="utf-8"))}
    measured = {name for name in named if ".fp16." in name}  # others are words of a command
    assert measured
    assert measured <= described.keys()
    for row in described.values():
        assert re.search(r"`[0-9a-f]{64}`", row)
        assert "not distributed with this package" in row


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_that_names_measured_weights_says_where_they_are_described(page):
    text = page.read_text(encoding="utf-8")
    if page.parent == RESULTS or not any(name in text for name in described_weights()):
        return  # the records lie beside the description
    assert "benchmarks/results/README.md" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_calls_what_is_undecided_a_tie(page):
    words = re.findall(r"\b(?:ties?|tied)\b", page.read_text(encoding="utf-8"), re.IGNORECASE)
    assert not words


@pytest.mark.parametrize("folder", ["iqa_zoo", "benchmarks", "plugins"])
def test_no_code_calls_what_is_undecided_a_tie(folder):
    """Ties of ranks and of scores remain."""
    words = re.compile(r"""\b(?:a tie|tied|is_tie)\b|["']tie["']|\bties? (?:against|with)\b""", re.IGNORECASE)
    texts = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py"))}
    found = [f"{path.name}: {line}" for path, text in texts.items() for line in text.splitlines() if words.search(line)]
    assert [
        line for line in found if not line.startswith("results.py")
    ] == []  # which reads results of earlier versions


def test_an_interval_that_contains_0_is_undecided_however_far_it_leans():
    pair = dict(
        first="a", second="b", mean=-0.12, low=-0.315, high=0.075, wins=0, splits=5, p=0.06, verdict="undecided",
        needed="about 12 splits",
    )  # fmt: skip
    assert format_verdict(pair) == "undecided"
    assert make_sentences({"differences": [pair], "baseline": None}) == [
        "a and b: undecided, mean SROCC difference -0.120 [-0.315, +0.075], a ahead in 0 of 5 splits; about 12 splits would "
        "decide, if mean and spread stay as they are."
    ]


def test_a_table_names_the_hash_of_the_weights_that_it_rests_on(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"weights")
    assert describe_weights(BackboneSpec("resnet18", file), 0) == "weights from mine.safetensors (SHA-256 9a129038d9a0)"
