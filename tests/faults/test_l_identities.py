"""Datasets are told apart by what they are: two of one name, one twice, and a finished run whose images changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Silent
from iqa_zoo.studies.compare.study import Options, load_test_sets
from iqa_zoo.studies.protocol import choose_distinct_name
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.spec import DataSpec, StudySpec
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trainings import EndToEnd, identify_run, train_all_end_to_end
from iqa_zoo.training.recipe import Recipe


def table(folder: Path, seed: int, count: int = 30, size: int = 230) -> Path:
    folder.mkdir(parents=True)
    rng, lines = np.random.default_rng(seed), ["image,mos"]
    for i in range(count):
        noise = rng.normal(128, 3 * (i + 1), (size, size, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{100 - 3 * i + seed}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A comparison in this process; its results."""
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    options = (
        "--data table --splits 2 --epochs 1 --batch-size 8 --crops 1 --jobs 1 --selection last --no-latency --out run"
    )

    def compare(*arguments):
        assert main(["compare", "linear_probe", *map(str, arguments), *options.split()]) == 0
        return json.loads((tmp_path / "run" / "results.json").read_text())

    return compare


@pytest.mark.slow
def test_a_test_set_of_the_same_name_is_scored_with_its_own_features(run, tmp_path, capsys):
    table(tmp_path / "p" / "set", 0)
    table(tmp_path / "q" / "set", 1)
    elsewhere = table(tmp_path / "r" / "another", 1)
    twins = run("--root", tmp_path / "p" / "set", "--test", "table", "--test-root", tmp_path / "q" / "set")
    apart = run("--root", tmp_path / "p" / "set", "--test", "table", "--test-root", elsewhere)
    assert list(twins["runs"][0]["test_sets"]) == ["set-2"]
    assert list(apart["runs"][0]["test_sets"]) == ["another"]
    for first, second in zip(twins["runs"], apart["runs"], strict=True):
        assert first["test_sets"]["set-2"] == second["test_sets"]["another"]
        assert first["test_sets"]["set-2"]["predictions"] != first["predictions"]


@pytest.mark.slow
def test_two_test_sets_of_one_kind_are_both_kept(run, tmp_path, capsys):
    roots = [table(tmp_path / place / "set", seed) for seed, place in enumerate("pqr")]
    both = run(
        "--root", roots[0], "--test", "table", "--test-root", roots[1], "--test", "table", "--test-root", roots[2]
    )
    assert both["leaks"] == []
    first, second = (both["runs"][0]["test_sets"][name] for name in ("set-2", "set-3"))
    assert first["predictions"] != second["predictions"]
    shown = capsys.readouterr().out
    assert "set to set-2" in shown
    assert "set to set-3" in shown


@pytest.mark.slow
def test_a_test_set_that_shares_images_with_the_data_is_called_a_leak(run, tmp_path, capsys):
    own = table(tmp_path / "p" / "set", 0)
    other = table(tmp_path / "q" / "set", 1)
    (other / "5.png").write_bytes((own / "7.png").read_bytes())
    results = run("--root", own, "--test", "table", "--test-root", other, "--markdown", "r.md")
    assert results["leaks"] == [{"first": "set", "second": "set-2", "images": 1}]
    assert "LEAK: set and set-2 share images (1, the same byte for byte)" in (tmp_path / "r.md").read_text()


def test_names_are_apart():
    assert choose_distinct_name("a", []) == "a"
    assert choose_distinct_name("a", ["a"]) == "a-2"
    assert choose_distinct_name("a", ["a", "a-2", "b"]) == "a-3"


@pytest.mark.slow
def test_features_are_those_of_a_dataset_whatever_its_name(plan_command, tmp_path, monkeypatch):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    spec = plan_command("compare", "linear_probe", "--data", "table", "--root", "d", "--crops", "1")
    sets = [drawn(tmp_path / place, seed) for seed, place in enumerate("ab")]
    runner = FrozenRunner.build(spec, list(spec.load_models().values()), Silent())
    banks = [runner.load_bank(data) for data in sets]
    assert sets[0].name == sets[1].name
    assert banks[0].key != banks[1].key
    assert runner.load_bank(sets[0]) is banks[0]
    again = runner.load_bank(replace(sets[0], name="another name"))
    assert again.key == banks[0].key
    assert again.from_cache


def drawn(folder: Path, seed: int = 0, size: int = 230) -> RatedImages:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    mos = np.linspace(20, 80, 32)
    paths = [folder / f"{i}.png" for i in range(32)]
    for path, score in zip(paths, mos, strict=True):
        Image.fromarray(rng.normal(score * 2.5, 20, (size, size, 3)).clip(0, 255).astype(np.uint8)).save(path)
    return RatedImages("set", tuple(paths), mos, score_range=(0, 100), licence="CC0", source="drawn")


@pytest.fixture
def end_to_end(tiny, tmp_path, monkeypatch):
    """A study end to end of one model; its record, and its trainings as (EndToEnd, data)."""
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    tiny["backbone"]["image_size"] = 48

    def run(data, seed=0, **recipe):
        recipe = Recipe(**{"summary": "tiny", "epochs": 1, "batch_size": 8, "test_crops": 1, "lr": 1e-3, **recipe})
        split = make_splits(data, 1, test_fraction=0.25)[0]
        training = EndToEnd("tiny", tiny, split, recipe, seed)
        options = TrainingOptions(selection="last", device="cpu")
        ((_, record),) = train_all_end_to_end([training], data, options)
        return record

    return run


