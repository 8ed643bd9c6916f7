"""What the tables, sentences and plots of a swap matrix say of results."""

import copy
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.stats.effects import analyze_factors
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.studies.results import migrate_values
from iqa_zoo.studies.summaries import compute_differences, summarize_records
from iqa_zoo.studies.swap.levels import FACTORS
from iqa_zoo.studies.swap.report import make_figures, make_sentences, make_tables

PARTS = (["learned", "guided"], ["none", "query_gcn", "self_attention"], ["grid_pool"], ["linear", "moe"])
HEAD = dict(linear=-0.02, moe=0.02)


def made(missing=(), splits=5, gain=HEAD, noise=0.002):
    grid = [dict(zip(FACTORS, row, strict=True)) for row in itertools.product(*PARTS)]
    rng = np.random.default_rng(1)
    runs, rows = [], []
    for levels in grid:
        model = " / ".join(levels.values())
        if model in missing:
            continue
        decoder = dict(params=100_400, macs=5_000_000, active_params=90_000)
        moved = {"head.hidden": [1536, 320]} if levels["head"] == "moe" else {}
        rows.append(dict(model=model, levels=levels, budget=dict(decoder=decoder, moved=moved)))
        for split in range(splits):
            srocc = 0.7 + gain[levels["head"]] + 0.01 * split + noise * rng.standard_normal()
            runs.append(
                dict(model=model, split=str(split), seconds=1.0, **{**dict.fromkeys(METRICS, 0.5), "srocc": srocc})
            )
    for split in range(splits):
        record = dict(model="linear_probe", split=str(split), seconds=1.0, **dict.fromkeys(METRICS, 0.6))
        runs.append(record)
    table = np.array([[run["srocc"] for run in runs if run["model"] == row["model"]] for row in rows]).T
    summary = summarize_records(runs)
    first = max((row["model"] for row in rows), key=lambda model: summary[model]["srocc"]["median"])
    pairs = [(first, model) for model in summary if model != first]
    return dict(
        rows=rows,
        runs=runs,
        summary=summary,
        analysis={**analyze_factors(table, [row["levels"] for row in rows], 0.25), "why_no_sampling": "no predictions"},
        behind_first=compute_differences(runs, 0.25, None, pairs) if splits > 1 else [],
        refused=[dict(what="mixing block pyg_conv", combinations=4, reason="No module named 'torch_geometric'")],
        baseline="linear_probe",
        baseline_budget=dict(decoder=dict(params=65, macs=64)),
        baseline_lr=1e-3,
        data=dict(name="livec", images=1162, contents=1162, label="MOS"),
        splits=[str(i) for i in range(splits)],
        parts=dict(train=800, validation=100, test=200),
        recipe=dict(epochs=3, batch_size=8, lr=1e-4),
        protocol="frozen",
        selection="validation",
        backbone="resnet18",
        weights="ImageNet weights",
        crops=1,
        match="params",
        target=100_000,
        depth=2,
        dim=96,
        seconds=1.0,
    )


@pytest.fixture(scope="module")
def results():
    return made()


def test_every_part_has_its_verdict(results):
    lines = make_sentences(results)
    assert lines[0] == "What matters: head."
    assert re.fullmatch(
        r"head \(100% of the variance\), against the mean of all: ahead: moe \+0\.02\d \[\S+, \S+\]; "
        r"behind: linear -0\.02\d \[\S+, \S+\]\.",
        lines[1],
    )
    text = " ".join(lines)
    assert "queries (0% of the variance), against the mean of all: equivalent within 0.01: " in text
    assert "mixing block (0% of the variance), against the mean of all: equivalent within 0.01: " in text
    assert "7 interactions of two parts: 7 equivalent." in text
    assert "grid_pool" not in " ".join(lines[:-1])  # one level is no factor
    assert re.search(r"is ahead of linear_probe by 0\.\d+ SROCC", lines[-1])


def test_where_nothing_is_decided_it_says_what_would_decide():
    lines = make_sentences(made(gain=dict(linear=0.0, moe=0.0), noise=0.05))
    assert lines[0] == "No part is shown to be better or worse than the mean of its kind."
    undecided = [line for line in lines if ": undecided; about" in line]
    assert any(line.startswith("mixing block") for line in undecided)
    assert all(line.endswith("would decide, if mean and spread stay as they are.") for line in undecided)
    assert any(line.startswith("The largest that is undecided: ") for line in lines)


@pytest.mark.parametrize("splits", [1, 2])
def test_few_splits_decide_nothing_and_the_parts_share_a_line(splits):
    lines = make_sentences(made(splits=splits))
    assert lines[0] == "No part is shown to be better or worse than the mean of its kind."
    assert (
        "queries learned, guided; mixing block none, query_gcn, self_attention; head linear, moe: undecided; "
        "a verdict needs at least 5 splits." in lines
    )


def test_equal_scores_are_equivalent():
    lines = make_sentences(made(gain=dict(linear=0.0, moe=0.0), noise=0.0))
    assert "7 interactions of two parts: 7 equivalent." in lines
    assert "head (0% of the variance), against the mean of all: equivalent within 0.01: linear +0.000" in " ".join(
        lines
    )


def test_the_first_has_not_earned_its_parameters_where_it_is_not_ahead_of_the_baseline():
    results = made(gain=dict(linear=-0.1, moe=-0.12))
    assert "has not earned its parameters" in make_sentences(results)[-1]


