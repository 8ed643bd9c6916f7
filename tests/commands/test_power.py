"""iqa-zoo power"""

import json

import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data.loading import find_release
from iqa_zoo.registry import DATASETS
from iqa_zoo.stats import power as power_stats
from iqa_zoo.stats.power import compute_gap_ratio, find_detectable_gap


@pytest.fixture
def run(capsys):
    def call(*argv):
        code = main(["power", *map(str, argv)])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def simulated(monkeypatch):
    """The simulation replaced by a number that says what it was asked."""
    asked = []

    def gap(num_images, base_srocc, *, error_correlation, power, level):
        asked.append((num_images, base_srocc, error_correlation, power, level))
        return power / 100

    monkeypatch.setattr(power_stats, "find_detectable_gap", gap)
    return asked


@pytest.fixture
def root(tmp_path):
    """Forty images of ten contents."""
    lines = ["image,mos,reference"]
    for index in range(40):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{index}.png")
        lines.append(f"{index}.png,{index},r{index // 4}")
    (tmp_path / "scores.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.slow
def test_what_one_split_of_a_release_detects(run):
    code, out, err = run("--data", "livec", "--json")
    assert (code, err) == (0, "")
    (result,) = json.loads(out)
    gaps = result.pop("gap_by_power")
    assert [each["power"] for each in gaps] == [0.5, 0.8, 0.95]
    assert result == {
        "dataset": "livec",
        "images": 1162,
        "shared_contents": False,
        "contents": None,
        "test_images": 232,
        "test_contents": None,
        "splits": 1,
        "base": 0.875,
        "base_from": "published, DEIQT",
        "error_correlation": 0.5,
        "level": 0.05,
        "power": 0.8,
        "gap": find_detectable_gap(232, 0.875),
    }
    assert gaps[0]["gap"] < gaps[1]["gap"] == result["gap"] < gaps[2]["gap"]


def test_the_table_and_the_words(run, simulated):
    _, out, _ = run("--data", "livec")
    assert "0.875 (published, DEIQT)" in out
    assert "gap at 80 %" in out
    assert (
        "One split of livec (232 test images) tells a model of SROCC 0.875 from one that is better by 0.008 in" in out
    )
    assert "80 of 100 comparisons" in out
    assert "errors of the two models correlate by 0.5" in out
    assert "share contents" not in out


def test_contents_are_told_and_counted_as_splits_count_them(run, simulated):
    _, out, _ = run("--data", "csiq")
    assert simulated[0][0] == 173  # 6 of 30 contents, of 866 images
    assert "Images share contents in csiq (6 contents in the test part)" in out
    assert "the true gap is larger" in out
    _, out, _ = run("--data", "agiqa3k")
    assert "Images share contents in agiqa3k (unknown contents in the test part)" in out
    assert "0.85 (assumed)" in out


def test_every_number_can_be_given(run, simulated):
    argv = ["--base", 0.9, "--images", 500, "--error-correlation", 0.7, "--power", 0.6, "--level", 0.01]
    code, out, _ = run("--data", "livec", *argv)
    assert code == 0
    assert simulated == [(100, 0.9, 0.7, power, 0.01) for power in (0.5, 0.6, 0.95)]
    assert "0.9 (given)" in out


def test_a_dataset_on_disk(run, simulated, root):
    code, out, _ = run("--data", "table", "--root", root, "--json")
    assert code == 0
    (result,) = json.loads(out)
    assert [result[key] for key in ("images", "contents", "test_images", "test_contents")] == [40, 10, 8, 2]
    assert result["shared_contents"]
    run("--data", "table", "--root", root, "--images", 100, "--json")
    assert simulated[-1][0] == 20


@pytest.mark.slow
def test_several_and_all(run, simulated):
    _, out, _ = run("--data", "live", "--data", "koniq10k", "--json")
    assert [result["dataset"] for result in json.loads(out)] == ["live", "koniq10k"]
    assert [images for images, *_ in simulated] == [161, 2015]
    _, out, _ = run("--data", "all", "--json")
    assert [each["dataset"] for each in json.loads(out)] == [name for name in DATASETS.built_in() if find_release(name)]
    _, out, _ = run("--data", "all")
    assert "gap at 80 %" in out
    assert "gap at 50 %" not in out
    assert "One split of" not in out


@pytest.mark.slow
def test_a_gap_beyond_a_perfect_model_is_none(run):
    code, out, _ = run("--data", "livec", "--images", 30, "--base", 0.99)
    assert code == 0
    assert "One split of livec (6 test images) cannot tell even a perfect model from one of SROCC 0.99." in out
    _, out, _ = run("--data", "livec", "--images", 30, "--base", 0.99, "--json")
    assert json.loads(out)[0]["gap"] is None


def test_several_splits_detect_less(run, simulated):
    _, out, _ = run("--data", "livec", "--splits", 10, "--json")
    assert json.loads(out)[0]["gap"] == pytest.approx(0.008 * compute_gap_ratio(10, 0.8, 0.05))
    _, out, _ = run("--data", "livec", "--splits", 10)
    assert "10 splits of livec (232 test images) tell a model" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data", "lvec"], "unknown dataset 'lvec'; did you mean 'livec'?"),
        (["--data", "table"], "table: its size is not known before it is read; give --root PATH or --images N"),
        (["--data", "livec", "--data", "live", "--root", "x"], "--root is of one dataset; 2 are given: livec, live"),
        (["--data", "livec", "--data", "live", "--images", 9], "--images is of one dataset"),
        (["--data", "livec", "--option", "subset=true"], "--option is for reading a dataset; give --root PATH"),
        (["--data", "livec", "--power", 0.04], "--power 0.04 is not above --level 0.05"),
        (["--data", "livec", "--images", 9], "2 test images; at least 4 are needed"),
        (["--data", "livec", "--error-correlation", 1], "error_correlation is 1.0; give a number from 0 to below 1"),
    ],
)
def test_a_wrong_argument(run, argv, message):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err


def test_a_share_is_a_number_between_0_and_1(run, capsys):
    for text in ("80", "much", "nan"):
        with pytest.raises(SystemExit):
            run("--data", "livec", "--power", text)
        assert f"'{text}' is not a number between 0 and 1" in capsys.readouterr().err


def test_splits_are_a_whole_number_from_1(run, capsys):
    with pytest.raises(SystemExit):
        run("--data", "livec", "--splits", 0)
    assert "'0' is not a whole number from 1" in capsys.readouterr().err
