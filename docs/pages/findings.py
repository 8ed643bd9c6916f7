"""The findings of the README, from the records: every number is read, and a verdict that changes stops the program."""

from __future__ import annotations

from collections import Counter
from typing import Any

from iqa_zoo.reports.table import count
from pages.results import load_record

FOLDER = "benchmarks/results"


def find_pair(record: str, first: str, second: str, verdict: str) -> dict[str, Any]:
    """Return the difference of two models in a record.

    Raises:
        ValueError: its verdict is not the one that the sentence around it states.
    """
    pairs = load_record(record).differences
    pair = next(each for each in pairs if (each["first"], each["second"]) == (first, second))
    if pair["verdict"] != verdict:
        raise ValueError(f"{record}: {first} - {second} is {pair['verdict']}, not {verdict}; write its sentence again")
    return pair


def list_shares(first: str, second: str, verdict: str) -> list[dict[str, Any]]:
    """Return the differences of two models at every share of the data, in the record of data efficiency.

    Raises:
        ValueError: one has another verdict than the sentence around it states.
    """
    pairs = load_record("livec_box_data_efficiency").differences
    found = [each for each in pairs if (each["first"], each["second"]) == (first, second)]
    if {each["verdict"] for each in found} != {verdict}:
        raise ValueError(f"{first} - {second} is not {verdict} at every share; write its sentence again")
    return sorted(found, key=lambda each: each["fraction"])


def format_pair(pair: dict[str, Any]) -> str:
    return f"{pair['mean']:+.3f} [{pair['low']:+.3f}, {pair['high']:+.3f}]"


def format_loss(pair: dict[str, Any]) -> str:
    """Format how much the first model is behind, without signs."""
    return f"{-pair['mean']:.3f} [{-pair['high']:.3f}, {-pair['low']:.3f}]"


def count_parameters(model: str) -> str:
    matched = load_record("livec_box").values["matched"]
    return count(next(row["budget"]["decoder"]["params"] for row in matched if row["model"] == model))


def make_answer() -> str:
    """Return the answer of the picture in one line."""
    ahead = find_pair("livec_box", "lifeiqa", "deiqt", "ahead")
    find_pair("livec_box", "lifeiqa", "ridge_baseline", "undecided")
    find_pair("livec_box", "deiqt", "ridge_baseline", "behind")
    return (
        f"At the same size ({count_parameters('lifeiqa')} parameters), Life-IQA's decoder is ahead of DEIQT's by "
        f"{ahead['mean']:.3f} SROCC [{ahead['low']:.3f}, {ahead['high']:.3f}]. Neither is ahead of a ridge regression with "
        f"{count_parameters('ridge_baseline')} parameters."
    )


def make_findings() -> list[str]:
    """Return the five findings as Markdown, each with its verdict and its record."""
    life = find_pair("livec_box", "lifeiqa", "ridge_baseline", "undecided")
    deiqt = find_pair("livec_box", "deiqt", "ridge_baseline", "behind")
    lost = [
        format_loss(find_pair("livec_box_ablate", f"{variant}, matched", "lifeiqa", "behind"))
        for variant in ("memory from stage 4", "plain queries", "without cross-attention")
    ]
    for variant in ("GCN -> attention", "without GCN", "MoE -> FFN", "without MoE"):
        find_pair("livec_box_ablate", f"{variant}, matched", "lifeiqa", "undecided")
    place = "on deit_tiny_patch16_224"
    tiny = [
        find_pair("livec_scaling", f"{model} {place}", f"ridge_baseline {place}", "undecided")
        for model in ("lifeiqa", "deiqt")
    ]
    shares = list_shares("lifeiqa", "deiqt", "ahead")
    list_shares("lifeiqa", "ridge_baseline", "undecided")
    tuning = load_record("livec_box_tune")
    for pair in tuning.values["tuning"]["default_differences"]:
        find_pair("livec_box_tune", pair["first"], pair["second"], pair["verdict"])
    verdicts = Counter(claim["verdict"] for claim in load_record("livec_box_claims").values["claims"])
    claims = sum(verdicts.values())
    others = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items() if verdict != "holds")
    holds = [claim["id"] for claim in load_record("livec_box_claims").values["claims"] if claim["verdict"] == "holds"]
    if holds != ["stage_3_memory", "gcn_over_attention", "guided_queries", "share_20"]:
        raise ValueError(f"the claims that hold are {holds}; write their sentence again")
    rows = load_record("livec_box_claims").values["rows"]
    size = count(next(row["budget"]["decoder"]["params"] for row in rows if row["model"] == "self-attention"))
    return [
        f"**No decoder is ahead of ridge regression.** Life-IQA's is undecided ({format_pair(life)} SROCC), DEIQT's is behind "
        f"({format_pair(deiqt)}). {format_link('livec_box')}",
        f"**Three parts of Life-IQA matter.** At the same size it loses {lost[0]} with stage 4 as memory, {lost[1]} with plain queries "
        f"and {lost[2]} without cross-attention. Graph convolution and mixture of experts are undecided. "
        f"{format_link('livec_box_ablate')}",
        f"**A second backbone and tuning do not change this.** On DeiT-Ti, Life-IQA's decoder ({format_pair(tiny[0])}) and DEIQT's "
        f"({format_pair(tiny[1])}) are undecided against ridge. {format_link('livec_scaling')} With "
        f"{tuning.values['tuning']['trials']} tuning trials each, every verdict stays. {format_link('livec_box_tune')}",
        f"**Life-IQA's decoder needs fewer images than DEIQT's.** It is ahead from "
        f"{shares[0]['images']} images ({format_pair(shares[0])}) to {shares[-1]['images']} ({format_pair(shares[-1])}), and never "
        f"ahead of ridge. {format_link('livec_box_data_efficiency')}",
        f"**{len(holds)} of {claims} claims of the Life-IQA paper hold here** ({size} parameters): stage 3 as memory, graph convolution over "
        f"attention, guided queries, and Life-IQA over DEIQT with 20 % of the data. Others: {others}. "
        f"{format_link('livec_box_claims')}",
    ]


def list_includes() -> dict[str, str]:
    """Return what the first page includes, with links that hold from docs/."""
    findings = "\n".join(f"{i}. {finding}" for i, finding in enumerate(make_findings(), 1))
    return {
        "answer.txt": make_answer() + "\n",
        "findings.txt": findings.replace(f"({FOLDER}/", "(generated/results/") + "\n",
    }


def format_link(record: str) -> str:
    return f"[Table]({FOLDER}/{record}.md)"
