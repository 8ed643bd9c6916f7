"""Progress: bars in a terminal, a line for each quarter elsewhere, or nothing."""

import io

import pytest
from rich.console import Console

from iqa_zoo.progress import Silent, Terminal


def make_terminal(terminal=False):
    file = io.StringIO()
    return Terminal(Console(file=file, force_terminal=terminal, width=80, color_system=None)), file


def test_a_line_for_each_quarter_where_stderr_is_no_terminal():
    terminal, file = make_terminal()
    with terminal.running() as progress:
        tick = progress.start("training")
        for done in range(9):
            tick(done, 8)
    lines = file.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"training: {done} of 8" for done in (0, 2, 4, 6, 8)]
    assert all(line.endswith(" s") for line in lines)


def test_stages_count_apart():
    terminal, file = make_terminal()
    with terminal.running() as progress:
        first, second = progress.start("a"), progress.start("b")
        first(1, 1)
        second(1, 1)
    assert [line.split(",")[0] for line in file.getvalue().splitlines()] == ["a: 1 of 1", "b: 1 of 1"]


def test_a_stage_without_work_is_no_division_by_zero():
    terminal, file = make_terminal()
    terminal.start("nothing")(0, 0)
    assert file.getvalue().startswith("nothing: 0 of 0")


def test_a_terminal_has_bars_and_no_such_lines():
    terminal, file = make_terminal(terminal=True)
    with terminal.running() as progress:
        progress.start("training")(3, 8)
    assert "3/8" in file.getvalue()
    assert "3 of 8" not in file.getvalue()


@pytest.mark.parametrize("line", ["[bold]x[/bold]", "a" * 200, "1 of 2"])
def test_a_line_is_printed_as_it_is(line):
    terminal, file = make_terminal()
    terminal.log(line, "red")
    assert file.getvalue() == line + "\n"


def test_it_reports_on_stderr(capsys):
    Terminal().log("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_silence(capsys):
    silent = Silent()
    silent.start("training")(1, 2)
    silent.log("a line", "red")
    assert capsys.readouterr() == ("", "")
