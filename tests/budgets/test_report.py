"""Budgets as rows, tables and JSON."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from iqa_zoo.budgets import list_budget_rows, match_budget, measure_budget, print_budgets

CFG = dict(
    dim=24,
    backbone=dict(type="timm_features", name="resnet18", image_size=64),
    queries=dict(type="class_token"),
    memory=dict(type="tokens"),
    interactions=[dict(type="cross_attention"), dict(type="feed_forward", hidden=48)] * 2,
    head=dict(type="linear"),
    losses=[],
)


@pytest.mark.slow
def test_rows_add_up():
    rows = list_budget_rows({"model 1": measure_budget(CFG)})
    parts = {row["part"]: row for row in rows}
    slots = ["backbone", "queries", "memory", "interactions", "head"]
    assert list(parts) == [*slots, "decoder", "whole"]
    for size in ("params", "trainable_params", "active_params", "macs"):
        assert sum(parts[slot][size] for slot in slots) == parts["whole"][size]
        assert parts["whole"][size] - parts["backbone"][size] == parts["decoder"][size]
    assert rows[0]["model"] == "model 1"


@pytest.mark.slow
def test_the_printed_report_says_what_was_counted_and_what_was_not():
    matched, budget = match_budget(CFG, int(1.1 * measure_budget(CFG).decoder.params))
    out = io.StringIO()
    print_budgets(Console(file=out, width=140), {"ours": budget})
    text = out.getvalue()
    assert "MACs" in text
    assert "convolution" in text
    assert "kernel area" in text
    assert "not counted as MACs: batch_norm" in text
    assert f"moved interactions.*.hidden 48 → {matched['interactions'][1]['hidden']}" in text


@pytest.mark.slow
def test_to_dict_is_json_and_complete():
    _, budget = match_budget(CFG, int(1.1 * measure_budget(CFG).decoder.params))
    plain = json.loads(json.dumps(budget.to_dict()))
    assert plain["params"] == budget.params
    assert plain["by_slot"]["head"]["macs"] == 6 * 24
    assert plain["decoder"]["params"] == budget.decoder.params
    assert plain["by_block"]["interactions.1"]["params"] == budget.by_block["interactions.1"].params
    assert plain["moved"]["interactions.1.hidden"][0] == 48
    assert sum(plain["macs_by_operator"].values()) == plain["macs"]
