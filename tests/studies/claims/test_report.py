"""What the report of a test of claims says of made-up results: every verdict, and what cannot be tested."""

import math
from dataclasses import asdict

import pytest

from iqa_zoo.cards.claims import Claim, Side
from iqa_zoo.stats.paired import paired
from iqa_zoo.studies.claims.report import make_figures, make_sentences, make_tables
from iqa_zoo.studies.claims.sides import ClaimTest
from iqa_zoo.studies.claims.study import describe_test
from iqa_zoo.studies.results import StudyResult
from iqa_zoo.studies.study import plan_study

BEHIND = [0.80, 0.82, 0.79, 0.81, 0.83, 0.80, 0.82, 0.79, 0.81, 0.83]
WIGGLE = [0.001, -0.001] * 5
GAPS = {  # of the side that the paper says is ahead
    "holds": [0.05 + each for each in WIGGLE],
    "does not hold": [-0.05 + each for each in WIGGLE],
    "equivalent": WIGGLE,
    "undecided": [0.06, -0.05] * 5,
}


def make_pair(name, gaps):
    found = paired([b + gap for b, gap in zip(BEHIND, gaps, strict=True)], BEHIND, test_train_ratio=0.25, pairs=6)
    return dict(
        first="lifeiqa",
        second=name,
        **asdict(found),
        verdict=found.verdict,
        wins=sum(gap > 0 for gap in gaps),
        splits=10,
        undefined=0,
        why="",
    )


def make_test(name, why=""):
    claim = Claim(
        f"over {name}", f"Life-IQA beats {name}.", "table 3", Side("lifeiqa", "lifeiqa"), Side(name, "lifeiqa")
    )
    return ClaimTest(claim, "" if why else "lifeiqa", "" if why else name, why=why)


def make_row(model, params, share=1.0):
    return dict(
        model=model, share=share, budget=dict(decoder=dict(params=params, active_params=params, macs=params), moved={})
    )


@pytest.fixture
def results():
    pairs = [make_pair(name, gaps) for name, gaps in GAPS.items()]
    nothing = dict.fromkeys(("mean", "low", "high", "p"), math.nan)
    pairs.append(
        {
            **pairs[0],
            **nothing,
            "second": "constant",
            "verdict": "undecided",
            "why": "constant: all scores are equal on split x",
        }
    )
    tests = [make_test(name) for name in (*GAPS, "constant", "crashed")] + [
        make_test("stage 1", "the box holds stage 4, not stage 1")
    ]
    names = ["ridge_baseline", "lifeiqa", *GAPS, "constant", "crashed"]
    spread = dict(srocc=dict(median=0.8, q1=0.7, q3=0.9), seconds=2.0)
    failed = dict(model="crashed", split="x", error="InputError: the loss is nan")
    return dict(
        study="claims", schema=3, about="lifeiqa", baseline="ridge_baseline", baseline_reads=["stage 3"], equal="steps", of_claims=7,
        claims=[describe_test(test, pairs, plan_study("claims", ["lifeiqa"], splits=10, epochs=3)) for test in tests],
        rows=[*(make_row(name, 1000) for name in names[:-1]), make_row("crashed", 500, share=0.2)],
        runs=[failed], summary=dict.fromkeys(names[:-1], spread), differences=pairs,
        protocol="frozen", data=dict(name="livec", images=1162, contents=1162, label="MOS"), backbone="resnet18", weights="ImageNet weights",
        splits=["x"] * 10, parts=dict(train=8, validation=1, test=2), crops=4, selection="last",
        recipe=dict(epochs=3, batch_size=2, lr=0.1, precision="float32"), seconds=1.0,
    )  # fmt: skip


@pytest.mark.slow
def test_every_verdict_in_the_table(results):
    verdicts = make_tables(results)[0]
    assert [row[verdicts.columns.index("verdict")] for row in verdicts.rows] == [
        "holds", "does not hold; does not hold is ahead", "equivalent within 0.01", "undecided", "undefined", "failed", "not testable",
    ]  # fmt: skip
    assert verdicts.rows[0][:6] == ["over holds", "lifeiqa", "holds", "+0.050", verdicts.rows[0][4], "10 of 10"]
    assert verdicts.rows[1][3] == "-0.050"
    assert verdicts.rows[3][-1].startswith("about ")
    assert verdicts.rows[6][3:] == ["-", "-", "-", "not testable", "-"]
    notes = " ".join(verdicts.notes)
    assert "Adjusted for the 7 claims of the card" in notes
    assert "1 of 1 training failed" in notes


@pytest.mark.slow
def test_a_sentence_for_each_claim_the_decided_ones_first(results):
    holds, reversed_, equivalent, undecided, undefined, failed, untestable = make_sentences(results)
    assert holds.startswith("over holds: holds (+0.050 [")
    assert holds.endswith("ahead in 10 of 10 splits). The claim: Life-IQA beats holds.")
    assert reversed_.startswith("over does not hold: does not hold; does not hold is ahead (-0.050 [")
    assert equivalent.startswith("over equivalent: equivalent within 0.01 (+0.000 [")
    assert "would decide" in undecided
    assert (
        undefined
        == "over constant: undefined, as constant: all scores are equal on split x. The claim: Life-IQA beats constant."
    )
    assert failed == "over crashed: failed, as no split has both sides. The claim: Life-IQA beats crashed."
    assert untestable == (
        "over stage 1: not testable on these data, as the box holds stage 4, not stage 1. The claim: Life-IQA beats stage 1."
    )


@pytest.mark.slow
def test_each_claim_with_its_source_sizes_and_command(results):
    claims = make_tables(results)[1]
    assert claims.rows[0] == [
        "over holds: Life-IQA beats holds.", "table 3", "sizes as they are: 1.00 k and 1.00 k", "-",
        "iqa-zoo claims lifeiqa --claims 'over holds' --splits 10 --epochs 3",
    ]  # fmt: skip
    assert claims.rows[-1][2] == "-"


@pytest.mark.slow
def test_what_was_trained_with_the_baseline_and_what_failed(results):
    trained = make_tables(results)[2]
    assert [row[0] for row in trained.rows] == ["ridge_baseline", "lifeiqa", *GAPS, "constant", "crashed"]
    assert trained.rows[0][-3:] == ["baseline", "0.800 [0.700, 0.900]", "2.0"]
    assert trained.rows[-1][-3:] == ["as it is", "failed", "failed"]
    assert trained.rows[-1][1] == "20%"
    assert "more epochs to be selected from" in trained.notes[1]


@pytest.mark.slow
def test_the_figure_has_a_row_for_each_difference(results):
    [(name, figure)] = make_figures(results).items()
    assert name == "claims"
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["over holds", "over does not hold", "over equivalent", "over undecided"]
    assert make_figures({**results, "differences": []}) == {}


@pytest.mark.slow
def test_the_verdict_is_kept_with_the_claim(results):
    assert [claim["verdict"] for claim in results["claims"]] == [*GAPS, "undefined", "failed", "not testable"]
    assert StudyResult(results).verdict().count("\n") == 6


@pytest.mark.slow
def test_nothing_but_claims_that_cannot_be_tested(results):
    only = {**results, "claims": results["claims"][-1:], "differences": [], "runs": []}
    assert [row[-2] for row in make_tables(only)[0].rows] == ["not testable"]
    assert len(make_sentences(only)) == 1
