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
RECORD = re.compile(r"benchmarks/results/([\w-]+\.\w+)")
FILE = re.compile(r"[\w.-]+\.(?:safetensors|pth|pt|bin|ckpt)\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_record_that_a_page_names_exists(page):
    named = set(RECORD.findall(page.read_text(encoding="utf-8")))
    assert {name for name in named if not (RESULTS / name).is_file()} == set()


def list_described_files() -> set[str]:
    """The files of weights that the README of the records describes: a line with name, hash and address."""
    lines = (RESULTS / "README.md").read_text(encoding="utf-8").splitlines()
    full = [line for line in lines if re.search(r"`[0-9a-f]{64}`", line) and "https://" in line]
    return {name for line in full for name in FILE.findall(line)}


@pytest.mark.slow
def test_everybody_can_get_the_weights_of_every_record():
    """Weights of a package, random ones and none need no file."""
    described = list_described_files()
    records = sorted(RESULTS.glob("*.json"))
    assert records
    named = {path.name: set(FILE.findall(path.read_text(encoding="utf-8"))) - described for path in records}
    assert {name: files for name, files in named.items() if files} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_calls_what_is_undecided_a_tie(page):
    words = re.findall(r"\b(?:ties?|tied)\b", page.read_text(encoding="utf-8"), re.IGNORECASE)
    assert not words


@pytest.mark.slow
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
