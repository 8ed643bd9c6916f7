"""What each decoder on each backbone costs and reaches, and how they differ."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from iqa_zoo.budgets import Budget
from iqa_zoo.config import Config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.reports.plots import find_pareto_front
from iqa_zoo.stats.summary import is_defined, summarize_values
from iqa_zoo.studies.matching import describe_model
from iqa_zoo.studies.protocol import compute_parts_ratio
from iqa_zoo.studies.runner import Record
from iqa_zoo.studies.scaling.report import COSTS
from iqa_zoo.studies.summaries import compute_differences


@dataclass(frozen=True)
class Placed:
    """A decoder on a backbone; ``model`` names the two together."""

    backbone: str
    decoder: str
    cfg: Config
    budget: Budget

    @property
    def model(self) -> str:
        return f"{self.decoder} on {self.backbone}"


def make_rows(placed: Sequence[Placed], done: Sequence[Record], speeds: Mapping[str, Record]) -> list[Record]:
    """Return a row per decoder and backbone; ``srocc`` is None where no training succeeded."""
    rows = []
    for each in placed:
        mine = [record["srocc"] for record in done if record["model"] == each.model]
        rows.append(
            {
                "backbone": each.backbone,
                "decoder": each.decoder,
                **describe_model(each.model, each.cfg, each.budget),
                "speed": speeds.get(each.model),
                "srocc": asdict(summarize_values(mine)) if mine else None,
            }
        )
    return rows


def select_measured(rows: Sequence[Record]) -> list[Record]:
    """Return the rows whose SROCC is defined on any split."""
    return [row for row in rows if row["srocc"] and is_defined(row["srocc"]["median"])]


def choose_best(rows: Sequence[Record]) -> str | None:
    """Return the model with the highest median SROCC; None where none is defined."""
    best = max(select_measured(rows), key=lambda row: row["srocc"]["median"], default=None)
    return best["model"] if best else None


def find_fronts(rows: Sequence[Record]) -> dict[str, list[str]]:
    """Return, for each cost, the models that no other beats in median SROCC at no more of it."""
    measured = select_measured(rows)
    values = [row["srocc"]["median"] for row in measured]
    return {
        cost: [measured[i]["model"] for i in find_pareto_front([row["budget"][cost] for row in measured], values)]
        for cost in COSTS
    }


def compare_models(
    records: Sequence[Record],
    rows: Sequence[Record],
    best: str | None,
    data: RatedImages,
    splits: Sequence[Split],
    margin: float,
) -> list[Record]:
    """Return the differences of the best to all others and of the decoders on each backbone.

    As the best is chosen by its result, they are adjusted for every two models whose SROCC is defined.
    """
    decoders: dict[tuple[str, str], list[str]] = {}
    ordered = sorted(rows, key=lambda row: row["model"] != best)  # the best comes first in every pair
    for first, second in itertools.combinations(ordered, 2):
        same = first["backbone"] == second["backbone"]
        if same or first["model"] == best:
            decoders[first["model"], second["model"]] = [first["decoder"], second["decoder"]] if same else []
    done = [record for record in records if "error" not in record]
    possible = math.comb(len(select_measured(rows)), 2)
    found = compute_differences(
        done, compute_parts_ratio(splits[0]), data, list(decoders), margin=margin, comparisons=max(1, possible)
    )
    return [{**pair, "decoders": decoders[pair["first"], pair["second"]]} for pair in found]
