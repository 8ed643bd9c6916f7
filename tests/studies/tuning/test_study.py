"""iqa-zoo compare --tune as a user runs it, on a folder of noise with a table of scores."""

import json

import pytest

import iqa_zoo
from iqa_zoo.progress import Silent

WORDS = (
    "gcn.yaml", "--data", "table", "--root", "photos", "--backbone", "test_resnet", "--splits", 2, "--epochs", 2, "--crops", 1,
    "--batch-size", 8, "--validation-fraction", 0.25, "--no-latency", "--ignore-look-alikes",
)  # fmt: skip


@pytest.fixture
def run(run_study, noise_folder):
    return lambda *words: run_study("compare", noise_folder, *WORDS, *words, small=False)


def read(folder, name):
    values = json.loads((folder / name).read_text())
    runs = [{key: value for key, value in run.items() if key not in ("seconds", "resumed")} for run in values["runs"]]
    return values["tuning"], runs


def test_a_tuned_comparison_is_the_same_with_any_number_of_jobs_and_is_resumed(run, noise_folder, monkeypatch):
    one = run("--tune", 3, "--jobs", 1, "--fresh", "--json", "one.json", "--markdown", "one.md", "--out", "tuned")
    assert one.returncode == 0, one.stderr
    log = " ".join(one.stderr.split())
    assert (
        "trials x decoders x splits: 3 x 1 x 2; 4 trainings of a third of their epochs, 4 trainings of all their epochs"
        in log
    )
    tuning, runs = read(noise_folder, "one.json")
    assert set(tuning["models"]) | set(tuning["fitted"]) == {run["model"] for run in runs}
    assert all(trial["error"] is None for model in tuning["models"].values() for trial in model["trials"])
    markdown = (noise_folder / "one.md").read_text()
    for text in ("Tuning: what each decoder chose", "What tuning was worth", "The trials", "before each was tuned"):
        assert text in markdown

    two = run("--tune", 3, "--jobs", 2, "--fresh", "--json", "two.json")
    assert two.returncode == 0, two.stderr
    assert read(noise_folder, "two.json") == (tuning, runs)

    monkeypatch.setattr("iqa_zoo.training.frozen.trainings.train_frozen", None)  # nothing is trained again
    again = run("--tune", 3, "--jobs", 1, "--json", "again.json")
    assert again.returncode == 0, again.stderr
    assert read(noise_folder, "again.json") == (tuning, runs)
    kept = run("--from", "tuned")
    assert kept.returncode == 0
    assert "what each decoder chose" in kept.stdout


def test_an_interrupted_tuning_goes_on_where_it_stopped(run, noise_folder, monkeypatch):
    from iqa_zoo.training.frozen import trainings

    train, calls = trainings.train_frozen, []

    def stop_after_ten(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return train(*arguments, **options)

    words = ("--tune", 3, "--jobs", 1, "--seed", 5)
    monkeypatch.setattr(trainings, "train_frozen", stop_after_ten)
    stopped = run(*words)
    assert stopped.returncode == 130
    first = len(calls) - 1
    monkeypatch.setattr(trainings, "train_frozen", lambda *a, **o: calls.append(a) or train(*a, **o))
    calls.clear()
    done = run(*words, "--json", "done.json")
    assert done.returncode == 0, done.stderr
    tuning, _ = read(noise_folder, "done.json")
    changed = sum(choice["trial"] > 1 for model in tuning["models"].values() for choice in model["chosen"])
    tried = sum(len(model["trials"]) for model in tuning["models"].values())
    assert first + len(calls) == 2 * 2 + tried + changed


def test_a_dry_run_says_the_cost_and_trains_nothing(run, monkeypatch):
    monkeypatch.setattr("iqa_zoo.training.frozen.trainings.train_frozen", None)
    done = run("--tune", 8, "--tune-once", "--dry-run", "--seed", 7)
    assert done.returncode == 0, done.stderr
    log = " ".join(done.stderr.split())
    assert (
        "trials x decoders x splits: 8 x 1 x 1; 7 trainings of a third of their epochs, 4 trainings of all their epochs"
        in log
    )
    assert "then up to 2 with the chosen recipes: 13 more trainings, about" in log


def test_splits_without_a_validation_part_get_one_inside_the_training_part(noise_folder, monkeypatch):
    monkeypatch.chdir(noise_folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(noise_folder / "cache"))
    settings = dict(
        data="table", root="photos", backbone="test_resnet", splits=1, epochs=1, crops=1, batch_size=8, selection="last", jobs=1,
        no_latency=True, ignore_look_alikes=True, tune=2, progress=Silent(),
    )  # fmt: skip
    result = iqa_zoo.compare(["gcn.yaml"], **settings)
    assert result.values["tuning"]["parts"] == {"train": 19, "validation": 5}
    assert "held out from the training part" in "\n".join(note for table in result.tables() for note in table.notes)
    with pytest.raises(iqa_zoo.errors.InputError, match="too small to tune by"):
        iqa_zoo.compare(["gcn.yaml"], **settings, images=25)