@pytest.mark.slow
def test_a_finished_end_to_end_run_is_not_that_of_other_images_labels_or_code(end_to_end, tmp_path, monkeypatch):
    data = drawn(tmp_path / "images", size=56)
    first = end_to_end(data)
    assert not first["resumed"]
    again = end_to_end(data)
    assert again["resumed"]
    assert {**again, "resumed": False} == first
    drawn(tmp_path / "images", seed=1, size=56)  # the same names
    changed = end_to_end(data)
    assert not changed["resumed"]
    assert changed["predictions"] != first["predictions"]
    relabelled = replace(data, mos=data.mos[::-1])
    assert not end_to_end(relabelled)["resumed"]
    from iqa_zoo.training.end_to_end import trainings as module

    real = module.identify_code
    monkeypatch.setattr(module, "identify_code", lambda *modules: {**real(*modules), "a part": "edited"})
    # The run's own record of its code is what it was: only the folder is another.
    assert not end_to_end(data)["resumed"]


@pytest.mark.slow
def test_the_identity_of_a_run_is_that_of_its_inputs(tiny, tmp_path):
    data = drawn(tmp_path / "images", size=56)
    split = make_splits(data, 1, test_fraction=0.25)[0]
    recipe = Recipe(summary="tiny", epochs=1, batch_size=8, test_crops=1, lr=1e-3)
    base, options = EndToEnd("m", tiny, split, recipe, 0), TrainingOptions(device="cpu")
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")

    def identify(changes=None, on=data, **named):
        return identify_run(replace(base, **(changes or {})), on, replace(options, **named))

    same = [dict(model="another"), dict(recipe_name="quick"), dict(fresh=True)]
    assert {identify(changes) for changes in same} == {identify()}
    other = [dict(seed=1), dict(recipe=replace(recipe, lr=2e-3)), dict(cfg={**tiny, "dim": 64}), dict(pretrained=True),
             dict(weights=weights), dict(split=replace(split, id="x"))]  # fmt: skip
    found = [identify(), *(identify(changes) for changes in other), identify(selection="last")]
    found.append(identify(on=replace(data, higher_is_better=False)))
    found.append(identify(on=replace(data, name="another")))
    weights.write_bytes(b"WEIGHTS")
    found.append(identify(dict(weights=weights)))
    assert len(set(found)) == len(found)


def test_compare_reads_every_test_set(tmp_path):
    roots = tuple(table(tmp_path / place / "set", seed, count=6, size=40) for seed, place in enumerate("pq"))
    data = drawn(tmp_path / "set", size=40)
    options = Options(test=("table", "table"), test_root=roots)
    others = load_test_sets(options, StudySpec("compare", {}, DataSpec("table", tmp_path / "set")), data, Silent())
    assert {name: other.paths[0].parents[1].name for name, other in others.items()} == {"set-2": "p", "set-3": "q"}
    assert [other.name for other in others.values()] == ["set-2", "set-3"]


@pytest.mark.parametrize("study", ["compare", "cross_dataset", "data_efficiency", "scaling"])
@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["a/mine.yaml", "b/mine.yaml"], "a/mine.yaml and b/mine.yaml are both called 'mine'"),
        (["lifeiqa", "mine/lifeiqa.json"], "lifeiqa and mine/lifeiqa.json are both called 'lifeiqa'"),
        (["a/ridge_baseline.yaml"], "a/ridge_baseline.yaml has the name of the baseline"),
        (["deiqt", "deiqt"], "a model is named twice: deiqt"),
    ],
)
def test_two_models_of_one_name_are_refused(study, models, message, plan_command, capsys):
    needed = {"cross_dataset": ["--data", "livec=a", "--data", "livec=b"], "scaling": ["--backbones", "nss"]}
    with pytest.raises(InputError) as error:
        plan_command(study, *models, *needed.get(study, []))
    assert message in str(error.value)
    assert main([study, *models, *needed.get(study, [])]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_another_dataset_of_the_same_names_is_not_evaluated_as_that_of_the_training(
    tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    tiny["backbone"]["image_size"] = 48
    dump_config(tiny, tmp_path / "tiny.yaml")
    own, other = (table(tmp_path / place / "set", seed, size=56) for seed, place in enumerate("pq"))
    run = str(tmp_path / "run")
    words = ["train", str(tmp_path / "tiny.yaml"), "--data", "table", "--root", str(own), "--out", run]
    words += ["--selection", "last", "--validation-fraction", "0"]
    assert main([*words, "--recipe-set", "epochs=1", "test_crops=1"]) == 0
    capsys.readouterr()

    def evaluate(root):
        assert main(["evaluate", run, "--data", "table", "--root", str(root), "--json"]) == 0
        return json.loads(capsys.readouterr().out)["warnings"]

    assert evaluate(own) == []
    images, labels = evaluate(other)
    assert images.startswith("the images of the test part of set are not those of the training")
    assert labels.startswith("the labels of set are not those of the training")
    assert main(["explain", "--run", run, "--data", "table", "--root", str(other), "--images", "2"]) == 0
    assert "the images of the test part of set are not those of the training" in capsys.readouterr().err
