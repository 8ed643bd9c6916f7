"""Which part helps, whatever it stands with? Every query initializer x mixing block x memory x head, at one decoder budget.

python benchmarks/swap.py
python benchmarks/swap.py --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/swap.py --queries learned guided --heads linear moe --budget 500000
python benchmarks/swap.py --draw 96
python benchmarks/swap.py --from runs/swap-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rich.console import Console

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.knobs import KnobBoard
from iqa_zoo.build import build_backbone, build_decoder
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    YARDSTICK,
    Bars,
    Bench,
    Record,
    add_backbone_options,
    add_data_options,
    add_result_options,
    add_training_options,
    cache_use,
    check_options,
    conditions,
    load_data,
    matched_to,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
)
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.contracts import spec_of
from iqa_zoo.engine.comparison import backbone_config
from iqa_zoo.engine.statistics import is_defined
from iqa_zoo.engine.summaries import differences, summarise
from iqa_zoo.engine.swaps import (
    FACTORS,
    Levels,
    analyse,
    combination_config,
    drawn_evenly,
    in_a_line,
    level_names,
    why_not,
)
from iqa_zoo.engine.variants import ROUTING_LOSSES
from iqa_zoo.errors import IqaZooError
from iqa_zoo.reports.run import COLUMNS, Script
from iqa_zoo.reports.swaps import WORDS, swap_figures, swap_tables, swap_verdicts
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses

SPLITS = 5
BUDGETS = {"params": 1_000_000, "macs": 20_000_000}
SIZE_OF_A_LAYER = {"params": 13.5, "macs": 270}  # of a decoder of typical widths, in squares of the model width
TOLERANCES = (0.01, 0.02, 0.04)  # the wider ones where nothing but the model width can move, in steps of its heads
USUAL_DIM = 384  # the model width that the default widths of parts are made for
CSV_COLUMNS = ("model", *FACTORS, *COLUMNS[1:])


SCRIPT = Script("swap", swap_tables, swap_verdicts, swap_figures, CSV_COLUMNS)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, swap, lambda: run_folder(arguments, "swap"))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is swapped (default: every part of the registry)")
    for flag, factor in zip(("queries", "interactions", "memories", "heads"), FACTORS, strict=True):
        words = "blocks before cross-attention, or none" if factor == "interactions" else WORDS[factor]
        what.add_argument(f"--{flag}", dest=factor, nargs="+", metavar="NAME", help=f"only these {words}")
    what.add_argument(
        "--draw",
        type=int,
        metavar="N",
        help="only N combinations, drawn so that each part comes equally often (default: all)",
    )
    what.add_argument("--depth", type=int, default=2, help="layers of a block and cross-attention (default: 2)")
    what.add_argument("--dim", type=int, help="model width before matching (default: one that suits the budget)")
    what.add_argument("--match", choices=tuple(BUDGETS), default="params", help="match by (default: params)")
    what.add_argument(
        "--budget",
        metavar="N|MODEL",
        help="parameters or MACs of every decoder, or whose decoder has them (default: 1000000 parameters, 20000000 MACs)",
    )
    add_data_options(what)
    add_backbone_options(what)
    add_training_options(parser.add_argument_group("how"))
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    check_options(parser, arguments)
    for flag in ("draw", "depth", "dim"):
        value = getattr(arguments, flag)
        if value is not None and value < 1:
            parser.error(f"--{flag} is a positive number, got {value}")
    if arguments.splits == 1:
        parser.error("--splits is at least 2: effects need a spread over splits")
    return arguments


def swap(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    started = time.perf_counter()
    yardstick = load_config(YARDSTICK)
    named = {factor: level_names(factor, getattr(arguments, factor)) for factor in FACTORS}
    owner = budget_owner(arguments)
    with Bars(console) as report:
        levels, refused = usable(named, arguments, yardstick)
        grid = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*levels.values())]
        if not grid:
            raise IqaZooError("nothing to combine: " + "; ".join(f"{row['what']}: {row['reason']}" for row in refused))
        some = [
            {f: names[i % len(names)] for f, names in levels.items()} for i in range(max(map(len, levels.values())))
        ]
        plain = [{**yardstick, **combination_config(row, dim=24, depth=1)} for row in some]  # every part in one of them
        bench = Bench.of(arguments, [yardstick, *plain, *([owner] if owner else [])], report, console)
        target = budget_target(arguments, owner, bench)
        dim = arguments.dim or usual_dim(target, arguments)
        order = grid if arguments.draw is None else drawn_evenly(grid, arguments.seed)
        rows, unbuilt = rows_of(order, min(arguments.draw or len(grid), len(grid)), dim, target, bench, arguments)
        refused += together(unbuilt, levels)
        if len(rows) < 2:
            reasons = "; ".join(f"{row['what']}: {row['reason']}" for row in refused)
            raise IqaZooError(f"{len(rows)} of {len(grid)} combinations can be built, nothing to compare. {reasons}")
        data = load_data(arguments, report)
        splits = splits_of(arguments, data, SPLITS)
        if len(splits) < 2:
            raise IqaZooError("effects need a spread over splits; give at least two")
        models = {row["model"]: row.pop("placed") for row in rows}
        models[YARDSTICK] = bench.placed(yardstick)
        bench.say_cost(models, data, len(splits))
        if arguments.dry_run:
            say_what(console, rows, len(grid), refused, target, arguments)
            return None
        records = bench.train(models, data, splits)
    done = succeeded(records)
    levels_of = {row["model"]: row["levels"] for row in rows}
    trained = trained_everywhere(done, list(models), len(splits))
    measured = {model: trained[model] for model in levels_of if all(map(is_defined, trained.get(model, [None])))}
    srocc_SC = np.array(list(measured.values())).T
    ratio = parts_ratio(splits[0])
    pairs = arguments.draw is None or 2 * arguments.draw >= len(grid)
    first = max(measured, key=lambda model: float(np.median(measured[model])), default=None)
    behind = [(first, model) for model in models if model != first] if first is not None else []
    return {
        **conditions(arguments, data, splits, {}),
        **cache_use(records, bench),
        "match": arguments.match,
        "target": target,
        "depth": arguments.depth,
        "dim": dim,
        "drawn_of": None if arguments.draw is None else len(grid),
        "rows": rows,
        "refused": refused,
        "yardstick": YARDSTICK,
        "yardstick_budget": measure_budget(models[YARDSTICK]).to_dict(),
        "runs": [{**levels_of.get(record["model"], {}), **record} for record in records],
        "summary": summarise([record for record in done if record["model"] in trained]),
        "analysis": analyse(srocc_SC, [levels_of[model] for model in measured], ratio, pairs=pairs),
        "behind_first": differences(done, ratio, data, behind),
        "features": bench.bank(data).key,
        "seconds": time.perf_counter() - started,
    }


def budget_owner(arguments: argparse.Namespace) -> Config | None:
    """The model whose decoder sets the budget, or None where a number does."""
    if arguments.budget is None or arguments.budget.isdigit():
        return None
    owner = load_config(arguments.budget)
    resolve_config(owner)  # all names and keys, before any work
    return drop_mirrored_losses(owner)[0]


def budget_target(arguments: argparse.Namespace, owner: Config | None, bench: Bench) -> int:
    """Parameters or MACs that every decoder shall have."""
    if owner is not None:
        return int(getattr(measure_budget(bench.placed(owner)).decoder, arguments.match))
    return int(arguments.budget or BUDGETS[arguments.match])


def usual_dim(target: int, arguments: argparse.Namespace) -> int:
    """A model width whose decoder comes near the budget with the widths that parts have, a multiple of 24."""
    width = math.sqrt(target / (SIZE_OF_A_LAYER[arguments.match] * arguments.depth))
    return max(24, 24 * round(width / 24))


def usable(
    named: dict[str, list[str]], arguments: argparse.Namespace, yardstick: Config
) -> tuple[dict[str, list[str]], list[Record]]:
    """The levels of each factor that can be combined at all, and the rest with the reason."""
    backbone = build_backbone({**yardstick, "backbone": backbone_config(arguments.backbone, [yardstick])})
    stages = spec_of(backbone).available_stages
    reasons = {(factor, name): why_not(factor, name, stages) for factor, names in named.items() for name in names}
    levels = {factor: [name for name in names if reasons[factor, name] is None] for factor, names in named.items()}
    refused = []
    for (factor, name), reason in reasons.items():
        if reason is not None:
            others = math.prod(len(names) for other, names in named.items() if other != factor)
            refused.append({"what": f"{WORDS[factor]} {name}", "combinations": others, "reason": reason})
    return levels, refused


def rows_of(
    order: Iterable[Levels], wanted: int, dim: int, target: int, bench: Bench, arguments: argparse.Namespace
) -> tuple[list[Record], list[tuple[Levels, str]]]:
    """What is trained, a row each, the first ``wanted`` that can be; and the combinations before that cannot, with the reason."""
    tick = bench.report("matching budgets")
    rows: list[Record] = []
    refused: list[tuple[Levels, str]] = []
    for i, levels in enumerate(order):
        made = brought_to(
            bench.placed(combination_config(levels, dim=dim, depth=arguments.depth)), target, bench, arguments
        )
        if isinstance(made, str):
            refused.append((levels, made))
        else:
            cfg, budget = made
            rows.append(
                {
                    "model": " / ".join(levels.values()),
                    "levels": levels,
                    "placed": cfg,
                    "config": resolve_config(cfg),
                    "hash": config_hash(cfg),
                    "budget": budget.to_dict(),
                }
            )
        tick(i + 1 if arguments.draw is None else len(rows), wanted)
        if len(rows) == wanted:
            break
    return rows, refused


def brought_to(cfg: Config, target: int, bench: Bench, arguments: argparse.Namespace) -> tuple[Config, Budget] | str:
    """A config at the budget with the losses that it needs, and its budget; or why there is none.

    Only widths are moved: depth and the number of experts are the same for all combinations.
    """
    try:
        decoder = build_decoder(cfg, bench.spec)
        if any(getattr(part, "routes", False) for part in (*decoder.interactions, decoder.head)):
            cfg["losses"] += [dict(type=name, weight=weight) for name, weight in ROUTING_LOSSES.items()]
        cfg = in_proportion(cfg)
        widths = [knob.name for knob in KnobBoard(cfg).knobs if knob.kind != "count"]
        made: tuple[Config, Budget] | str = ""
        for tolerance in TOLERANCES:
            made = matched_to(cfg, target, by=arguments.match, scope="decoder", knobs=widths, tolerance=tolerance)
            if not isinstance(made, str):
                break
        return made
    except Exception as error:  # whatever a part does wrong costs its own combinations only
        return in_a_line(error)


def in_proportion(cfg: Config) -> Config:
    """A config whose parts are as wide, by its model width, as their defaults are by the usual one."""
    board = KnobBoard(cfg)
    widths = [knob for knob in board.knobs if knob.kind == "width"]
    return board.turned(tuple((knob, max(1, round(knob.now * cfg["dim"] / USUAL_DIM))) for knob in widths))


def together(refused: Sequence[tuple[Levels, str]], levels: dict[str, list[str]]) -> list[Record]:
    """Combinations that cannot be built, in a row where they share the reason: named by the levels they have in common.

    >>> levels = dict(queries=["a", "b"], memory=["x", "y"])
    >>> together([(dict(queries="a", memory="x"), "no x"), (dict(queries="b", memory="x"), "no x")], levels)
    [{'what': 'memory x', 'combinations': 2, 'reason': 'no x'}]
    """
    by_reason: dict[str, list[Levels]] = {}
    for row, reason in refused:
        by_reason.setdefault(reason, []).append(row)
    found = []
    for reason, rows in by_reason.items():
        shared = {f: rows[0][f] for f in rows[0] if len({row[f] for row in rows}) == 1 and len(levels[f]) > 1}
        what = ", ".join(f"{WORDS[factor]} {level}" for factor, level in shared.items()) or "several"
        found.append({"what": what, "combinations": len(rows), "reason": reason})
    return found


def trained_everywhere(done: Sequence[Record], models: Sequence[str], splits: int) -> dict[str, list[float]]:
    """SROCC on every split, in one order, of the combinations that were trained on all of them."""
    scores: dict[str, list[float]] = {model: [] for model in models}
    for record in done:
        if record["model"] in scores:
            scores[record["model"]].append(record["srocc"])
    return {model: values for model, values in scores.items() if len(values) == splits}


def say_what(
    console: Console,
    rows: Sequence[Record],
    combinations: int,
    refused: Sequence[Record],
    target: int,
    arguments: argparse.Namespace,
) -> None:
    """Print what would be trained, and what cannot be."""
    counts = [f"{len({row['levels'][factor] for row in rows})} {WORDS[factor]}" for factor in FACTORS]
    console.print(
        f"{len(rows)} {'' if arguments.draw is None else f'of {combinations:,} '}combinations ({' x '.join(counts)}) at {target:,} "
        f"{arguments.match}, and the yardstick",
        highlight=False,
    )
    for row in refused:
        console.print(
            f"not built: {row['what']} ({row['combinations']}): {row['reason']}", highlight=False, markup=False
        )


if __name__ == "__main__":
    sys.exit(main())
