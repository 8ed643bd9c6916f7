"""Which part of a model helps? Replace or remove one at a time, as it is and at the whole decoder's budget.

python benchmarks/ablate.py lifeiqa
python benchmarks/ablate.py lifeiqa --data livec --root ChallengeDB_release --backbone resnet18 --pretrained
python benchmarks/ablate.py lifeiqa --sensitivity queries experts top-k depth dim
python benchmarks/ablate.py --from runs/ablate-lifeiqa-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
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
    for_frozen_features,
    load_data,
    matched_to,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
)
from iqa_zoo.config import Config, config_hash, load_config, resolve_config
from iqa_zoo.engine.summaries import differences, summarise
from iqa_zoo.engine.variants import SWEEPS, sweep, variants
from iqa_zoo.errors import ConfigError, IqaZooError
from iqa_zoo.reports.ablation import ablation_figures, ablation_tables, verdicts
from iqa_zoo.reports.run import Script

TOLERANCE = 0.01


SCRIPT = Script("ablate", ablation_tables, verdicts, ablation_figures)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, ablate, lambda: run_folder(arguments, "ablate", Path(arguments.model).stem))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a zoo name or a config file (.yaml, .json)")
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is ablated")
    what.add_argument(
        "--sensitivity",
        nargs="+",
        choices=tuple(SWEEPS),
        metavar="SIZE",
        help=f"sweep these sizes instead of replacing parts: {', '.join(SWEEPS)}",
    )
    what.add_argument(
        "--only",
        choices=("as-is", "matched", "both"),
        default="both",
        help="variants as they are, or matched to the whole decoder's budget (default: both)",
    )
    what.add_argument("--match", choices=("params", "macs"), default="params", help="match by (default: params)")
    what.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="bring the whole decoder to N parameters (or MACs) first (default: as it is)",
    )
    add_data_options(what)
    add_backbone_options(what)
    add_training_options(parser.add_argument_group("how"))
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    if arguments.model is None and arguments.run is None:
        parser.error("name the model to ablate, for example lifeiqa, or --from RUN")
    check_options(parser, arguments)
    return arguments


def ablate(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    base = load_config(arguments.model)
    resolve_config(base)  # all names and keys, before any work
    name, started = Path(arguments.model).stem, time.perf_counter()
    configs, left_out = for_frozen_features({name: base}, console)
    base = configs[name]
    with Bars(console) as report:
        kinds = {variant.name: variant for variant in variants(base)} if not arguments.sensitivity else {}
        swept = {
            f"{knob}={value}": cfg for knob in arguments.sensitivity or () for value, cfg in sweep(base, knob).items()
        }
        every = [base, *(variant.config for variant in kinds.values()), *swept.values()]
        bench = Bench.of(arguments, every, report, console)
        whole = bench.placed(base)
        if arguments.budget:
            matched = matched_to(whole, arguments.budget, by=arguments.match, scope="decoder")
            if isinstance(matched, str):
                raise IqaZooError(f"--budget: {matched}")
            whole = matched[0]
            kinds = {variant.name: variant for variant in variants(whole)} if not arguments.sensitivity else {}
            swept = {
                f"{knob}={value}": cfg
                for knob in arguments.sensitivity or ()
                for value, cfg in sweep(whole, knob).items()
            }
        rows, refused = rows_of(
            name, whole, {k: (v.change, v.config) for k, v in kinds.items()}, swept, bench, arguments
        )
        data = load_data(arguments, report)
        splits = splits_of(arguments, data)
        trained = {row["model"]: row.pop("placed") for row in rows}
        bench.say_cost(trained, data, len(splits))
        if arguments.dry_run:
            return None
        records = bench.train(trained, data, splits)
    done = succeeded(records)
    return {
        **conditions(arguments, data, splits, left_out),
        **cache_use(records, bench),
        "base": name,
        "match": arguments.match,
        "sensitivity": arguments.sensitivity or [],
        "rows": rows,
        "refused": refused,
        "runs": records,
        "summary": summarise(done),
        "differences": differences(
            done, parts_ratio(splits[0]), data, [(row["model"], name) for row in rows if row["model"] != name]
        ),
        "features": bench.bank(data).key,
        "seconds": time.perf_counter() - started,
    }


def rows_of(
    name: str,
    whole: Config,
    kinds: dict[str, tuple[str, Config]],
    swept: dict[str, Config],
    bench: Bench,
    arguments: argparse.Namespace,
) -> tuple[list[Record], list[Record]]:
    """What is trained, a row each, and what cannot be, with the reason."""
    tick = bench.report("matching budgets")
    budget = measure_budget(whole)
    target = getattr(budget.decoder, arguments.match)
    rows = [row_of(name, name, "", "whole", whole, budget)]
    refused: list[Record] = []
    for i, (variant, (change, cfg)) in enumerate({**kinds, **{k: ("", v) for k, v in swept.items()}}.items()):
        tick(i, len(kinds) + len(swept))
        placed = bench.placed(cfg)
        try:
            own = measure_budget(placed)
        except ConfigError as error:
            refused.append({"variant": variant, "change": change, "reason": "; ".join(error.problems)})
            continue
        size = getattr(own.decoder, arguments.match)
        close = abs(size - target) <= TOLERANCE * target
        if arguments.sensitivity:
            if config_hash(placed) != config_hash(whole):
                rows.append(row_of(variant, variant, "", "as it is", placed, own))
            continue
        if arguments.only != "matched" or close:
            rows.append(row_of(variant, variant, change, "both" if close else "as it is", placed, own))
        if close or arguments.only == "as-is":
            continue
        matched = matched_to(placed, target, by=arguments.match, scope="decoder")
        if isinstance(matched, str):
            refused.append({"variant": f"{variant}, matched", "change": change, "reason": matched})
        else:
            rows.append(row_of(f"{variant}, matched", variant, change, "matched", *matched))
    tick(1, 1)
    return rows, refused


def row_of(model: str, variant: str, change: str, kind: str, cfg: Config, budget: Budget) -> Record:
    return {
        "model": model,
        "variant": variant,
        "change": change,
        "kind": kind,
        "placed": cfg,
        "config": resolve_config(cfg),
        "hash": config_hash(cfg),
        "budget": budget.to_dict(),
    }


if __name__ == "__main__":
    sys.exit(main())
