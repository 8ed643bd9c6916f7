"""Print how fast each step is, as a ratio to something named that is timed in turn with it in the same run.

    python benchmarks/speed.py                          # every row and curve, about half an hour on two idle cores
    python benchmarks/speed.py --dry-run                # their names, and what each takes
    python benchmarks/speed.py --only training start    # rows and curves whose names begin so
    python benchmarks/speed.py --quick                  # the smallest case of each, once: the numbers mean nothing
    python benchmarks/speed.py --json > speed.json      # with the seconds of every round
    python benchmarks/speed.py --out FOLDER             # speed.json, speed.md, and the curves as PNG and SVG

A ratio is the median over the rounds, with its quartiles: what is measured and its reference take turns, so that a machine that
slows down for a while slows both. Photographs are made from scikit-image's; weights are random where they change no time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed_rows import exported, models, photographs, plain_loop, processes
from benchmarks.speed_rows.curves import CURVES, Curve, make_table, plot_curves, to_dict
from benchmarks.speed_rows.row import DIRECTIONS, Measured, Row, Setup, find_quartiles
from iqa_zoo.budgets.timing import CLOCKS
from iqa_zoo.commands.shared import console, parse_count, parse_path, print_json
from iqa_zoo.errors import IqaZooError, UnknownName, not_one_of
from iqa_zoo.identity import describe_origin
from iqa_zoo.outputs import write_json
from iqa_zoo.program import run_program
from iqa_zoo.progress import Terminal
from iqa_zoo.reports.table import Table
from iqa_zoo.training.devices import find_fast_precision

ROWS = {row.name: row for row in (*photographs.ROWS, *plain_loop.ROWS, *models.ROWS, *exported.ROWS, *processes.ROWS)}
NEEDS_ROOT = "compare.livec"


def choose_names(only: Sequence[str] | None, root: Path | None) -> list[str]:
    """Return the names of rows and curves that begin with one of ``only``; all that can be measured where it is None.

    Raises:
        UnknownName: no name begins so.
    """
    names = [*ROWS, *CURVES]
    if only is None:
        return [name for name in names if name != NEEDS_ROOT or root is not None]
    for given in only:
        if not any(name.startswith(given) for name in names):
            raise UnknownName(not_one_of(given, names, "row or curve"))
    return [name for name in names if name.startswith(tuple(only))]


def describe_machine() -> dict[str, Any]:
    """Describe the conditions of a measurement."""
    return {
        "cores": count_cores(),
        "threads": torch.get_num_threads(),
        "fast_precision": find_fast_precision("cpu"),
        "amx": torch.cpu._is_amx_tile_supported(),
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def make_rows_table(rows: Sequence[Measured], conditions: Mapping[str, Any]) -> Table:
    """Return the rows as a table."""
    cells = []
    for each in rows:
        ratio, seconds = find_quartiles(each.ratios), find_quartiles(each.timed.ours)
        cells.append(
            [
                each.row.name,
                each.row.what,
                each.row.against,
                format_ratio(each),
                f"{ratio.low:.3g} to {ratio.high:.3g}",
                str(len(each.ratios)),
                f"{seconds.median:.3g}",
                format_limit(each.row),
                {True: "yes", False: "no", None: ""}[each.holds],
                "; ".join(f"{name} {value}" for name, value in each.timed.figures.items()),
            ]
        )
    columns = ["row", "measured", "against", "ratio", "quartiles", "rounds", "seconds", "limit", "kept", "also"]
    left = ["row", "measured", "against", "also"]
    return Table("Speed", columns, cells, [format_conditions(conditions)], left=left)


def format_limit(row: Row) -> str:
    """Format what a row aims at; empty for nothing."""
    if row.limit is None:
        return ""
    return f"{DIRECTIONS[row.kind]} {row.limit:g}{' s' if row.kind == 'seconds' else ''}"


def format_conditions(conditions: Mapping[str, Any]) -> str:
    """Format the conditions as one line."""
    instructions = ", ".join(name for name in ("amx", "avx512_bf16") if conditions[name])
    return (
        f"{'Quick: the smallest case of each, so these numbers mean nothing. ' if conditions['quick'] else ''}"
        f"{conditions['clock'].capitalize()} clock, {conditions['cores']} core(s), {conditions['threads']} thread(s), fast "
        f"precision {conditions['fast_precision']} ({instructions or 'no instructions for bfloat16'}), torch "
        f"{conditions['versions']['torch']}, load average at first {conditions['load']}."
    )


def make_plan(names: Sequence[str]) -> Table:
    """Return what would be measured as a table."""
    minutes = {name: ROWS[name].minutes if name in ROWS else CURVES[name][1] for name in names}
    cells = [
        [
            name,
            ROWS[name].what if name in ROWS else "a curve of cost",
            ROWS[name].against if name in ROWS else "its sizes with each other",
            format_limit(ROWS[name]) if name in ROWS else "",
            f"{minutes[name]:.1f}",
        ]
        for name in names
    ]
    note = f"About {sum(minutes.values()):.0f} minutes on two idle cores; with --quick, a few seconds each."
    return Table(
        "Rows and curves",
        ["name", "measured", "against", "limit", "minutes"],
        cells,
        [note],
        left=["name", "measured", "against"],
    )


def measure(names: Sequence[str], setup: Setup) -> tuple[list[Measured], list[Curve], list[str]]:
    """Measure the rows and curves of these names; return also the names of those that failed, which are reported."""
    rows, curves, failed = list[Measured](), list[Curve](), list[str]()
    for name in names:
        try:
            if name in CURVES:
                curves.append(CURVES[name][0](setup))
                continue
            rows.append(Measured(ROWS[name], ROWS[name].measure(setup)))
        except IqaZooError as error:
            setup.progress.log(f"{name}: {error}", "red")
            failed.append(name)
        else:
            setup.progress.log(f"{name}: {format_ratio(rows[-1])}")
    return rows, curves, failed


def format_ratio(each: Measured) -> str:
    """Format the median ratio of a row."""
    median = find_quartiles(each.ratios).median
    return f"{median:.3g} x {'speed' if each.row.kind == 'speed' else 'time'}"


def to_dict_of_row(each: Measured) -> dict[str, Any]:
    """Return a row as JSON-ready data, with every round."""
    described = {key: value for key, value in vars(each.row).items() if key not in ("measure", "minutes")}
    return {
        **described,
        "ratio": asdict(find_quartiles(each.ratios)),
        "seconds": asdict(find_quartiles(each.timed.ours)),
        "rounds": len(each.ratios),
        "holds": each.holds,
        **asdict(each.timed),
    }


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="beginnings of the names of rows and curves; all")
    parser.add_argument("--quick", action="store_true", help="the smallest case of each, one round")
    parser.add_argument("--rounds", type=parse_count, help="of each row and curve; more for a noisy machine")
    parser.add_argument("--threads", type=parse_count, default=count_cores(), help="of torch; the cores")
    parser.add_argument(
        "--clock",
        choices=list(CLOCKS),
        default="wall",
        help="cpu: the time of this process alone, for rows without others",
    )
    parser.add_argument("--root", type=parse_path, metavar="FOLDER", help=f"of LIVEC, for {NEEDS_ROOT}")
    parser.add_argument("--dry-run", action="store_true", help="print what would be measured")
    parser.add_argument("--json", action="store_true", help="print JSON, with the seconds of every round")
    parser.add_argument(
        "--out", type=parse_path, metavar="FOLDER", help="write JSON, Markdown, and the curves as PNG and SVG"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)

    def work() -> int:
        names = choose_names(options.only, options.root)
        if options.dry_run:
            console().print(make_plan(names).rich())
            return 0
        torch.set_num_threads(options.threads)
        origin = describe_origin(["iqa_zoo.training.frozen.decoder", "iqa_zoo.inference.scorer"])
        conditions = {"quick": options.quick, "clock": options.clock, **describe_machine(), **origin}
        with tempfile.TemporaryDirectory() as scratch, Terminal().running() as progress:
            setup = Setup(
                options.quick,
                count_cores(),
                Path(scratch),
                progress,
                options.rounds,
                options.root,
                CLOCKS[options.clock],
            )
            rows, curves, failed = measure(names, setup)
        results = {
            **conditions,
            "rows": [to_dict_of_row(each) for each in rows],
            "curves": [to_dict(curve) for curve in curves],
            "failed": failed,
        }
        tables = [*([make_rows_table(rows, conditions)] if rows else []), *(make_table(curve) for curve in curves)]
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            write_json(options.out / "speed.json", results)
            texts = [*(table.markdown() for table in tables), *([] if rows else [format_conditions(conditions)])]
            (options.out / "speed.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
            if curves:
                plot_curves(curves, options.out)
        if options.json:
            print_json(results)
        else:
            for table in tables:
                console().print(table.rich())
        return 1 if failed else 0

    return run_program(work, lambda message: print(f"speed: {message}", file=sys.stderr))
