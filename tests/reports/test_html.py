"""The HTML report of a study: what it must say, and that it says so with parts missing, odd names and many images."""

import html
import json
import re

import numpy as np
import pytest

from iqa_zoo.cli import main
from iqa_zoo.errors import InputError
from iqa_zoo.registry import STUDIES
from iqa_zoo.reports.html.gallery import HOVER_BYTES, make_gallery
from iqa_zoo.reports.html.page import Page, render, write_page
from iqa_zoo.reports.html.pictures import Pictures
from iqa_zoo.reports.html.predictions import collect_predictions
from iqa_zoo.reports.plots import plot_forest
from iqa_zoo.reports.table import Table
from iqa_zoo.stats.estimate import Estimate
from iqa_zoo.studies.compare.report import make_tables
from iqa_zoo.studies.compare.study import Compare
from iqa_zoo.studies.results import _KEYS, StudyResult, migrate_values, write_values
from iqa_zoo.studies.study import find_study
from iqa_zoo.studies.views import write_views

NAMES = [f"{i}.png" for i in range(12)]


def text_of(page):
    """The words of a page, without what lies in its scripts."""
    body = re.sub(r"<(script|style).*?</\1>", "", render(page), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.fixture
def results(made):
    return made.made_up(NAMES)


def test_numbers_verdict_conditions_configs_and_command_are_there(made, results):
    text = text_of(made.page_without_images(results))
    assert "lifeiqa and deiqt: undecided, mean SROCC difference +0.010 [-0.020, +0.040]" in text
    assert "0.812 [0.802, 0.822]" in text  # quality with its interval
    assert "2.76 M" in text
    assert "about 12 splits would decide" in text
    assert "Margin of equivalence SROCC 0.01" in text
    assert "0.896 / 0.919" in text
    assert "not measured here" in text  # published numbers
    assert "validation: the last epoch whose validation SROCC" in text
    assert "2 of 8 train, 2 validation, 12 test: s1, s2" in text
    assert "Seeds 0, 1" in text
    assert "torch 2.9.0" in text
    assert "dim: 24" in text
    assert "iqa-zoo compare lifeiqa deiqt --data table" in text


def test_it_asks_for_nothing_from_outside(made, results):
    content = render(
        made.page_without_images(results, {"plot": plot_forest({"a": {"b": Estimate(0, -1, 1)}}, title="T", label="x")})
    )
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*\"", content)
    assert "url(http" not in content
    assert "default-src 'none'" in content


@pytest.mark.slow
def test_images_names_and_scores_of_the_worst_and_of_disagreements(made, results, tmp_path):
    content = render(made.page_with_images(results, made.photo_folder(tmp_path / "photos", NAMES)))
    assert content.count('<img src="data:image/jpeg;base64,') == 8 * 4  # three models' errors, one pair
    assert 'alt="Test image 3.png"' in content
    assert "lifeiqa and deiqt: largest disagreements" in content
    [points] = json.loads(re.search(r'id="points">(.*?)</script>', content)[1])
    assert points["names"] == NAMES
    assert len(points["images"]) == len(NAMES)
    assert points["mos"] == [results["data"]["mos"][name] for name in NAMES]


def test_an_images_prediction_is_that_of_its_first_split(results):
    [found] = collect_predictions(results)
    first = results["runs"][0]["predictions"]
    assert found.scores["lifeiqa"].tolist() == [first[name] for name in NAMES]
    assert list(found.scores) == ["lifeiqa", "deiqt", "ridge_baseline"]


def test_of_shares_all_images_are_shown_and_the_baseline_is_in_no_pair(results):
    results["runs"] = [{**run, "fraction": share} for share in (0.2, 1.0) for run in results["runs"]]
    [found] = collect_predictions(results)
    assert list(found.scores) == [f"{model}, 100% of the images" for model in ("lifeiqa", "deiqt", "ridge_baseline")]
    [pair] = make_gallery(found, Pictures({})).apart
    assert pair.title.startswith("lifeiqa, 100% of the images and deiqt")


def test_several_datasets_have_a_part_each(made, results):
    other = dict(results["data"], name="other", higher_is_better=False, label="DMOS")
    results["runs"] = [{**run, "train": name, "test": name} for name in ("table", "other") for run in results["runs"]]
    results["datasets"] = [results.pop("data"), other]
    results["splits"] = ["s1"]
    content = render(made.assemble_study_page(results, [], ["A verdict."], {}, {}))
    assert content.count("Worst errors") == 2
    assert "Predictions against DMOS (lower is better)" in content


