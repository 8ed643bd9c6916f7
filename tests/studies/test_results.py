"""Results: every record, and kept results of earlier schemas, are read and printed; others are refused by name."""

import json
from pathlib import Path

import pytest

import iqa_zoo
from iqa_zoo.errors import InputError
from iqa_zoo.stats.estimate import VERDICTS
from iqa_zoo.studies.results import SCHEMA, StudyResult, load_result
from iqa_zoo.studies.study import find_study
from iqa_zoo.studies.views import format_csv, format_markdown, print_result

TESTS = Path(__file__).resolve().parents[1]
OLD = sorted((TESTS / "data" / "kept_results").glob("*.json"))  # of earlier schemas, few images; STUDY_SCHEMA.json
KEPT = [*OLD, *sorted((TESTS.parent / "benchmarks" / "results").glob("*.json"))]
COMPARISON = next(file for file in OLD if file.stem == "compare_1")


def test_kept_results_are_of_each_earlier_schema():
    schemas = {file.stem: json.loads(file.read_text()).get("schema", 1) for file in OLD}
    assert {stem: int(stem[-1]) for stem in schemas} == schemas
    assert set(schemas.values()) == set(range(1, SCHEMA))


@pytest.mark.slow
@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_every_kept_result_prints(file, capsys):
    result = load_result(file)
    assert result.schema == SCHEMA
    assert result.tables()
    assert all(table.rows for table in result.tables())
    assert result.verdict() == "\n".join(result.sentences())
    assert result.sentences() or len(result.values["compared"]) == 1  # one model has no pair
    for row in (*result.differences, *result.values.get("behind_first", [])):
        assert row["verdict"] in VERDICTS
        assert not {"tie", "p_holm"} & row.keys()
    assert not any("elsewhere" in run for run in result.runs)
    print_result(result)
    assert result.tables()[0].title.split()[0] in capsys.readouterr().out
    assert "nan" not in format_markdown(result).replace("nanometre", "")


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_every_kept_result_has_rows_for_its_trainings(file):
    result = load_result(file)
    trained = [run for run in result.runs if "error" not in run]
    records = result.to_records()
    assert len(records) == len(trained)
    columns = list(find_study(result.study).columns)
    assert all(list(record) == columns for record in records)
    assert len(format_csv(result).splitlines()) == 1 + len(trained)


@pytest.mark.slow
@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_another_study_is_refused_by_name(file):
    study = load_result(file).study
    other = "swap" if study != "swap" else "compare"
    with pytest.raises(
        InputError, match=rf"holds .* \({study}\), not {other}; print it with iqa-zoo {study.replace('_', '-')} --from"
    ):
        load_result(file, other)


def write(folder, values):
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(values if isinstance(values, str) else json.dumps(values))
    return folder


def test_a_later_schema_is_refused(tmp_path):
    values = load_result(COMPARISON).values
    with pytest.raises(
        InputError, match=rf"has the schema {SCHEMA + 1}, this version reads up to {SCHEMA}; upgrade iqa-zoo"
    ):
        load_result(write(tmp_path, {**values, "schema": SCHEMA + 1}))
    with pytest.raises(InputError, match="has the schema two"):
        load_result(write(tmp_path, {**values, "schema": "two"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged"),
        ('{"study": "compare", ', "is damaged"),
        ("[" * 100_000, "is damaged"),
        ("[1]", "it holds no results, but a list"),
        ('{"study": "compare", "seconds": 1}', "does not hold the results of a study"),
    ],
)
def test_damaged_files(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        load_result(write(tmp_path, text))


def test_a_folder_without_results(tmp_path):
    with pytest.raises(InputError, match="is not a run of a study: it holds no results.json"):
        load_result(tmp_path)
    with pytest.raises(InputError, match="is not a run of a study"):
        load_result(tmp_path / "nowhere")


def test_wrong_values_are_one_line_with_the_version(tmp_path):
    values = load_result(COMPARISON).values
    result = load_result(write(tmp_path, {**values, "summary": 3, "versions": {"iqa_zoo": "9.9"}}))
    with pytest.raises(InputError, match=rf"written by iqa_zoo 9.9, this is {iqa_zoo.__version__}"):
        result.tables()


def test_the_words_of_schema_1_are_those_of_today():
    assert "yardstick" in json.loads(COMPARISON.read_text())
    values = load_result(COMPARISON).values
    assert values["baseline"] == "linear_probe"
    assert not [key for key in values if key.startswith("yardstick")]


@pytest.mark.slow
def test_differences_of_schema_2_get_the_verdict_of_their_interval(tmp_path):
    old = dict(first="a", second="b", wins=9, splits=10, p=0.002, p_holm=0.012, test="wilcoxon", count=10)
    rows = [
        {**old, "mean": 0.03, "low": 0.01, "high": 0.05, "tie": False},
        {**old, "mean": -0.03, "low": -0.05, "high": -0.01, "tie": False},
        {**old, "mean": 0.001, "low": -0.001, "high": 0.003, "tie": True},
        {**old, "mean": 0.03, "low": 0.01, "high": 0.05, "tie": False, "splits": 2},
        {**old, "mean": None, "low": None, "high": None, "tie": False, "splits": 0, "p": None, "p_holm": None},
    ]
    values = json.loads(COMPARISON.read_text())
    values = {**values, "study": "compare", "schema": 2, "baseline": None, "differences": rows}
    tested = dict(koniq10k=dict(srocc=0.7, plcc=0.7, krocc=0.5, predictions={"x.png": 1.0}))
    values["runs"] = [{**run, "elsewhere": tested} for run in values["runs"]]
    result = load_result(write(tmp_path, values))
    assert [row["verdict"] for row in result.differences] == ["ahead", "behind", "undecided", "undecided", "undecided"]
    assert [row["p"] for row in result.differences] == [0.012] * 4 + [None]
    assert [row["needed"] for row in result.differences[2:4]] == ["", "at least 5 splits"]
    assert all(row["margin"] is None for row in result.differences)
    assert all(run["test_sets"] == tested and "elsewhere" not in run for run in result.runs)
    assert load_result(result.save(tmp_path / "again")).differences == result.differences


@pytest.mark.slow
def test_saving_writes_all_and_loading_gives_the_same(tmp_path):
    result = load_result(COMPARISON)
    assert result.save(tmp_path / "run") == tmp_path / "run"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(
        [
            "results.json",
            "runs.csv",
            "tables.md",
            *(f"{name}.{kind}" for name in result.figures() for kind in ("png", "svg", "pdf")),
        ]
    )
    again = load_result(tmp_path / "run", "compare")
    assert again == StudyResult(result.values)
    assert (tmp_path / "run" / "tables.md").read_text() == format_markdown(result)
    assert again.differences == result.differences
    assert again.to_records()[0]["srocc"] == result.runs[0]["srocc"]
