"""iqa-zoo train"""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from iqa_zoo.cli import main
from iqa_zoo.commands import progress
from iqa_zoo.config import dump_config
from iqa_zoo.data.splits import load_splits, make_splits, save_splits
from iqa_zoo.data.table import table
from iqa_zoo.stats.metrics import METRICS
from iqa_zoo.training.recipe import load_recipe
from iqa_zoo.training.selection import RULES

QUICK = ["--recipe-set", "epochs=2", "test_crops=2"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sixty images of twenty contents in three distortions, with an official split."""
    root = tmp_path_factory.mktemp("data") / "holiday"
    root.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos,reference,distortion,split"]
    for index in range(60):
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(root / f"{index}.png")
        part = "test" if index >= 45 else "train"
        lines.append(
            f"{index}.png,{rng.uniform(0, 100):.2f},r{index // 3},{('blur', 'noise', 'jpeg')[index % 3]},{part}"
        )
    (root / "scores.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def config(tmp_path, tiny):
    tiny["backbone"]["image_size"] = 32
    dump_config(tiny, tmp_path / "tiny.yaml")
    return tmp_path / "tiny.yaml"


@pytest.fixture
def run(root, config, capsys):
    def call(*argv):
        code = main(["train", str(config), "--data", "table", "--root", str(root), *map(str, argv)])
        return code, *capsys.readouterr()

    return call


def _rows(out):
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line[:1] == "│"]


@pytest.mark.slow
def test_a_training_says_what_it_does_and_what_came_of_it(run, root, tmp_path):
    folder = tmp_path / "run"
    code, out, err = run("--out", folder, "--peek", *QUICK)
    assert code == 0
    assert json.loads((folder / "run.json").read_text())["recipe_name"] == "quick"
    (split,) = load_splits(folder / "split.json", table(root))
    assert split.id == make_splits(table(root), 1, validation_fraction=0.1)[0].id
    first, last = err.splitlines()
    assert "on holiday with the recipe quick (the default); split " + split.id in first
    assert first.endswith("42 images train, 6 validate, 12 test")
    assert last.startswith("iqa-zoo: epoch 2 of 2, loss ")
    assert last.endswith("step 4 of 4")
    result = json.loads((folder / "result.json").read_text())
    assert out.startswith(f"epoch {result['epoch']} of 2 is kept, by the rule validation: {RULES['validation']}")
    rows = _rows(out)
    assert ["SROCC", f"{result['metrics']['srocc']:.4f}", f"{result['validation']['srocc']:.4f}"] in rows
    rules = {row[0]: row[1:] for row in rows if len(row) == 5}
    assert list(rules) == ["validation", "last", "test-oracle"]
    assert [row[-1] for row in rules.values()] == ["", "", "peeks at the test part"]
    assert rules["last"][0] == "2"
    assert rules["test-oracle"][1] == f"{result['every_rule']['test-oracle']['srocc']:.4f}"
    assert out.splitlines()[-1].endswith(f"are in {folder}")


@pytest.mark.slow
def test_a_second_run_needs_another_folder_and_a_finished_one_reports_again(run, tmp_path):
    folder = tmp_path / "run"
    code, out, _ = run("--out", folder, "--json", *QUICK)
    assert code == 0
    first = json.loads(out)
    assert {"run": str(folder), "recipe": "quick", "dataset": "holiday", "epochs": 2}.items() <= first.items()
    assert set(first["metrics"]) == set(METRICS)
    assert first["every_rule"] == {}  # nothing peeked
    assert "predictions" not in first
    code, out, err = run("--out", folder, *QUICK)
    assert (code, out) == (2, "")
    assert "holds a run already; go on with --resume, or name another folder" in err
    code, out, err = run("--out", folder, "--resume", "--json", *QUICK)
    assert (code, json.loads(out)) == (0, first)
    code, out, err = run("--out", folder, "--resume", "--seed", "1", *QUICK)
    assert code == 2
    assert "seed: 0 there, 1 asked for" in err
    _, out, _ = run("--out", folder, "--resume", *QUICK)
    assert "What the other rules would have reported was not measured: that takes --peek." in out


@pytest.mark.slow
def test_an_oracle_is_called_one(run, tmp_path):
    code, out, _ = run("--out", tmp_path / "run", "--selection", "test-oracle", *QUICK)
    assert code == 0
    assert "by the rule test-oracle, which peeks at the test part" in out
    assert "test (peeks at the test part)" in out


@pytest.mark.slow
def test_a_dry_run_says_what_a_training_would_do_and_writes_nothing(run, tmp_path):
    folder = tmp_path / "run"
    options = ["--out", folder, "--json", *QUICK, "crops=2", "accumulate=2", "batch_size=32", "freeze=[backbone]"]
    code, out, err = run("--dry-run", *options)
    assert (code, err) == (0, "")
    assert not folder.exists()
    plan = json.loads(out)
    assert plan["images"] == {"train": 42, "validation": 6, "test": 12}
    assert (plan["epochs"], plan["steps_an_epoch"], plan["steps"]) == (2, 2, 4)
    assert 0 < plan["trainable"] < plan["parameters"]
    assert plan["seconds"] > 0
    code, _, err = run(*options)
    assert code == 0
    assert "step 8 of 8" in err  # forward passes: each step accumulates two
    assert json.loads((folder / "run.json").read_text())["model_hash"] == plan["model_hash"]
    weights = (folder / "weights.safetensors").stat().st_size
    (checkpoint,) = (folder / "checkpoints").iterdir()
    checkpointed = sum(file.stat().st_size for file in checkpoint.iterdir())
    assert weights == pytest.approx(plan["weights_bytes"], rel=0.02)
    assert checkpointed == pytest.approx(plan["checkpoint_bytes"], rel=0.05)


@pytest.mark.slow
def test_a_dry_run_in_words_needs_no_folder(run, tmp_path):
    code, out, _ = run("--dry-run", "--official", "--backbone", "test_convnext", "--set", "backbone.image_size=32")
    assert code == 0
    lines = {line.split(":")[0]: line for line in out.splitlines()}
    assert list(lines)[:-1] == ["model", "parameters", "recipe", "data", "training", "disk", "time"]
    assert "quick (the default): The zoo's own" in lines["recipe"]
    epochs = load_recipe("quick").epochs
    words = f"{epochs} epochs of 2 steps, {2 * epochs} steps in all, each of 16 crops of 32x32 pixels"
    assert words in lines["training"]
    assert out.endswith("Nothing was trained and nothing was written.\n")
    _, other, _ = run("--dry-run", "--official")
    assert other.splitlines()[1] != lines["parameters"]


def test_an_official_split_that_leaks_is_not_trained_on(run, root, tmp_path):
    text = (root / "scores.csv").read_text()
    (root / "other.csv").write_text(text.replace("r14,blur,train", "r15,blur,train"))
    code, out, err = run("--option", "labels=other.csv", "--official", "--out", tmp_path / "run")
    (root / "other.csv").unlink()
    assert (code, out) == (2, "")
    assert "the official split leaks: content r15 is in train and test" in err


@pytest.mark.slow
def test_one_process_of_several_speaks(run, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert run("--out", tmp_path / "run", *QUICK, "epochs=1") == (0, "", "")
    assert run("--dry-run", *QUICK) == (0, "", "")


def test_ctrl_c_says_how_to_go_on(run, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("iqa_zoo.training.end_to_end.train.train_model", interrupted)
    code, out, err = run("--out", tmp_path / "run")
    assert (code, out) == (130, "")
    assert err.endswith(f"with --resume goes on from the last checkpoint in {tmp_path / 'run'}, if there is one\n")


@pytest.fixture
def stopped(run, tmp_path, monkeypatch):
    """A run that ended after its first epoch, as a killed one does."""
    from iqa_zoo.training.end_to_end import train

    def stop(text, done, total):
        if text.startswith("epoch 2"):
            raise KeyboardInterrupt

    trained = train.train_model
    with monkeypatch.context() as patch:
        patch.setattr(train, "train_model", lambda *a, **k: trained(*a, **{**k, "progress": stop}))
        code, _, _ = run("--out", tmp_path / "run", *ARGUMENTS)
    assert code == 130
    assert not (tmp_path / "run" / "result.json").exists()
    return tmp_path / "run"


ARGUMENTS = ["--seed", 3, "--split", 2, "--selection", "last", "--peek", "--set", "head.top_k=1"]
ARGUMENTS += ["--recipe", "quick", *QUICK, "lr=1e-3"]


@pytest.mark.slow
def test_a_run_is_all_that_resuming_needs(run, stopped, config, root, tmp_path, monkeypatch, capsys):
    code, straight, _ = run("--out", tmp_path / "straight", *ARGUMENTS, "--json")
    assert code == 0
    config.unlink()
    monkeypatch.chdir(tmp_path)
    before = (stopped / "run.json").read_text()
    assert main(["train", "--resume", "run", "--json"]) == 0
    resumed, straight = json.loads(capsys.readouterr().out), json.loads(straight)
    for values in (resumed, straight):
        del values["seconds"]
    assert {**resumed, "run": ""} == {**straight, "run": ""}
    assert (stopped / "run.json").read_text() == before
    weights, expected = (load_file(folder / "weights.safetensors") for folder in (stopped, tmp_path / "straight"))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    assert (stopped / "split.json").read_bytes() == (tmp_path / "straight" / "split.json").read_bytes()


@pytest.mark.slow
def test_a_run_is_a_model_and_a_recipe(run, stopped, root, tmp_path, capsys):
    cfg = json.loads((stopped / "run.json").read_text())["model"]
    for command in (["config"], ["describe"], ["validate"], ["budget"]):
        assert main([*command, str(stopped)]) == 0
    assert "top_k: 1" in capsys.readouterr().out
    assert main(["config", str(stopped), "--json", "--set", "head.top_k=2"]) == 0
    changed = json.loads(capsys.readouterr().out)
    assert changed == {**cfg, "head": {**cfg["head"], "top_k": 2}}
    words = ["--data", "table", "--root", str(root), "--dry-run", "--json"]
    assert main(["train", str(stopped), *words]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["epochs"], plan["recipe_values"]["lr"]) == (2, 1e-3)


@pytest.mark.slow
def test_what_resuming_a_run_refuses(run, stopped, root, tmp_path, capsys):
    words = ["--data", "table", "--seed", "1", "--recipe-set", "epochs=9"]
    assert main(["train", "--resume", str(stopped), *words]) == 2
    assert "--data, --recipe-set, --seed cannot be given with --resume RUN" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "is not a run of iqa-zoo train" in capsys.readouterr().err
    (root / "scores.csv").rename(tmp_path / "kept.csv")
    text = (tmp_path / "kept.csv").read_text()
    (root / "scores.csv").write_text(text.replace("0.png,", "0.png,1", 1))
    try:
        assert main(["train", "--resume", str(stopped)]) == 2
    finally:
        (tmp_path / "kept.csv").replace(root / "scores.csv")
    assert "labels, references, distortions or the scale changed" in capsys.readouterr().err
    content = json.loads((stopped / "run.json").read_text())
    del content["arguments"]
    (stopped / "run.json").write_text(json.dumps(content))
    assert main(["train", "--resume", str(stopped)]) == 2
    assert f"give the arguments again, with --out {stopped} --resume" in capsys.readouterr().err


@pytest.mark.slow
def test_resuming_with_the_arguments_given_again(run, stopped, config, root, capsys):
    words = ["--data", "table", "--root", root, "--out", stopped, *ARGUMENTS]
    assert main(["train", "--resume", *map(str, [config, *words])]) == 0  # the value of --resume is the model then
    assert (stopped / "result.json").exists()


def test_what_a_training_needs(capsys):
    assert main(["train", "deiqt", "--out", "run"]) == 2
    assert "give CONFIG and --data NAME, what to train on what; or --resume RUN" in capsys.readouterr().err


def test_lines_of_a_long_training_are_few(capsys, monkeypatch):
    clock = iter(range(0, 100_000, 7))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with progress.report_training(epochs=2) as report:
        for step in range(11, 201):
            report("epoch 1 of 2, loss 0.5", step, 200)
    lines = capsys.readouterr().err.splitlines()
    assert 6 <= len(lines) <= 9
    assert lines[1] == "iqa-zoo: epoch 1 of 2, loss 0.5, step 25 of 200, about 20 min 25 s left"
    assert lines[-1] == "iqa-zoo: epoch 1 of 2, loss 0.5, step 200 of 200"


def test_lines_while_images_are_tested_are_fewer(capsys, monkeypatch):
    clock = iter(range(0, 100_000, 7))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with progress.report_training(epochs=1) as report:
        report("epoch 1 of 1, loss 0.5", 9, 10)
        report("epoch 1 of 1, loss 0.5", 10, 10)
        for image in range(1, 101):
            report(f"test image {image} of 100", 10, 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "iqa-zoo: epoch 1 of 1, loss 0.5, step 10 of 10"
    assert lines[1:] == [f"iqa-zoo: test image {image} of 100, step 10 of 10" for image in (43, 86)]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give --out FOLDER, a folder for the run, or --dry-run"),
        (["--recipe", "quik"], "unknown recipe 'quik'; did you mean 'quick'? Known: deiqt, "),
        (["--recipe-set", "epoch=3"], "unknown key 'epoch'; did you mean 'epochs'?"),
        (["--set", "head.num_expert=3"], "did you mean 'num_experts'?"),
        (["--selection", "lst"], "unknown selection rule 'lst'; did you mean 'last'?"),
        (["--track", "tensorbord"], "unknown tracker 'tensorbord'; did you mean 'tensorboard'?"),
        (["--split-file", "s.json", "--split-seed", "1"], "--split-seed does not count with --split-file"),
        (
            ["--split-file", "s.json", "--validation-fraction", "0"],
            "--validation-fraction does not count with --split-file",
        ),
        (["--split-file", "s.json", "--official"], "--official does not count with --split-file"),
        (["--official", "--split", "2"], "--split does not count with --official"),
        (["--split-file", "s.json"], "there is no split file s.json"),
        (["--validation-fraction", "0"], "make splits with validation_fraction, or choose --selection last"),
        (["--validation-fraction", "0.05"], "has 3 images, and its metrics need 5; raise --validation-fraction"),
        (["--recipe-set", "batch_size=64"], "42 training crops do not fill a batch of 64"),
        (["--dry-run", "--recipe-set", "batch_size=64"], "42 training crops do not fill a batch of 64"),
        (["--device", "cuda:x"], "'cuda:x' is no device"),
        (["--sharded"], "a sharded training needs several processes: start it with torchrun --nproc-per-node N"),
        (["--dry-run", "--validation-fraction", "0.05"], "has 3 images, and its metrics need 5"),
    ],
)
def test_what_cannot_be_trained_is_one_message(run, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*argv, *(["--out", "run"] if argv else []))
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_split_that_the_file_lacks(run, root, tmp_path):
    save_splits(tmp_path / "s.json", table(root), make_splits(table(root), 2))
    code, _, err = run("--out", tmp_path / "run", "--split-file", tmp_path / "s.json", "--split", 3)
    assert code == 2
    assert "s.json has 2 splits, from 1 to 2; there is no split 3" in err


def test_help_names_the_recipes_and_rules(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split()).replace("- ", "-")  # broken at a hyphen
    assert "deiqt, deiqt_released, lifeiqa_authentic" in words
    assert "test-oracle (the epoch of the best test SROCC: peeks" in words