def test_the_tables_hold_every_level_and_combination(results):
    main, interactions, combinations, refused = make_tables(results)
    assert [row[:3] for row in main.rows[:2]] == [["queries", "learned", "6"], ["queries", "guided", "6"]]
    assert [row[-2:] for row in main.rows if row[0] == "head"] == [["behind", "-"], ["ahead", "-"]]
    notes = " ".join(main.notes)
    assert "The table is complete: 12 combinations" in notes
    assert "adjusted for 5 contrasts" in notes  # one each of queries and head, three of the mixing block
    assert "without the error of sampling the test images (no predictions)" in notes
    assert "may be up to 0.02 apart" in notes
    assert len(interactions.rows) == 3 + 1 + 3
    assert len(combinations.rows) == 12 + 1
    assert combinations.rows[0][4] == "moe"
    assert combinations.rows[0][6] == "-"
    assert combinations.rows[-2][6].endswith(", behind")
    assert combinations.rows[-1][1] == "linear_probe"
    assert {row[-1] for row in combinations.rows[:6]} == {"head.hidden 1536 → 320"}
    notes = " ".join(combinations.notes)
    assert "within 0.4%" in notes
    assert re.search(r"To the first, of the other 11: \d behind, \d equivalent", notes)
    assert refused.rows == [["mixing block pyg_conv", "4", "No module named 'torch_geometric'"]]


def test_missing_combinations_are_said():
    results = made(missing=["guided / query_gcn / grid_pool / moe"])
    notes = " ".join(make_tables(results)[0].notes)
    assert "Combinations are missing, 11 are there" in notes
    assert "least-squares" in notes


def test_a_failed_combination_stands_last_among_them():
    results = made()
    lost = results["rows"][0]["model"]
    del results["summary"][lost]
    rows = make_tables(results)[-2].rows
    assert rows[-2][5] == "failed"


def test_a_combination_that_is_undefined_on_a_split_has_no_rank(results):
    """The first is one that is defined on every split, though the median of another over fewer splits is higher."""
    results = copy.deepcopy(results)
    first = results["behind_first"][0]["first"]
    other = next(row["model"] for row in results["rows"] if row["model"] != first)
    results["summary"][other]["srocc"] |= dict(median=0.9, q1=0.9, q3=0.9, undefined=1)
    combinations = make_tables(results)[-2]
    assert " / ".join(combinations.rows[0][1:5]) == first
    assert combinations.rows[0][0] == "1"
    assert combinations.rows[-2][0] == "-"
    assert " / ".join(combinations.rows[-2][1:5]) == other
    assert "-: a training failed, or the SROCC is undefined on a split; no rank." in combinations.notes


def test_a_note_says_that_the_first_was_chosen_by_its_result(results):
    chosen = "The first is chosen by its median SROCC on these test parts"
    new, old = (make_tables({**results, **more})[-2].notes for more in ({"possible_pairs": 78}, {}))
    assert any(note.startswith(chosen) and "adjusted for all 78 pairs" in note for note in new)
    assert any(note.startswith(chosen) and "do not allow for the choice" in note for note in old)
    without = make_tables({**results, "behind_first": []})[-2].notes
    assert not any(note.startswith(("The first", "To the first")) for note in without)


@pytest.mark.slow
def test_results_survive_json_and_are_drawn(results, tmp_path):
    again = json.loads(json.dumps(results))
    assert [table.markdown() for table in make_tables(again)] == [table.markdown() for table in make_tables(results)]
    figures = make_figures(made(missing=["guided / query_gcn / grid_pool / moe"]))
    assert set(figures) == {"main_effects", "matrix"}
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
    labels = [label.get_text() for label in figures["matrix"].axes[0].get_xticklabels()]
    assert labels[:2] == ["none, linear", "none, moe"]
    rows = [label.get_text() for label in figures["main_effects"].axes[0].get_yticklabels()]
    assert rows[-2:] == ["head: linear", "head: moe"]


def test_a_drawn_table_says_of_how_many():
    results = made(missing=["guided / query_gcn / grid_pool / moe"])
    assert "11 of 1,200 combinations, drawn so that each part" in " ".join(
        make_tables({**results, "drawn_of": 1200})[0].notes
    )


def test_effects_of_an_earlier_schema_get_a_verdict():
    def keep(row, tie, verdict):
        numbers = {"effect": row["mean"], "low": row["low"], "high": row["high"], "p": 0.01, "p_holm": 0.02}
        named = {
            key: row[key] for key in ("factor", "factors", "level", "levels", "combinations", "srocc") if key in row
        }
        return {**named, **numbers, "tie": tie, "verdict": verdict}

    for splits, expected in (
        (5, {"better": "ahead", "worse": "behind", "undecided, once adjusted": "undecided"}),
        (2, {}),
    ):
        values = made(splits=splits)
        analysis = values["analysis"]
        del analysis["why_no_sampling"]
        analysis["interactions"] = [keep(row, True, "undecided") for row in analysis["interactions"]]
        effects = []
        for row in analysis["main"]:
            verdict = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "undecided, once adjusted"
            effects.append(keep(row, verdict.startswith("undecided"), verdict))
        analysis["main"] = effects
        for pair in values["behind_first"]:
            pair |= {"tie": pair["low"] <= 0 <= pair["high"], "p_holm": 0.5}
        read = migrate_values(json.loads(json.dumps({**values, "schema": 2, "study": "swap"})), Path("results.json"))
        for old, row in zip(effects, read["analysis"]["main"], strict=True):
            assert row["mean"] == old["effect"]
            assert row["verdict"] == expected.get(old["verdict"], "undecided")
            assert (row["p"], row["margin"]) == (0.02, None)
        assert "Results of an earlier version" in " ".join(make_tables(read)[0].notes)
        assert make_sentences(read)
