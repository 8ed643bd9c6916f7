"""iqa-zoo layer-probe as a user runs it: levels of a backbone, its control, what is left out, and the sentences."""

import json

import pytest
import timm
from safetensors.torch import save_file

from iqa_zoo.cli import main
from iqa_zoo.errors import IqaZooError
from iqa_zoo.studies.layer_probe.probing import build_probed
from iqa_zoo.studies.layer_probe.report import make_sentences
from iqa_zoo.studies.study import plan_study


@pytest.fixture(scope="module")
def weights(noise_folder):
    save_file(timm.create_model("test_resnet").state_dict(), noise_folder / "w.safetensors")
    return "test_resnet=w.safetensors"


def test_the_whole_study(noise_folder, run_study, weights, monkeypatch):
    first = run_study(
        "layer-probe", noise_folder, "--backbones", "test_resnet", "resnet18", "--weights", weights, "--data", "table",
        "--root", "photos", "--out", "probe", "--json", "p.json", "--markdown", "p.md", "--csv", "p.csv", "--html", "p.html",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    assert "left out: resnet18: no weights" in first.stderr
    results = json.loads((noise_folder / "p.json").read_text())
    assert [(each["backbone"], each["control"]) for each in results["probed"]] == [
        ("test_resnet", False),
        ("test_resnet", True),
    ]
    assert len(results["runs"]) == 2 * (4 * 2 + 1) * 2  # trained and random, levels, heads and the baseline, splits
    assert results["baseline"] == "ridge_baseline"
    assert [row["model"] for row in results["baseline_rows"]] == [
        "test_resnet, ridge_baseline",
        "test_resnet, random weights, ridge_baseline",
    ]
    for row in results["rows"] + results["baseline_rows"]:
        mine = [run["srocc"] for run in results["runs"] if run["model"] == row["model"]]
        assert row["srocc"]["median"] == pytest.approx(sum(mine) / 2)
    assert {row["channels"] for row in results["baseline_rows"]} == {
        sum(row["channels"] for row in results["rows"] if row["head"] == "ridge" and not row["control"])
    }
    kinds = [pair["what"] for pair in results["differences"]]
    assert (kinds.count("deeper"), kinds.count("trained"), kinds.count("baseline")) == (2 * 3, 2 * 4, 2)
    assert len({frozenset((pair["first"], pair["second"])) for pair in results["differences"]}) == len(kinds)
    possible = 2 * (
        4 * 3 // 2 + 4 + 4
    )  # each head: any two of four levels, any with the baseline, trained against random
    assert results["possible_pairs"] == possible > len(kinds)
    assert {pair["pairs"] for pair in results["differences"]} == {possible}
    page = (noise_folder / "p.md").read_text()
    assert "The best level of a backbone is chosen by its median SROCC on these test parts" in page
    assert f"adjusted for all {possible} pairs that the choice could have led to" in page
    assert "Left out" in page
    assert (noise_folder / "p.csv").read_text().startswith("backbone,control,level,head,")
    for name in ("probe_linear.png", "probe_ridge.svg"):
        assert (noise_folder / "probe" / name).is_file()
    page = (noise_folder / "p.html").read_text()
    assert "test_resnet, random weights" in page
    monkeypatch.chdir(noise_folder)
    assert main(["layer-probe", "--from", "probe", "--markdown", "again.md"]) == 0
    assert (noise_folder / "again.md").read_text() == (noise_folder / "p.md").read_text()


def test_no_weights_at_all_stops_and_says_what_to_give():
    spec = plan_study("layer_probe", backbones=["resnet18"])
    with pytest.raises(IqaZooError, match=r"no backbone is left: resnet18: no weights: give --weights NAME=FILE"):
        build_probed(spec)


def make_results(medians, others=None, control=()):
    """Levels 1, 2, ... of one backbone with these medians. Deeper is ahead or behind by them, but for ``others``."""

    def row(level, median, random):
        name = f"b{', random weights' if random else ''}, stage {level}, ridge"
        return dict(model=name, backbone="b", control=random, level=f"stage {level}", head="ridge",
                    srocc=dict(median=median, q1=median, q3=median))  # fmt: skip

    def pair(first, second, mean, verdict, what):
        needed = "about 12 splits" if verdict == "undecided" else ""
        return dict(first=first["model"], second=second["model"], mean=mean, low=mean - 0.01, high=mean + 0.01, wins=5, splits=10,
                    margin=0.01, verdict=verdict, needed=needed, what=what)  # fmt: skip

    trained = [row(i, m, False) for i, m in enumerate(medians, 1)]
    random = [row(i, m, True) for i, m in enumerate(control, 1)]
    pairs = []
    for i, shallow in enumerate(trained, 1):
        for j, deep in enumerate(trained[i:], i + 1):
            mean = deep["srocc"]["median"] - shallow["srocc"]["median"]
            verdict = (others or {}).get((i, j), "ahead" if mean > 0 else "behind")
            pairs.append(pair(deep, shallow, mean, verdict, "deeper"))
    pairs += [pair(a, b, 0.1, "ahead", "trained") for a, b in zip(trained, random, strict=False)]
    return dict(probed=[dict(backbone="b", control=False)], heads=["ridge"], rows=trained + random, differences=pairs)


def test_the_sentence_says_what_the_verdicts_support():
    rising = make_sentences(make_results([0.3, 0.5, 0.7], control=[0.2, 0.4, 0.3]))[0]
    assert "best at stage 3 (0.700), ahead of every other level; every level is better than the one before it" in rising
    assert "should read stage 3. With random weights the best is 0.400, at stage 2; " in rising
    assert rising.endswith("trained against random, level by level: 3 ahead.")
    close, needed, _ = make_sentences(make_results([0.3, 0.69, 0.7], {(2, 3): "undecided"}))
    assert "best at stage 3 (0.700), ahead of stage 1, undecided against stage 2; " in close
    assert "each level against the one before it: 1 ahead, 1 undecided" in close
    assert "should read stage 3 or stage 2" in close
    assert needed == (
        "b, ridge: stage 3 against stage 2: undecided; about 12 splits would decide, if mean and spread stay as they are."
    )
    level = make_sentences(make_results([0.3, 0.699, 0.7], {(2, 3): "equivalent"}))
    assert "ahead of stage 1, equivalent to stage 2" in level[0]
    assert "should read stage 3 or stage 2" in level[0]
    assert len(level) == 2
    falling = make_sentences(make_results([0.3, 0.7, 0.5]))[0]
    assert "depth does not always help: stage 3 below stage 2" in falling
    fading = make_sentences(make_results([0.7, 0.69, 0.6], {(1, 2): "undecided", (2, 3): "undecided"}))[0]
    assert "depth does not always help: stage 3 below stage 1" in fading  # no step alone, but the whole way


def test_a_level_alone_and_a_level_without_a_difference_are_described():
    assert make_sentences(make_results([0.5]))[0] == "b, ridge: best at stage 1 (0.500)."
    failed = make_results([0.3, 0.5])
    failed["differences"][0] |= dict(mean=None, low=None, high=None, verdict="undecided")
    [line, _] = make_sentences(failed)
    assert "not compared to stage 1; some steps of depth cannot be judged, as an SROCC is undefined" in line


def test_all_levels_together_are_compared_with_the_best():
    results = make_results([0.3, 0.5])
    results["differences"].append({**results["differences"][0], "first": "b, ridge_baseline", "second": "b, stage 2, ridge",
                                   "mean": 0.05, "low": 0.02, "high": 0.08, "what": "baseline"})  # fmt: skip
    assert (
        "b, ridge_baseline is ahead of b, stage 2, ridge by 0.050 SROCC [0.020, 0.080], in 5 of 10 splits."
        in make_sentences(results)
    )