def test_names_are_text_and_never_markup(made):
    names = ["<b>.png", "</script><script>alert(1)</script>.png", 'a"b.png', *NAMES]
    results = made.made_up(names, models=("<i>mine</i>", "deiqt"))
    content = render(made.page_without_images(results))
    assert "<b>.png" not in content
    assert "&lt;b&gt;.png" in content
    assert "<i>mine" not in content
    assert "<script>alert" not in content
    assert content.count("</script>") == 2
    [points] = json.loads(re.search(r'id="points">(.*?)</script>', content)[1])
    assert points["names"] == names


@pytest.mark.slow
def test_an_image_that_cannot_be_read_has_its_reason_in_its_place(made, results, tmp_path):
    root = made.photo_folder(tmp_path / "photos", NAMES, damaged=NAMES[:3])
    text = text_of(made.page_with_images(results, root))
    assert "cannot be read: the file is not an image in one of the formats PNG" in text
    assert "Images that cannot be read: " in text
    assert str(tmp_path) not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "root", "said"),
    [
        ("demo", None, "give the dataset again with --data and --root"),
        ("table", "nowhere", "the dataset cannot be loaded"),
        ("table", "other", "the given images are not those of table"),
    ],
)
def test_without_images_it_says_why(made, results, tmp_path, data, root, said):
    made.photo_folder(tmp_path / "other", ["x.png", "y.png"])
    content = render(made.page_with_images(results, root and tmp_path / root, data))
    assert said in html.unescape(content)
    assert "<img" not in content
    assert "the image is not available" in content


def test_a_proxy_is_called_a_proxy(made):
    text = text_of(made.page_without_images(made.made_up(NAMES, label="proxy: distance to the reference")))
    assert text.index("Labels are a proxy, not human opinion (distance to the reference)") < text.index("Tables")
    assert "Predictions against proxy label" in text


def test_failed_trainings_are_told(made, results):
    results["runs"].append(dict(model="broken", split="s1", seed=0, error="no memory"))
    assert "1 training failed and is missing: broken." in text_of(made.page_without_images(results))


def test_results_without_trainings(made, results):
    for key in ("runs", "summary", "differences", "data", "splits", "parts"):
        del results[key]
    text = text_of(made.page_without_images(results))
    assert "only their cost was measured" in text
    assert "2.76 M" in text
    assert "Single images" not in text


@pytest.mark.slow
def test_a_figure_is_drawn_inside_with_words(made, results):
    figures = {
        name: plot_forest({"a": {"row": Estimate(0.1, 0, 0.2)}}, title="A forest", label="SROCC") for name in "xy"
    }
    content = render(made.page_without_images(results, figures))
    assert 'role="img" aria-label="Plot: A forest. Horizontal axis: SROCC."' in content
    ids = re.findall(r'\bid="([^"]+)"', content)
    assert len(ids) == len(set(ids))
    assert "<metadata" not in content


def test_tables_sort_by_what_their_numbers_are_and_are_cut_with_a_note(monkeypatch):
    monkeypatch.setattr("iqa_zoo.reports.html.page.MOST_ROWS", 20)
    table = Table("T", ["model", "params"], [[f"m{i}", f"{i}.00 M"] for i in range(30)])
    content = render(Page("A title", "A verdict.", tables=[table]))
    assert re.findall(r'<td [^>]*data-k="([^"]+)">', content)[:3] == ["0.0", "1000000.0", "2000000.0"]
    assert content.count('<th scope="row"') == 20
    assert "The first 20 of 30 rows; the results behind this page hold all." in content


@pytest.mark.slow
def test_40000_images_stay_below_20_mb(made, tmp_path):
    names = [f"image_{i:05}.png" for i in range(40_000)]
    results = made.made_up(names, splits=("s1",))
    photo = made.photo_folder(tmp_path / "photos", ["one.png"]) / "one.png"
    [predictions] = collect_predictions(results)
    gallery = make_gallery(predictions, Pictures(dict.fromkeys(names, photo)))
    assert sum(len(uri) for uri in gallery.points["images"].values()) <= HOVER_BYTES
    assert "40000 images as a density" in gallery.scatters[0].caption
    assert len(gallery.table.rows) == 1000
    assert "The 1000 images with the largest errors, of 40000" in gallery.table.notes[-1]
    size = write_page(
        made.assemble_study_page(
            results, make_tables(results), ["Undecided."], {}, {"table": Pictures(dict.fromkeys(names, photo))}
        ),
        tmp_path / "r.html",
    )
    assert size == (tmp_path / "r.html").stat().st_size < 20e6


