"""How often the verdicts on two models are right, by simulation: coverage of the interval, and each verdict by true gap.

python benchmarks/verdicts.py                        # 5 and 10 splits of 130 and 1,162 images; about half an hour
python benchmarks/verdicts.py --images 130 --repeats 200
python benchmarks/verdicts.py --set common_error=.5 --set training_noise=0 --json

The model of simulation, and the values that --set can change, are those of iqa_zoo.stats.simulation.Scenario.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import asdict
from typing import Any

from iqa_zoo.commands.shared import add_set_option, console, print_json
from iqa_zoo.errors import InputError
from iqa_zoo.program import run_program
from iqa_zoo.progress import Terminal
from iqa_zoo.reports.table import Table
from iqa_zoo.stats.simulation import Scenario, simulate_verdicts

VERDICTS = ("ahead", "behind", "equivalent", "undecided")


def measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Simulate each combination of images, splits and gap."""
    rows = []
    with Terminal().running() as terminal:
        for images, splits, gap in itertools.product(options.images, options.splits, options.gaps):
            try:
                scenario = Scenario(images, splits, gap, **dict(options.set))
            except TypeError as error:
                raise InputError(f"--set: {error}; the names are {', '.join(asdict(Scenario(130, 5)))}") from None
            progress = terminal.start(f"{images:,} images, {splits} splits, gap {gap:g}")
            found = simulate_verdicts(
                scenario, options.repeats, margin=options.margin, seed=options.seed, progress=progress
            )
            rows.append({**asdict(scenario), "margin": options.margin, "seed": options.seed, **asdict(found)})
    return rows


def make_table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows as a table."""
    columns = ["images", "splits", "true gap", "coverage", *VERDICTS, "mean se", "true se"]
    shown = [
        [f"{row['images']:,}", str(row["splits"]), f"{row['gap']:g}", f"{100 * row['coverage']:.1f} %"]
        + [f"{100 * row[verdict]:.1f} %" for verdict in VERDICTS]
        + [f"{row['mean_se']:.4f}", f"{row['true_se']:.4f}"]
        for row in rows
    ]
    title = f"Verdicts on simulated models, {rows[0]['repeats']:,} comparisons a row, margin {rows[0]['margin']:g}"
    return Table(title, columns, shown, left=[])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[130, 1162])
    parser.add_argument("--splits", type=int, nargs="+", default=[5, 10])
    parser.add_argument(
        "--gaps", type=float, nargs="+", default=[0.0, 0.005, 0.01, 0.03], help="true SROCC differences"
    )
    parser.add_argument("--margin", type=float, default=0.01, help="of equivalence (default: .01)")
    parser.add_argument("--repeats", type=int, default=1000, help="comparisons a row (default: 1,000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_set_option(parser)
    options = parser.parse_args(argv)
    if options.repeats < 1:
        parser.error(f"--repeats is {options.repeats}; give 1 or more")

    def work() -> int:
        rows = measure(options)
        if options.json:
            print_json(rows)
        else:
            console().print(make_table(rows).rich())
        return 0

    return run_program(work, lambda message: print(f"verdicts: {message}", file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
