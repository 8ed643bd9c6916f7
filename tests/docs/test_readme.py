"""README and docs/start/compare.md say what the code and the records say, and README stays short."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.fixture(scope="module")
def readme():
    """The module that writes the blocks, as it is run."""
    import importlib.util

    sys.path.insert(0, str(ROOT / "docs"))
    spec = importlib.util.spec_from_file_location("docs_readme", ROOT / "docs" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_blocks_are_what_the_records_say(readme):
    for page in readme.BLOCKS:
        assert readme.fill_page(page) == page.read_text(encoding="utf-8"), f"{page}: run python docs/readme.py"


def test_a_number_that_was_changed_by_hand_is_noticed(readme, tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    changed = README.read_text(encoding="utf-8").replace("0.048 SROCC", "0.058 SROCC")
    page.write_text(changed, encoding="utf-8")
    monkeypatch.setitem(readme.BLOCKS, page, readme.BLOCKS[readme.README])
    assert readme.fill_page(page) != changed


def test_a_verdict_that_changes_stops_the_sentence_around_it(readme):
    from pages.findings import find_pair

    with pytest.raises(ValueError, match="is ahead, not undecided; write its sentence again"):
        find_pair("livec_box", "lifeiqa", "deiqt", "undecided")


def test_the_readme_has_no_number_outside_what_is_generated_or_checked(readme):
    """Numbers by hand: facts of the data set and of the protocol, which the record holds too."""
    text = README.read_text(encoding="utf-8")
    for mark in readme.BLOCKS[README]:
        text = re.sub(rf"<!-- {mark} -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->", "", text, flags=re.DOTALL)
    record = readme.load_record("livec_box").values
    allowed = {
        f"{record['data']['images']:,}",
        f"{record['margin']:g}",
        "95",  # of the intervals in the picture
        "90",  # of the intervals of scores: the calibration of the model
        "3.11",  # of Python
        "1e-5",  # of tests/released
        "2.0",  # of the licence
    }
    assert set(re.findall(r"(?<![\w.-])\d[\d,.]*(?:e-\d+)?(?<![,.])", text)) <= allowed


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    assert len(text.encode()) < 6500
    for target in LINK.findall(text):
        assert (ROOT / target).exists(), target
    assert text.index("livec_box_differences.svg") < 600  # the picture comes first


@pytest.mark.parametrize("page", ["README.md", "docs/start/compare.md"])
def test_two_minutes_are_what_the_record_took(readme, page):
    assert "two minutes" in (ROOT / page).read_text(encoding="utf-8")
    assert 60 < readme.load_record("livec_box").values["seconds"] <= 150
