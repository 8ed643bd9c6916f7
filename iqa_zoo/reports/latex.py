"""Tables in LaTeX, for papers: booktabs, verdicts as bold and a dagger, the protocol in the caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from iqa_zoo.reports.reflow import split_columns
from iqa_zoo.reports.table import AHEAD, UNDECIDED, Table

PREAMBLE = r"\usepackage{booktabs,graphicx,array}"
LONG = 30  # characters; a text column with a longer cell wraps
PAGE = 118  # characters of a table in the width of a page; the columns of a wider one stand in several blocks
WIDTH = r"0.36\linewidth"  # of a column that wraps
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    '"': "''", "→": r"$\rightarrow$", "×": r"$\times$", "±": r"$\pm$", "−": "$-$", "·": r"$\cdot$", "²": r"$^2$",
    "³": r"$^3$", "≤": r"$\leq$", "≥": r"$\geq$", "°": r"$^{\circ}$", "–": "--", "—": "---", "…": r"\ldots{}", "’": "'",
    "‘": "`", "“": "``", "”": "''", "†": r"$^{\dagger}$",
    "\n": " ",
}  # fmt: skip
NUMBER = re.compile(r"^[+-](?=\d)|(?<=[\[ (])[+-](?=\d)")


def escape(text: str) -> str:
    r"""Escape text for LaTeX; a character that pdfLaTeX has no glyph for becomes its code point.

    >>> print(escape("head_dim 5 % → 3"), escape("模"))
    head\_dim 5 \% $\rightarrow$ 3 [U+6A21]
    """
    return "".join(SPECIAL.get(char) or (char if ord(char) < 0x180 else f"[U+{ord(char):04X}]") for char in text)


def format_cell(text: str) -> str:
    r"""Format a cell: escaped, and signs of numbers as LaTeX sets them.

    >>> print(format_cell("-0.036 [-0.056, +0.1]"), format_cell("-"))
    $-$0.036 [$-$0.056, $+$0.1] --
    """
    if text == "-":
        return "--"
    return "".join(
        f"${part}$" if NUMBER.match(part + "0") and len(part) == 1 else escape(part) for part in _split(text)
    )


def _split(text: str) -> list[str]:
    """Split a text at the signs of its numbers."""
    parts, at = [], 0
    for found in NUMBER.finditer(text):
        parts += [text[at : found.start()], found[0]]
        at = found.end()
    return [*parts, text[at:]]


def format_table(table: Table, label: str, protocol: str = "") -> str:
    r"""Format a table as a LaTeX float, or several where it is too wide; ``protocol`` joins the caption, notes stand below.

    Where the table has verdicts, a number is bold where one model is ahead and has a dagger where it is undecided.

    >>> print(format_table(Table("Speed", ["model", "ms"], [["a_b", "3"]], notes=["one run"]), "tab:speed"))
    \begin{table}[htbp]
      \centering\footnotesize\setlength{\tabcolsep}{4pt}
      \caption{Speed.}
      \label{tab:speed}
      \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
      \begin{tabular}{lr}
        \toprule
        model & ms \\
        \midrule
        a\_b & 3 \\
        \bottomrule
      \end{tabular}}
      \par\smallskip
      \parbox{\linewidth}{\scriptsize one run}
    \end{table}
    """
    title = re.sub(r"^\([a-z]\) ", "", table.title)
    blocks = split_columns(_drop_plans(table), PAGE)
    floats = []
    for i, block in enumerate(blocks):
        texts = (title, protocol) if i == 0 else (f"{title} (continued)",)
        caption = " ".join(part if part.endswith(".") else f"{part}." for part in texts if part)
        notes = " ".join([*block.notes, *(_explain_marks(table) if i == len(blocks) - 1 else ())])
        lines = [
            r"\begin{table}[htbp]",
            r"  \centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"  \caption{{{escape(caption)}}}",
            rf"  \label{{{label}{'' if i == 0 else f'-{i + 1}'}}}",
            *_format_block(block),
        ]
        if notes:
            lines += [r"  \par\smallskip", rf"  \parbox{{\linewidth}}{{\scriptsize {escape(notes)}}}"]
        floats.append("\n".join([*lines, r"\end{table}"]))
    return "\n\n".join(floats)


def _drop_plans(table: Table) -> Table:
    """Leave out what would decide: a plan and no result; the sentences at the head of the file have it."""
    columns = [k for k, column in enumerate(table.columns) if column != "would decide"]
    return replace(
        table, columns=[table.columns[k] for k in columns], rows=[[row[k] for k in columns] for row in table.rows]
    )


def _format_block(table: Table) -> list[str]:
    """Format the rules and rows of a table, or of a part of its columns, scaled down where they are too wide."""
    rows = [_format_row(table, i) for i in range(len(table.rows))]
    return [
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"  \begin{{tabular}}{{{_align(table)}}}",
        r"    \toprule",
        f"    {' & '.join(escape(column) for column in table.columns)} \\\\",
        r"    \midrule",
        *(f"    {row} \\\\" for row in rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
    ]


def _align(table: Table) -> str:
    def align(k: int, column: str) -> str:
        if column not in table.left:
            return "r"
        long = max((len(row[k]) for row in table.rows), default=0) > LONG and k > 0
        return rf">{{\raggedright\arraybackslash}}p{{{WIDTH}}}" if long else "l"

    return "".join(align(k, column) for k, column in enumerate(table.columns))


def _format_row(table: Table, i: int) -> str:
    cells = [format_cell(str(cell)) for cell in table.rows[i]]
    mark = table.marks[i] if table.marks else ""
    if mark:
        k = list(table.columns).index(table.marked)
        cells[k] = rf"\textbf{{{cells[k]}}}" if mark == AHEAD else rf"{cells[k]}$^{{\dagger}}$"
    if cells[0].startswith("["):  # which would be an argument of the line break before it
        cells[0] = "{}" + cells[0]
    return " & ".join(cells)


def _explain_marks(table: Table) -> list[str]:
    texts = {AHEAD: f"Bold: {table.bold}.", UNDECIDED: f"†: {table.dagger}."}
    return [text for mark, text in texts.items() if mark in table.marks]


def format_document(tables: Sequence[Table], name: str, protocol: str, sentences: Sequence[str]) -> str:
    """Format the tables of a study as a file for ``\\input``; the verdicts are comments at its head."""
    head = [f"Tables of iqa-zoo {name.replace('_', '-')}. In the preamble: {PREAMBLE}", *sentences]
    comments = [f"% {' '.join(line.split())}" for line in head]
    used = [format_table(table, f"tab:{name}-{i}", protocol) for i, table in enumerate(tables, 1)]
    return "\n\n".join(["\n".join(comments), *used]) + "\n"
