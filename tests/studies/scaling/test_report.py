"""The report of backbone sizes: random weights are called that, and what is undecided against the best is named."""

import pytest

from iqa_zoo.studies.scaling.report import make_figures, make_sentences, make_tables


@pytest.fixture
def results():
    rows = []
    for backbone, macs in (("small", 10**8), ("large", 10**9)):
        for decoder in ("a", "b", "probe"):
            budget = dict(params=macs // 10, macs=macs, decoder=dict(params=1000), moved={"dim": [8, 6]})
            srocc = dict(median=0.7, q1=0.6, q3=0.8)
            rows.append(
                dict(model=f"{decoder} on {backbone}", backbone=backbone, decoder=decoder, budget=budget, srocc=srocc)
            )
    rows[0]["srocc"] = None

    def pair(first, second, mean, verdict, decoders):
        row = dict(first=first, second=second, mean=mean, verdict=verdict, decoders=decoders)
        needed = "about 30 splits" if verdict == "undecided" else ""
        return dict(low=-1.0, high=1.0, wins=1, splits=6, p=0.5, margin=0.01, pairs=5, why="", needed=needed) | row

    return dict(
        rows=rows,
        differences=[
            pair("b on large", "a on large", 0.1, "ahead", ["b", "a"]),
            pair("b on large", "b on small", 0.1, "undecided", []),
            pair("b on large", "a on small", 0.001, "equivalent", []),
            pair("b on large", "probe on large", 0.1, "ahead", ["b", "probe"]),
            pair("probe on small", "b on small", 0.1, "ahead", ["probe", "b"]),
        ],
        best="b on large",
        front=dict(macs=["b on small"], params=[]),
        backbones=[dict(name="small", weights="random weights (seed 0)"), dict(name="large", weights="ImageNet weights")],
        refused=[dict(backbone="tiny", model="all", reason="it has no stage 3")],
        compared=["a", "b"],
        match="params",
        target=1000,
        target_of="a's on small",
        baseline="probe",
        backbone="backbone",
        weights="whose weights are below",
        protocol="frozen",
        selection="validation",
        threads=1,
        data=dict(name="toy", label="proxy: made up", images=40, contents=40),
        parts=dict(train=30, validation=2, test=8),
        splits=["s", "t"],
        recipe=dict(epochs=9, batch_size=16, lr=1e-3),
        baseline_lr=1e-2,
        crops=1,
    )  # fmt: skip


def test_tables(results):
    text = "\n".join(table.markdown() for table in make_tables(results))
    for words in (
        "RANDOM WEIGHTS: small never saw",
        "failed",
        "dim 8 → 6",
        "it has no stage 3",
        "LABELS ARE A PROXY",
        "1.00 k parameters",
        "probe on small ahead; b has not earned its parameters | - |",
        "| undecided | about 30 splits |",
    ):
        assert words in text


def test_a_note_says_that_the_best_was_chosen_by_its_result(results):
    note = next(note for note in make_tables({**results, "possible_pairs": 15})[1].notes if "chosen" in note)
    assert note.startswith("The best, b on large, is chosen by its median SROCC on these test parts")
    assert "adjusted for all 15 pairs" in note


def test_sentences_whichever_way_a_pair_stands(results):
    assert make_sentences(results) == [
        "The best median SROCC: b on large.",
        "Equivalent to it within 0.01 at fewer MACs: a on small.",
        "Undecided against it at fewer MACs: b on small.",
        "b and a at 1 backbones: b ahead at 1.",
        "b has not earned its parameters at 1 of 2 backbones, against probe: small (probe ahead).",
        "RANDOM WEIGHTS in small: a control, not a result.",
    ]


@pytest.mark.slow
def test_figures(results, tmp_path):
    figures = make_figures(results)
    assert set(figures) == {"scaling_macs", "scaling_params"}
    figures["scaling_macs"].savefig(tmp_path / "f.svg")
    assert "PROXY LABELS, 2 splits, RANDOM WEIGHTS" in (tmp_path / "f.svg").read_text()