def test_images_beside_dots_stop_at_their_limit(made, results, tmp_path):
    root = made.photo_folder(tmp_path / "photos", NAMES)
    [predictions] = collect_predictions(results)
    gallery = make_gallery(predictions, Pictures({name: root / name for name in NAMES}), hover_bytes=20_000)
    assert 0 < len(gallery.points["images"]) < len(NAMES)
    assert any("would make the page too large" in note for note in gallery.notes)


def test_a_constant_prediction_and_missing_ones(made, results):
    for run in results["runs"]:
        if run["model"] == "deiqt":
            run["predictions"] = dict.fromkeys(NAMES[:5], 50.0)
    [predictions] = collect_predictions(results)
    assert np.isnan(predictions.scores["deiqt"][5:]).all()
    assert "5 images." in text_of(made.page_without_images(results))


@pytest.mark.parametrize("name", STUDIES.built_in())
def test_every_study_has_its_tables_sentences_and_figures(name, tmp_path):
    report = find_study(name).report
    assert (
        migrate_values({"command": [f"{name}.py"], "seconds": 1.0, **{key: [] for key in _KEYS[name]}}, tmp_path)[
            "study"
        ]
        == name
    )
    assert callable(report.make_tables)
    assert callable(report.make_sentences)
    assert callable(report.make_figures)


@pytest.mark.parametrize("results", [{"command": ["compar.py"]}, {"study": "compar"}, {"study": ["compare"]}, {}])
def test_results_of_no_study(results, tmp_path):
    with pytest.raises(InputError, match=r"does not hold the results of a study \(.*compare, "):
        migrate_values(results | {"seconds": 1.0}, tmp_path)


@pytest.fixture
def run(tmp_path, monkeypatch, results):
    """Run a comparison whose results are made up."""
    monkeypatch.setattr(Compare, "run", lambda *_: results)

    def compare(*words):
        return main(["compare", *map(str, words), "--html", str(tmp_path / "r.html")])

    return compare


@pytest.mark.slow
def test_a_study_writes_the_page_fresh_and_from_a_run(run, made, tmp_path, capsys):
    photos = made.photo_folder(tmp_path / "photos", NAMES)
    assert run("lifeiqa", "deiqt", "--data", "table", "--root", photos, "--out", tmp_path / "run") == 0
    fresh = (tmp_path / "r.html").read_text()
    assert "data:image/jpeg" in fresh
    (tmp_path / "run" / "explain").mkdir()
    (tmp_path / "run" / "explain" / "expert_load.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert run("--from", tmp_path / "run") == 0
    kept = (tmp_path / "r.html").read_text()
    assert "data:image/jpeg" not in kept
    assert "give the dataset again" in kept
    assert 'alt="expert load"' in kept
    assert "page in" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_an_error_before_the_study(run, tmp_path, capsys, monkeypatch):
    def study(*_):
        raise AssertionError("the study began")

    monkeypatch.setattr(Compare, "run", study)
    (tmp_path / "r.html").mkdir()
    assert run("lifeiqa", "--out", tmp_path / "run") == 2
    assert capsys.readouterr().err == f"iqa-zoo: {tmp_path / 'r.html'}: cannot be written (Is a directory)\n"


@pytest.mark.slow
def test_the_command_on_a_study(made, results, tmp_path, capsys):
    write_values(StudyResult(results), tmp_path / "run")
    write_views(StudyResult(results), tmp_path / "run")
    made.photo_folder(tmp_path / "photos", NAMES)
    out = str(tmp_path / "r.html")
    assert (
        main(["report", str(tmp_path / "run"), "-o", out, "--data", "table", "--root", str(tmp_path / "photos")]) == 0
    )
    assert "r.html: 0." in capsys.readouterr().out
    assert "data:image/jpeg" in (tmp_path / "r.html").read_text()
    (tmp_path / "run" / "results.json").write_text("{")
    assert main(["report", str(tmp_path / "run"), "-o", out]) == 0
    kept = (tmp_path / "r.html").read_text()
    assert "Missing part: results.json" in kept
    assert "0.812 [0.802, 0.822]" in kept


@pytest.mark.parametrize(
    ("folder", "output", "said"),
    [
        ("nowhere", "r.html", "is not a folder of iqa-zoo train or of a study"),
        ("empty", "r.html", "holds neither a training (run.json) nor a study (results.json)"),
        ("empty", "no/r.html", "there is no folder"),
    ],
)
def test_the_command_on_what_is_no_run(tmp_path, capsys, folder, output, said):
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / folder), "-o", str(tmp_path / output)]) == 2
    assert said in capsys.readouterr().err
