"""Tables as text."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from iqa_zoo.reports.table import Table, count


def test_markdown_keeps_a_bar_inside_a_cell():
    text = Table("T", ["model", "x"], [["a|b", "1"]]).markdown()
    assert text.splitlines()[-1] == "| a\\|b | 1 |"


def test_rich_shows_title_cells_and_notes():
    console = Console(file=io.StringIO(), width=80)
    console.print(Table("Title", ["model", "x"], [["a", "1"]], notes=["a note"]).rich())
    shown = console.file.getvalue()
    assert all(text in shown for text in ("Title", "model", "a note"))


@given(st.integers(0, 10**12))
def test_a_count_is_within_half_a_percent(number):
    value, _, unit = count(number).partition(" ")
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]
    assert abs(float(value) * scale - number) <= max(0.005 * number, 0.5)
