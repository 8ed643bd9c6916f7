"""Tables in LaTeX: escaped, whole, with the verdicts marked, and accepted by pdfLaTeX where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.cli import main
from iqa_zoo.reports.latex import PREAMBLE, escape, format_table
from iqa_zoo.reports.table import AHEAD, UNDECIDED, Table
from iqa_zoo.studies.results import load_result
from iqa_zoo.studies.views import format_latex

RECORDS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def check_latex(text):
    """Braces and environments are balanced, specials escaped, and every row has a cell per column."""
    text = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}$&%#_]", "", text).replace("{!}{%\n", "{!}{\n")
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", text).count("tabular") == text.count(r"\end{tabular}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[%#]", bare)
    for body in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [re.sub(r"\\&", "", row) for row in re.findall(r"^ +(.*) \\\\$", body, re.MULTILINE)]
        assert len({row.count("&") for row in rows}) == 1


@pytest.mark.slow
@given(st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_escaped(text):
    cells = [[text, "-0.1"], ["[x]", text]]
    check_latex(format_table(Table(text.replace("\n", " "), ["model", "x"], cells, notes=[text]), "tab:a", text))


def test_specials_are_written_out():
    assert escape("5 % of a_b & c#1 {x} \\ ~ ^") == (
        r"5 \% of a\_b \& c\#1 \{x\} \textbackslash{} \textasciitilde{} \textasciicircum{}"
    )


def test_one_that_is_ahead_is_bold_and_an_undecided_one_has_a_dagger():
    rows = [["a - b", "+0.1"], ["a - c", "-0.1"], ["b - c", "+0.2"]]
    text = format_table(Table("T", ["pair", "mean"], rows, marks=[AHEAD, UNDECIDED, ""], marked="mean"), "tab:a")
    assert r"a - b & \textbf{$+$0.1} \\" in text
    assert r"a - c & $-$0.1$^{\dagger}$ \\" in text
    assert r"b - c & $+$0.2 \\" in text
    assert "Bold: one of the two is ahead." in text


def test_the_marks_of_a_comparison_are_those_of_its_verdicts():
    result = load_result(RECORDS / "livec_box.json")
    (table,) = [each for each in result.tables() if each.title.startswith("Paired")]
    verdicts = [pair["verdict"] for pair in result.differences]
    assert list(table.marks) == [{"behind": "ahead"}.get(verdict, verdict) for verdict in verdicts]
    assert "10 random splits by image: 837 to train, 93 to validate, 232 to test" in format_latex(result)


@pytest.mark.parametrize("record", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_the_tables_of_every_study_are_well_formed(record):
    check_latex(format_latex(load_result(record)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_pdflatex_accepts_the_tables(tmp_path):
    assert main(["compare", "--from", str(RECORDS / "livec_box.json"), "--latex", str(tmp_path / "tables.tex")]) == 0
    head = r"\documentclass{article}\usepackage[T1]{fontenc}" + PREAMBLE
    (tmp_path / "a.tex").write_text(head + "\n\\begin{document}\n\\input{tables}\n\\end{document}\n")
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


@pytest.mark.slow
def test_figures_are_written_in_three_formats(tmp_path, capsys):
    folder = tmp_path / "figures"
    assert main(["compare", "--from", str(RECORDS / "livec_box.json"), "--figures", str(folder), "--csv"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{name}.{kind}" for name in ("differences", "cost", "splits") for kind in ("pdf", "svg", "png")}
    assert (folder / "cost.pdf").read_bytes().startswith(b"%PDF")
    assert "9 files" in capsys.readouterr().err


def test_records_are_a_data_frame():
    pandas = pytest.importorskip("pandas")
    result = load_result(RECORDS / "livec_box.json")
    frame = pandas.DataFrame(result.to_records())
    assert list(frame.columns) == result.columns
    medians = frame.groupby("model")["srocc"].median()
    assert medians["lifeiqa"] == pytest.approx(result.values["summary"]["lifeiqa"]["srocc"]["median"])
