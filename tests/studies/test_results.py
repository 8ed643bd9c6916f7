"""Results: every kept one is read and printed, others are refused by name; what a result gives."""

import json
from pathlib import Path

import pytest

import iqa_zoo
from iqa_zoo.errors import InputError
from iqa_zoo.studies.results import SCHEMA, StudyResult, load_result
from iqa_zoo.studies.study import find_study
from iqa_zoo.studies.views import format_csv, format_markdown, print_result

KEPT = sorted((Path(__file__).resolve().parents[2] / "benchmarks" / "results").glob("*.json"))
COMPARISON = next(file for file in KEPT if file.stem == "livec_resnet18")


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_every_kept_result_prints(file, capsys):
    result = load_result(file)
    assert result.schema == SCHEMA
    assert result.tables()
    assert all(table.rows for table in result.tables())
    assert result.verdict() == "\n".join(result.sentences())
    assert result.sentences() or len(result.values["compared"]) == 1  # one model has no pair
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


def test_saving_writes_all_and_loading_gives_the_same(tmp_path):
    result = load_result(COMPARISON)
    assert result.save(tmp_path / "run") == tmp_path / "run"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(
        [
            "results.json",
            "runs.csv",
            "tables.md",
            *(f"{name}.{kind}" for name in result.figures() for kind in ("png", "svg")),
        ]
    )
    again = load_result(tmp_path / "run", "compare")
    assert again == StudyResult(result.values)
    assert (tmp_path / "run" / "tables.md").read_text() == format_markdown(result)
    assert again.differences == result.differences
    assert again.to_records()[0]["srocc"] == result.runs[0]["srocc"]
