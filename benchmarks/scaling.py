"""What do larger backbones bring, and is it the backbone or the decoder? Decoders of one size on backbones of several.

python benchmarks/scaling.py --backbones resnet18 resnet34 resnet50 --pretrained --data livec --root ChallengeDB_release
python benchmarks/scaling.py lifeiqa deiqt --backbones resnet18 resnet34 --weights resnet18=r18.safetensors --budget 2000000
python benchmarks/scaling.py --from runs/scaling-resnet18-resnet34-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import timm
from rich.console import Console

from iqa_zoo.budgets import Budget, measure_budget
from iqa_zoo.budgets.throughput import measure_speed
from iqa_zoo.build import build_model
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    YARDSTICK,
    Bars,
    Bench,
    Record,
    Report,
    add_data_options,
    add_result_options,
    add_training_options,
    add_weights_options,
    cache_use,
    check_models,
    check_options,
    check_weights,
    conditions,
    for_frozen_features,
    load_data,
    load_models,
    matched_to,
    parts_ratio,
    run_folder,
    splits_of,
    succeeded,
    weights_in_words,
)
from iqa_zoo.config import Config, config_hash, resolve_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.engine.statistics import is_defined, median_iqr
from iqa_zoo.engine.summaries import differences
from iqa_zoo.errors import ConfigError, IqaZooError, UnknownName, closest
from iqa_zoo.registry import BACKBONES
from iqa_zoo.reports.plots import pareto_front
from iqa_zoo.reports.run import COLUMNS, Script
from iqa_zoo.reports.scaling import COSTS, scaling_figures, scaling_sentences, scaling_tables

MODELS = ("lifeiqa", "deiqt", "vanilla_decoder")
CSV = ("backbone", "decoder", *COLUMNS[1:])


SCRIPT = Script("scaling", scaling_tables, scaling_sentences, scaling_figures, CSV)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, study, lambda: run_folder(arguments, "scaling", *arguments.backbones))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    names = ", ".join(MODELS)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"zoo names or config files (.yaml, .json); default: {names}"
    )
    parser.add_argument(
        "--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again; trains nothing"
    )
    what = parser.add_argument_group("what is compared")
    what.add_argument(
        "--backbones", nargs="+", default=[], metavar="NAME", help="nss, or timm names, the small ones first"
    )
    add_weights_options(what)
    what.add_argument(
        "--match", choices=("params", "macs", "none"), default="params", help="match decoders by (default: params)"
    )
    what.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="parameters (or MACs) of every decoder (default: of the smallest on the first backbone)",
    )
    add_data_options(what)
    how = parser.add_argument_group("how")
    add_training_options(how)
    how.add_argument("--no-latency", action="store_true", help="do not time the models")
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    arguments.models = arguments.models or list(MODELS)
    if not arguments.backbones and arguments.run is None:
        parser.error(
            "name the backbones with --backbones, for example --backbones resnet18 resnet34, or give --from RUN"
        )
    check_models(parser, arguments.models)
    if len(set(arguments.backbones)) < len(arguments.backbones):
        parser.error("a backbone is named twice")
    check_weights(parser, arguments)
    if arguments.budget is not None and arguments.budget < 1:
        parser.error(f"--budget is a positive number, got {arguments.budget}")
    arguments.backbone = ", ".join(arguments.backbones)
    check_options(parser, arguments)
    return arguments


@dataclass(frozen=True)
class Placed:
    """A decoder on a backbone: ``model`` is what tables call the two together."""

    backbone: str
    decoder: str
    cfg: Config
    budget: Budget

    @property
    def model(self) -> str:
        return f"{self.decoder} on {self.backbone}"


def study(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    configs, compared = load_models(arguments.models)
    configs, left_out = for_frozen_features(configs, console)
    started = time.perf_counter()
    with Bars(console) as report:
        benches, refused = benches_of(arguments, configs, report, console)
        placed, target, target_of, unmatched = match_on_all(benches, configs, arguments, report)
        refused += unmatched
        for row in refused:
            console.print(f"left out: {row['backbone']} {row['model']}: {row['reason']}", markup=False, highlight=False)
        data = load_data(arguments, report)
        splits = splits_of(arguments, data)
        for name, bench in benches.items():
            console.print(f"{name}:", highlight=False)
            bench.say_cost(decoders_on(name, placed), data, len(splits))
        if arguments.dry_run:
            return None
        speeds = {} if arguments.no_latency else time_all(benches, placed, report)
        records = []
        for name, bench in benches.items():
            words = f"training on {name}"
            for record in bench.train(decoders_on(name, placed), data, splits, words=words):
                decoder = record["model"]
                records.append({**record, "model": f"{decoder} on {name}", "decoder": decoder, "backbone": name})
    rows = rows_of(placed, succeeded(records), speeds)
    best = best_of(rows)
    return {
        **conditions(arguments, data, splits, left_out),
        **cache_use(records, *benches.values()),
        "backbone": "backbone",
        "weights": "whose weights are below",
        "backbones": [{"name": name, "weights": weights_in_words(bench.arguments)} for name, bench in benches.items()],
        "compared": compared,
        "yardstick": YARDSTICK,
        "match": arguments.match,
        "target": target,
        "target_of": target_of,
        "refused": refused,
        "rows": rows,
        "best": best,
        "front": fronts(rows),
        "runs": records,
        "differences": compare_all(records, rows, best, data, splits),
        "features": {name: bench.bank(data).key for name, bench in benches.items()},
        "seconds": time.perf_counter() - started,
    }


def benches_of(
    arguments: argparse.Namespace, configs: Mapping[str, Config], report: Report, console: Console
) -> tuple[dict[str, Bench], list[Record]]:
    """Every backbone that gives what the models read, and the others with the reason.

    Raises:
        UnknownName: neither the zoo nor timm has a backbone of that name.
        IqaZooError: no backbone is left.
        CheckpointError: weights that do not fit or cannot be fetched.
    """
    benches, refused = {}, []
    for name in arguments.backbones:
        check_known(name)
        own = argparse.Namespace(**{**vars(arguments), "backbone": name, "weights": arguments.weights.get(name)})
        own.pretrained = arguments.pretrained and own.weights is None
        try:
            benches[name] = Bench.of(own, list(configs.values()), report, console)
        except ConfigError as error:
            refused.append({"backbone": name, "model": "all", "reason": "; ".join(error.problems)})
    if not benches:
        raise IqaZooError("no backbone is left: " + "; ".join(f"{row['backbone']}: {row['reason']}" for row in refused))
    return benches, refused


def check_known(name: str) -> None:
    """A name that is misspelt stops the study, one that lacks a stage does not."""
    base = name.split(".")[0]
    if name not in BACKBONES.names() and not timm.is_model(base):
        near = closest(base, [*BACKBONES.names(), *timm.list_models()])
        raise UnknownName(f"--backbones: neither the zoo nor timm has a backbone {name!r}{near}")


def match_on_all(
    benches: Mapping[str, Bench], configs: Mapping[str, Config], arguments: argparse.Namespace, report: Report
) -> tuple[list[Placed], int | None, str, list[Record]]:
    """Every decoder on every backbone at one size, the size, whose it is, and what cannot be brought to it."""
    tick, done = report("matching budgets"), 0
    target, target_of = arguments.budget, "as asked for"
    placed, refused = [], []
    for backbone, bench in benches.items():
        here = {name: bench.placed(cfg) for name, cfg in configs.items()}
        if arguments.match != "none" and target is None:
            target, owner = smallest(here, arguments.match)
            target_of = f"{owner}'s on {backbone}"
        for name, cfg in here.items():
            fixed = name == YARDSTICK or arguments.match == "none"
            found = (
                (cfg, measure_budget(cfg)) if fixed else matched_to(cfg, target, by=arguments.match, scope="decoder")
            )
            if isinstance(found, str):
                refused.append({"backbone": backbone, "model": name, "reason": found})
            else:
                placed.append(Placed(backbone, name, *found))
            done += 1
            tick(done, len(benches) * len(configs))
    return placed, target, target_of, refused


def smallest(configs: Mapping[str, Config], by: str) -> tuple[int, str]:
    """The size of the smallest decoder, the yardstick apart (unless it is alone), and its model."""
    sizes = {name: getattr(measure_budget(cfg).decoder, by) for name, cfg in configs.items() if name != YARDSTICK}
    owner = min(sizes, key=sizes.__getitem__) if sizes else YARDSTICK
    return (sizes[owner], owner) if sizes else (getattr(measure_budget(configs[YARDSTICK]).decoder, by), owner)


def decoders_on(backbone: str, placed: Sequence[Placed]) -> dict[str, Config]:
    return {each.decoder: each.cfg for each in placed if each.backbone == backbone}


def time_all(benches: Mapping[str, Bench], placed: Sequence[Placed], report: Report) -> dict[str, Record]:
    """The speed of every whole model, all of them in turn; models on one backbone share it in memory."""
    models = {}
    for each in placed:
        models[each.model] = build_model(each.cfg)
        models[each.model].backbone = benches[each.backbone].backbone.cpu()
    speeds = measure_speed(models, progress=report("timing in turn"))
    return {name: asdict(speed) for name, speed in speeds.items()}


def rows_of(placed: Sequence[Placed], done: Sequence[Record], speeds: Mapping[str, Record]) -> list[Record]:
    """What each decoder on each backbone is, costs and reaches; ``srocc`` is None where no training succeeded."""
    rows = []
    for each in placed:
        mine = [record["srocc"] for record in done if record["model"] == each.model]
        rows.append(
            {
                "model": each.model,
                "backbone": each.backbone,
                "decoder": each.decoder,
                "config": resolve_config(each.cfg),
                "hash": config_hash(each.cfg),
                "budget": each.budget.to_dict(),
                "speed": speeds.get(each.model),
                "srocc": asdict(median_iqr(mine)) if mine else None,
            }
        )
    return rows


def measured_rows(rows: Sequence[Record]) -> list[Record]:
    """The rows whose SROCC is defined on any split."""
    return [row for row in rows if row["srocc"] and is_defined(row["srocc"]["median"])]


def best_of(rows: Sequence[Record]) -> str | None:
    """The model with the highest median SROCC; None where none is defined."""
    best = max(measured_rows(rows), key=lambda row: row["srocc"]["median"], default=None)
    return best["model"] if best else None


def fronts(rows: Sequence[Record]) -> dict[str, list[str]]:
    """Of each cost: the models that no other beats in median SROCC at no more of it."""
    measured = measured_rows(rows)
    values = [row["srocc"]["median"] for row in measured]
    return {
        cost: [measured[i]["model"] for i in pareto_front([row["budget"][cost] for row in measured], values)]
        for cost in COSTS
    }


def compare_all(
    records: Sequence[Record], rows: Sequence[Record], best: str | None, data: RatedImages, splits: Sequence[Split]
) -> list[Record]:
    """Differences of the best to all others and of the decoders on each backbone, p values adjusted for all of them."""
    decoders: dict[tuple[str, str], list[str]] = {}
    ordered = sorted(rows, key=lambda row: row["model"] != best)  # the best comes first in every pair
    for first, second in itertools.combinations(ordered, 2):
        same = first["backbone"] == second["backbone"]
        if same or first["model"] == best:
            decoders[first["model"], second["model"]] = [first["decoder"], second["decoder"]] if same else []
    done = [record for record in records if "error" not in record]
    found = differences(done, parts_ratio(splits[0]), data, list(decoders))
    return [{**pair, "decoders": decoders[pair["first"], pair["second"]]} for pair in found]


if __name__ == "__main__":
    sys.exit(main())
