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
    assert "Left out" in (noise_folder / "p.md").read_text()
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


def results_of(medians, ties, control=()):
    def row(level, median, random):
        name = f"b{', random weights' if random else ''}, stage {level}, ridge"
        return dict(model=name, backbone="b", control=random, level=f"stage {level}", head="ridge",
                    srocc=dict(median=median, q1=median, q3=median))  # fmt: skip

    rows = [row(i, m, False) for i, m in enumerate(medians, 1)] + [row(i, m, True) for i, m in enumerate(control, 1)]
    pairs = []
    for i in range(1, len(medians) + 1):
        for j in range(i + 1, len(medians) + 1):
            mean = medians[j - 1] - medians[i - 1]
            name = f"b, stage {j}, ridge", f"b, stage {i}, ridge"
            pairs.append(dict(first=name[0], second=name[1], mean=mean, tie=(i, j) in ties))
    return dict(probed=[dict(backbone="b", control=False)], heads=["ridge"], rows=rows, differences=pairs)


def test_the_sentence_says_what_the_intervals_support():
    rising = make_sentences(results_of([0.3, 0.5, 0.7], set(), [0.2, 0.4, 0.3]))[0]
    assert "best at stage 3 (0.700), ahead of every other level; every level is better than the one before it" in rising
    assert "should read stage 3. With random weights the best is 0.400, at stage 2." in rising
    tied = make_sentences(results_of([0.3, 0.69, 0.7], {(2, 3)}))[0]
    assert (
        "best at stage 3 (0.700), undecided against stage 2; deeper is better or undecided (1 of 2 steps undecided)"
        in tied
    )
    assert "should read stage 3 or stage 2" in tied
    falling = make_sentences(results_of([0.3, 0.7, 0.5], set()))[0]
    assert "depth does not always help: stage 3 below stage 2" in falling
    fading = make_sentences(results_of([0.7, 0.69, 0.6], {(1, 2), (2, 3)}))[0]  # no step alone, but the whole way
    assert "depth does not always help: stage 3 below stage 1" in fading
