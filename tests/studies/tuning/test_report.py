"""The tables and sentences of a tuning say what its results say."""

import pytest

from iqa_zoo.studies.tuning.report import describe_tuning, make_tuning_sentences, make_tuning_tables


def pair(first, second, mean, verdict):
    return dict(
        first=first, second=second, mean=mean, low=mean - 0.01, high=mean + 0.01, wins=2, splits=5, count=5, p=0.5, margin=0.01,
        pairs=1, verdict=verdict, why="",
    )  # fmt: skip


def choice(trial, lr, decay, dropout, epochs, srocc):
    return dict(split="x", trial=trial, lr=lr, weight_decay=decay, dropout=dropout, epochs=epochs, srocc=srocc)


def trial(split, number, share, srocc, error=None):
    return dict(split=split, trial=number, share=share, srocc=srocc, error=error)


@pytest.fixture
def results():
    spread = dict(median=0.8, q1=0.79, q3=0.81)
    trials = [trial("s", 2, 1 / 3, 0.7), trial("s", 3, 1 / 3, None, "nan"), trial("s", 1, 1, 0.8), trial("s", 2, 1, 0.85),
              trial("t", 2, 1 / 3, 0.6), trial("t", 3, 1 / 3, 0.9), trial("t", 1, 1, 0.82), trial("t", 3, 1, 0.7)]  # fmt: skip
    return dict(
        splits=["s", "t"],
        summary={"a": dict(srocc={**spread, "median": 0.83}), "b": dict(srocc=spread)},
        differences=[pair("a", "b", 0.03, "ahead"), pair("a", "ridge", 0.05, "ahead")],
        tuning=dict(
            trials=3,
            once=False,
            survivors=2,
            parts=dict(train=70, validation=10),
            own_validation=False,
            design=[
                dict(trial=1, lr=1e-3, weight_decay=0.05, dropout=None, epochs=12),
                dict(trial=2, lr=2e-3, weight_decay=0.1, dropout=0.2, epochs=20),
                dict(trial=3, lr=5e-3, weight_decay=0.1, dropout=0.3, epochs=6),
            ],
            fitted=["ridge"],
            models={
                "a": dict(
                    dropout_keys={"head.dropout": 0.1},
                    trials=trials,
                    chosen=[choice(2, 2e-3, 0.1, 0.2, 20, 0.85), choice(1, 1e-3, 0.05, 0.1, 12, 0.82)],
                ),
                "b": dict(dropout_keys={}, trials=trials[2:3], chosen=[choice(1, 1e-3, 0.05, None, 12, 0.8)] * 2),
            },
            worth=[pair("a tuned", "a", 0.02, "ahead"), pair("b tuned", "b", 0.0, "equivalent")],
            default_summary={"a": spread, "b": spread},
            default_differences=[pair("a", "b", 0.01, "undecided"), pair("a", "ridge", 0.04, "ahead")],
        ),
    )


def read_rows(table):
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_the_choices_are_medians_with_their_range(results):
    rows = read_rows(make_tuning_tables(results)[0])
    assert rows["a"]["learning rate"] == "1.50e-03 [1.00e-03, 2.00e-03]"
    assert rows["a"]["dropout"] == "0.15 [0.10, 0.20]"
    assert rows["a"]["epochs"] == "16 [12, 20]"
    assert rows["a"]["default chosen"] == "1 of 2"
    assert rows["b"]["dropout"] == "-"
    assert rows["b"]["learning rate"] == "1.00e-03"
    assert rows["b"]["default chosen"] == "2 of 2"


def test_what_tuning_was_worth_has_its_verdict(results):
    rows = read_rows(make_tuning_tables(results)[1])
    assert rows["a tuned - default"]["default"] == "0.800 [0.790, 0.810]"
    assert rows["a tuned - default"]["tuned"].startswith("0.830")
    assert rows["a tuned - default"]["verdict"] == "a tuned ahead"
    assert rows["b tuned - default"]["verdict"] == "equivalent within 0.01"


def test_the_trials_say_who_stopped_and_who_was_chosen(results):
    rows = read_rows(make_tuning_tables(results)[2])
    assert [row["a"] for row in rows.values()] == [
        "0.810, chosen on 1", "0.850, on 1 of 2, chosen on 1", "0.700, on 1 of 2"
    ]  # fmt: skip
    assert rows["1, default"]["dropout"] == "own"
    assert rows["2"]["b"] == "stopped"


def test_the_notes_name_what_is_special(results):
    text = "\n".join(describe_tuning(results["tuning"]))
    for part in (
        "3 trials for every decoder", "2 of 3 get all their epochs", "other three only: b.", "cross-validation: ridge.",
        "a: 1 of 8 trainings of trials failed", "judged by the SROCC of 10 validation images",
    ):  # fmt: skip
        assert part in text
    assert "--tune-once" not in text
    results["tuning"] |= dict(once=True, own_validation=True)
    results["tuning"]["models"]["b"]["chosen"][0]["srocc"] = None
    text = "\n".join(describe_tuning(results["tuning"]))
    assert "first split only (--tune-once)" in text
    assert "held out from the training part" in text
    assert "b: all trials were lost on 2 of 2 splits" in text  # both entries are one object


def test_the_sentences_say_whether_a_verdict_changed(results):
    lines = make_tuning_sentences(results)
    assert lines[0].startswith("a tuned is ahead of a with the default recipe by 0.020 SROCC")
    assert lines[1] == "b: the default recipe was chosen on every split, so tuning changed nothing."
    assert lines[2:] == [
        "a and b: tuning changed the verdict, from undecided with the default recipe to a ahead.",
        "a and ridge: tuning did not change the verdict, a ahead.",
    ]


def test_a_worth_below_the_margin_is_equivalent(results):
    results["tuning"]["models"]["b"]["chosen"] = [choice(2, 1e-3, 0.05, None, 12, 0.8)]
    line = make_tuning_sentences(results)[1]
    assert line.startswith("b tuned and b with the default recipe are equivalent within 0.01")


def test_a_study_without_tuning_has_nothing_to_say():
    assert make_tuning_tables({"summary": {}}) == []
    assert make_tuning_sentences({"differences": []}) == []
