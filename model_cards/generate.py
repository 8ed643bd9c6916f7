"""Write the model cards: YAML facts, counted budgets and measured results, as Markdown.

python model_cards/generate.py            # write model_cards/*.md
python model_cards/generate.py --check    # exit 1 where a file is not what would be written

A trained model has model_cards/NAME.md and model_cards/pictures/NAME.png, which --check does not compare.

The plugins of this repository that are installed from here (pip install -e plugins/NAME) have theirs in plugins/NAME/MODEL_CARD.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from iqa_zoo.budgets import measure_budget
from iqa_zoo.cards import FOLDER, find_plugin_card_files
from iqa_zoo.cards.claims import read_claims
from iqa_zoo.config import model_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.reports.notes import list_protocol_notes
from iqa_zoo.reports.table import Table, count
from iqa_zoo.studies.claims.report import MATCHES
from iqa_zoo.studies.results import load_result
from iqa_zoo.trained.card import draw_battery, format_card
from iqa_zoo.trained.entry import read_trained
from iqa_zoo.trained.names import list_trained

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = ROOT / "benchmarks" / "results"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a card is out of date")
    check = parser.parse_args().check
    stale = []
    texts = {}
    for path, target in cards():
        base = ROOT if path.is_relative_to(FOLDER) else target.parent
        texts[target] = render(yaml.safe_load(path.read_text(encoding="utf-8")), path.relative_to(base).as_posix())
    for name in list_trained():
        entry = read_trained(name)
        texts[HERE / f"{name}.md"] = format_card(entry, f"pictures/{name}.png")
        if not check:
            (HERE / "pictures").mkdir(exist_ok=True)
            draw_battery(entry).savefig(HERE / "pictures" / f"{name}.png", dpi=100)
    for target, text in texts.items():
        if check:
            if not target.is_file() or target.read_text(encoding="utf-8") != text:
                stale.append(str(target.relative_to(ROOT)))
        else:
            target.write_text(text, encoding="utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python model_cards/generate.py", file=sys.stderr)
    return 1 if stale else 0


def cards() -> list[tuple[Path, Path]]:
    """Every card's YAML and the Markdown that it becomes."""
    own = [(path, HERE / f"{path.stem}.md") for path in sorted(FOLDER.glob("*.yaml"))]
    here = [path for path in find_plugin_card_files() if path.is_relative_to(ROOT / "plugins")]
    return own + [(path, path.parents[1] / "MODEL_CARD.md") for path in here]


def render(card: dict[str, Any], source: str) -> str:
    sections = [
        f"# {card['title']}",
        f"<!-- Written by model_cards/generate.py from {source}; edit that. -->",
        card["summary"].strip(),
        f"Paper: {card['paper'].strip()}",
    ]
    if not card["models"]:
        sections += ["## Why there is no model", card["no_model"].strip(), "## Published", published(card)]
    else:
        sections += ["## Budget", budgets(card["models"]).markdown(), "## Published", published(card)]
        sections += ["## Measured here", measured(card["models"]), "## Parity", card["parity"].strip()]
        if card.get("claims"):
            sections += ["## Claims", claims(card)]
    if card["decisions"]:
        sections += ["## Decisions", "\n".join(f"- {decision}" for decision in card["decisions"])]
    sections += ["## Licence", "\n".join(f"- {what}: {terms}" for what, terms in card["licence"].items())]
    return "\n\n".join(sections) + "\n"


def budgets(models: list[str]) -> Table:
    rows = []
    for name in models:
        budget, cfg = measure_budget(name), model_config(name)
        rows.append(
            [
                f"`{name}`",
                f"`{cfg['backbone'].get('name', cfg['backbone']['type'])}`",
                f"{budget.params:,}",
                f"{budget.active_params:,}",
                f"{budget.decoder.params:,}",
                count(budget.macs),
                count(budget.decoder.macs),
                f"`{config_hash(cfg)}`",
            ]
        )
    size = measure_budget(models[0]).image_size
    columns = ["model", "backbone", "params", "active", "decoder params", "MACs", "decoder MACs", "config"]
    note = "MACs: multiply-accumulates of matrix products and convolutions for one image; active: parameters one token meets."
    return Table(f"Counted, one image of {size} x {size}", columns, rows, [note], left=["model", "backbone", "config"])


def published(card: dict[str, Any]) -> str:
    if not card["published"]:
        return card["published_note"].strip()
    rows = [[f"`{r['model']}`", r["dataset"], f"{r['srocc']:.3f}", f"{r['plcc']:.3f}"] for r in card["published"]]
    table = Table(
        "As published, not measured here", ["model", "dataset", "SROCC", "PLCC"], rows, left=["model", "dataset"]
    )
    return f"{table.markdown()}\n\n{card['published_note'].strip()}"


def claims(card: dict[str, Any]) -> str:
    """The claims of the paper, and the command that tests them."""
    rows = [
        [
            f"`{claim.id}`",
            claim.sentence,
            f"{claim.ahead.name} over {claim.behind.name}",
            claim.source,
            MATCHES[claim.match],
            claim.note or "-",
        ]
        for claim in read_claims(card)
    ]
    columns = ["id", "claim", "sides", "source", "decoder sizes", "note"]
    command = f"`iqa-zoo claims {card['models'][0]}` tests each on one backbone, on the same splits and seeds; `--claims ID` some."
    return Table("One by one", columns, rows, [command], left=columns).markdown()


def measured(models: list[str]) -> str:
    """Every stored comparison that has one of the models in it, with its conditions; studies of parts are not of a model."""
    parts = []
    for path in sorted(RESULTS.glob("*.json")):
        results = load_result(path).values
        if "matched" not in results or not set(models) & set(results.get("summary", {})):
            continue
        sizes = {row["model"]: row["budget"]["decoder"]["params"] for row in results["matched"]}
        rows = [
            [
                f"`{name}`",
                count(sizes[name]),
                *(f"{row[m]['median']:.3f} [{row[m]['q1']:.3f}, {row[m]['q3']:.3f}]" for m in ("srocc", "plcc")),
            ]
            for name, row in results["summary"].items()
            if name in models
        ]
        columns = ["model", "decoder params", "SROCC [quartiles]", "PLCC [quartiles]"]
        frozen = results["protocol"] == "frozen"
        title = f"{results['data']['name']}, {'decoder alone on frozen' if frozen else 'end to end on'} {results['backbone']}"
        parts.append(
            Table(
                title,
                columns,
                rows,
                [
                    " ".join(list_protocol_notes(results)),
                    f"Record: benchmarks/results/{path.name}",
                ],
            )
        )
    return "\n\n".join(part.markdown() for part in parts) or "Nothing yet."


if __name__ == "__main__":
    sys.exit(main())
