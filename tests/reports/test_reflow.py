"""Tables that fit a terminal: no column is lost, none is cut, and rows stay named."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from iqa_zoo.reports.reflow import count_keys, drop_empty, split_columns
from iqa_zoo.reports.table import Table
from iqa_zoo.studies.results import load_result

RECORDS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
WORDS = st.text("abc-", min_size=1, max_size=12)


@pytest.mark.slow
@given(st.integers(2, 8).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=1, max_size=5)))
def test_every_cell_is_in_a_block_of_its_row(rows):
    columns = [f"c{k}" for k in range(len(rows[0]))]
    table = Table("T", columns, [[f"r{i}", *row[1:]] for i, row in enumerate(rows)], notes=["n"], left=["c0"])
    blocks = split_columns(table, 40)
    assert [block.title for block in blocks] == ["T"] + [""] * (len(blocks) - 1)
    assert [list(block.notes) for block in blocks] == [[]] * (len(blocks) - 1) + [["n"]]
    shown = {(row[0], name): cell for block in blocks for row in block.rows
             for name, cell in zip(block.columns, row, strict=True)}  # fmt: skip
    whole = {(row[0], name): cell for row in table.rows for name, cell in zip(columns, row, strict=True)}
    assert {key: cell for key, cell in whole.items() if cell != "-"}.items() <= shown.items() <= whole.items()


@pytest.mark.parametrize("name", ["livec_box_ablate", "livec_box_claims", "livec_scaling", "livec_box_all"])
def test_the_tables_of_studies_fit_100_columns_without_a_number_in_two_lines(name):
    for table in load_result(RECORDS / f"{name}.json").tables():
        for block in split_columns(table, 100):
            console = Console(file=io.StringIO(), width=100)
            console.print(block.rich())
            shown = console.file.getvalue()
            assert max(map(len, shown.splitlines())) <= 100
            for k, column in enumerate(block.columns):
                assert column in table.left or all(row[k] in shown for row in block.rows), column


def test_a_narrow_table_is_one_block():
    table = Table("T", ["model", "x", "y"], [["a", "1", "2"]])
    assert split_columns(table, 80) == [table]


def test_rows_are_named_by_as_many_columns_as_it_takes():
    assert count_keys([["a", "p", "1"], ["a", "q", "2"]]) == 2
    assert count_keys([["a", "p", "1"], ["a", "p", "1"]]) == 1


def test_dashes_go_with_their_marks_and_a_table_of_dashes_stays():
    table = Table("T", ["m", "x", "y"], [["a", "-", "-"], ["b", "1", "-"]], marks=["ahead", "undecided"], marked="x")
    kept = drop_empty(table)
    assert (kept.columns, kept.rows, kept.marks) == (["m", "x"], [["b", "1"]], ["undecided"])
    empty = Table("T", ["m", "x"], [["a", "-"]])
    assert drop_empty(empty) is empty
