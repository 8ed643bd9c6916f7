"""Training end to end: killed and resumed, in two processes, with bad input, and with nothing left behind."""

import json
import logging
import os
import random
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer
from safetensors.torch import load_file

from iqa_zoo.build import build_model
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, load_splits
from iqa_zoo.errors import CheckpointError, InputError, UnknownName
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.inference.predict import predict
from iqa_zoo.training import state
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.end_to_end import fit, trackers
from iqa_zoo.training.end_to_end import train as training
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trackers import TRACKERS
from iqa_zoo.training.end_to_end.train import ResultNotWritten, train_model
from iqa_zoo.training.end_to_end.trainable import Trainable

HERE = Path(__file__).parent


def script(code: str, *arguments: str, launcher: tuple[str, ...] = (), **settings) -> str:
    """Run Python code that can import this folder's conftest; return what it printed."""
    settings["folder"].mkdir(parents=True, exist_ok=True)
    file = settings["folder"] / "script.py"
    file.write_text(f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{code}", encoding="utf-8")
    command = [sys.executable, *launcher, str(file), *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=580)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def kept(folder: Path) -> dict[str, torch.Tensor]:
    """Every tensor of a run."""
    checkpoint = find_latest_checkpoint(folder / "checkpoints")
    files = [folder / "weights.safetensors", *sorted(checkpoint.glob("*.safetensors"))]
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def without_seconds(value):
    """A history or a result as JSON, without what a clock said."""
    if isinstance(value, dict):
        return {key: without_seconds(item) for key, item in value.items() if key != "seconds"}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def assert_same_run(one: Path, other: Path) -> None:
    tensors, others = kept(one), kept(other)
    assert tensors.keys() == others.keys()
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []
    for file in ("history.json", "result.json"):
        first, second = (json.loads((folder / file).read_text()) for folder in (one, other))
        assert json.dumps(without_seconds(first)) == json.dumps(without_seconds(second)), file


# --- killed and resumed ---------------------------------------------------------------------------------------------

KILLED = """
import json, os, signal
from pathlib import Path
import matplotlib.pyplot
import torch._dynamo
from conftest import drawn, parted
from PIL import features
from iqa_zoo.build import build_model
from iqa_zoo.identity import find_part_modules, identify_code
from iqa_zoo.training import state
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model

folder, model, cases = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
data = drawn(folder / "images")
split = parted(data)
# Here, as above, once for all processes: what a training imports and which code it identifies as it begins.
identify_code([train_model.__module__], find_part_modules(build_model(model).config))


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at_write(count):
    left = [count]

    def mortal(function):
        def call(*arguments, **settings):
            left[0] -= 1
            if left[0] == 0:
                if function is state_save:  # half a file
                    Path(arguments[1]).write_bytes(b"half")
                die()
            return function(*arguments, **settings)
        return call

    state_save = state.save_file
    state.save_file = mortal(state.save_file)
    os.replace = mortal(os.replace)
    Path.rename = mortal(Path.rename)
    state.shutil.rmtree = mortal(state.shutil.rmtree)


def run(case, name, at=None, write=None):
    # In a process of its own, which a kill ends.
    child = os.fork()
    if child == 0:
        try:
            if write:
                dies_at_write(write)
            train_model(
                model, data, split, Recipe(summary="tiny", test_crops=2, batch_size=4, **case["recipe"]),
                folder / case["name"] / name, seed=3, options=TrainingOptions(device="cpu", resume=True, **case["options"]),
                progress=lambda words, done, total: die() if done == at else None,
            )
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == (-signal.SIGKILL if at or write else 0), (case["name"], name, at, write, status)


for case in cases:
    run(case, "straight")
    for at in case["steps"]:
        run(case, "killed", at=at)
    for write in case["writes"]:
        run(case, "killed", write=write)
    run(case, "killed")
"""

CASES = {
    "epochs only": (
        dict(epochs=3, accumulate=2, ema=0.8, schedule="cosine", warmup_epochs=0.5, weight_decay=0.05, clip=1.0),
        dict(),
    ),
    "every third step": (
        dict(epochs=2, crops=2, optimizer="adam", schedule="step", step_epochs=1, weight_decay=1e-3, patience=5),
        dict(save_steps=3, peek=True),
    ),
    "every step": (
        dict(epochs=2, precision="bfloat16", freeze_batch_norm=False, backbone_lr=1e-4, ema=0.5, accumulate=2),
        dict(save_steps=1, selection="last"),
    ),
}


@pytest.mark.slow
def test_runs_killed_at_random_steps_end_as_ones_never_killed(model, tmp_path):
    """SIGKILL twice at a step, then twice while a file is written, then on to the end: every tensor bit for bit."""
    seed = int(os.environ.get("IQA_ZOO_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"IQA_ZOO_TEST_SEED={seed}")
    chance, cases = random.Random(seed), []
    for name, (recipe, options) in CASES.items():
        steps = recipe["epochs"] * 16 * recipe.get("crops", 1) * recipe.get("accumulate", 1) // 4
        # A resumed run meets a later step at the earliest, and at least the files of its last epoch.
        cases.append(
            dict(
                name=name,
                recipe={"lr": 1e-3, **recipe},
                options=options,
                steps=sorted(chance.sample(range(1, steps), 2)),
                writes=[chance.randrange(1, 8), chance.randrange(1, 5)],
            )
        )
    script(KILLED, str(tmp_path), json.dumps(model), json.dumps(cases), folder=tmp_path)
    for name in CASES:
        assert_same_run(tmp_path / name / "straight", tmp_path / name / "killed")


@pytest.mark.slow
def test_dropout_is_random_in_these_runs(train, model, tmp_path):
    """Else the runs above would agree without a step's seed being right."""
    train("random")
    model["head"]["dropout"] = 0.0
    train("not")
    random_weights, others = kept(tmp_path / "random"), kept(tmp_path / "not")
    assert not torch.equal(random_weights["weights/head.router.weight"], others["weights/head.router.weight"])


# --- two processes --------------------------------------------------------------------------------------------------

TWO = """
import json
from pathlib import Path
import numpy as np
import torch
from conftest import drawn, parted
from torch import distributed
from iqa_zoo.inference.predict import predict
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model
from iqa_zoo.inference.load_run import load_run

folder, model, recipe = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
data = drawn(folder / "images")
split = parted(data)


def train(name):
    return train_model(model, data, split, Recipe(**recipe), folder / name, options=TrainingOptions(device="cpu", save_steps=3))


train("two")
rank = distributed.get_rank()
scorer, _ = load_run(folder / "two", "cpu")
scores = predict(scorer, data, np.arange(7), crops=2)
few = predict(scorer, data, np.arange(1), crops=2)  # nothing for the second process to do
(folder / f"scores-{rank}.json").write_text(json.dumps([scores.tolist(), few.tolist()]))

forward, steps = Trainable.forward, []


def nan_in_the_second_process(self, *arguments, **settings):
    losses = forward(self, *arguments, **settings)
    steps.append(1)
    return {**losses, "total": losses["total"] * (float("nan") if rank == 1 and len(steps) == 6 else 1.0)}


Trainable.forward = nan_in_the_second_process
try:
    train("nan")
except ValueError as error:
    (folder / f"nan-{rank}.txt").write_text(str(error))
distributed.barrier()  # neither ends while the other still reads what it sent
"""


@pytest.mark.slow
def test_two_processes_give_what_one_gives_at_the_same_global_batch(model, train, data, recipe, tmp_path):
    """Losses that are no means over samples included; predictions are shared out and gathered; a nan stops both."""
    model["head"]["dropout"] = model["backbone"]["model_args"]["drop_path_rate"] = 0.0
    model["losses"] += [{"type": "plcc", "weight": 0.5}]
    model["losses"][1]["weight"] = 0.5
    changes = dict(ema=0.5, lr=3e-4)
    expected = train("one", changes=changes)
    script(
        TWO,
        str(tmp_path),
        json.dumps(model),
        json.dumps(recipe(**changes).to_dict()),
        launcher=("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        folder=tmp_path,
    )
    result = json.loads((tmp_path / "two" / "result.json").read_text())
    assert result["metrics"] == pytest.approx(expected["metrics"], rel=1e-3, abs=1e-3)
    assert result["predictions"] == pytest.approx(expected["predictions"], abs=0.02)
    histories = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("one", "two")]
    assert [epoch["loss"] for epoch in histories[1]] == pytest.approx(
        [epoch["loss"] for epoch in histories[0]], rel=1e-4
    )
    one, two = kept(tmp_path / "one"), kept(tmp_path / "two")
    for name in one:
        if "in_proj_bias" not in name:  # a key's bias has no gradient but rounding, of which Adam makes steps
            torch.testing.assert_close(
                two[name], one[name], rtol=1e-2, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
            )

    scorer, _ = load_run(tmp_path / "two", "cpu")
    alone = predict(scorer, data, np.arange(7), crops=2)
    for rank in (0, 1):
        scores, few = json.loads((tmp_path / f"scores-{rank}.json").read_text())
        np.testing.assert_allclose(scores, alone, rtol=1e-6)
        np.testing.assert_allclose(few, alone[:1], rtol=1e-6)
        said = (tmp_path / f"nan-{rank}.txt").read_text()
        assert "the loss is nan at step 6 of 8 (epoch 2)" in said
        assert "step-00000004" in said


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.fixture
def nan_at(monkeypatch):
    """Make the loss of a step nan, or its gradient alone."""

    def at(step, gradient_only=False):
        forward, steps = Trainable.forward, []

        def broken(self, *arguments, **settings):
            losses = forward(self, *arguments, **settings)
            steps.append(1)
            if len(steps) != step:
                return losses
            total = losses["total"]
            if gradient_only:
                total.register_hook(lambda gradient: gradient * torch.nan)
                return losses
            return {**losses, "total": total * torch.nan}

        monkeypatch.setattr(Trainable, "forward", broken)

    return at


@pytest.mark.slow
@pytest.mark.parametrize(("step", "last"), [(3, None), (6, "step-00000004"), (8, "step-00000004")])
@pytest.mark.parametrize("gradient_only", [False, True])
def test_a_nan_stops_says_the_step_and_keeps_the_last_good_checkpoint(
    step, last, gradient_only, nan_at, train, tmp_path
):
    """A nan in the gradient alone is seen in the next loss, or before anything is kept."""
    nan_at(step, gradient_only)
    seen = step if not gradient_only or step % 4 == 0 else step + 1
    with pytest.raises(InputError) as error:
        train()
    assert f"at step {seen} of 8 (epoch {1 + (seen - 1) // 4})" in str(error.value)
    assert "a lower rate (lr is 0.001) or a clipped gradient" in str(error.value)
    found = find_latest_checkpoint(tmp_path / "run" / "checkpoints")
    assert (found and found.name) == last
    if last:
        assert f"--weights {found / 'model.safetensors'}" in str(error.value)
        assert all(tensor.isfinite().all() for tensor in kept(tmp_path / "run").values())
    else:
        assert "no checkpoint yet" in str(error.value)
        assert not (tmp_path / "run" / "weights.safetensors").exists()


@pytest.mark.slow
def test_the_way_on_after_a_nan_is_the_one_that_the_message_names(nan_at, train, tmp_path, monkeypatch):
    nan_at(6)
    with pytest.raises(InputError) as error:
        train()
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"recipe\.lr: 0\.001 there, 0\.0001 asked for\n.*another folder"):
        train(changes=dict(lr=1e-4), resume=True)
    good = str(error.value).split("--weights ")[1].split(" starts")[0]
    train("on", changes=dict(lr=1e-4), weights=good)
    train(resume=True)  # the loss is finite now, and it goes on


@pytest.mark.slow
def test_a_truncated_image_is_named_and_nothing_stands_in_for_it(train, data, split, tmp_path):
    broken = data.paths[split.train[5]]
    broken.write_bytes(broken.read_bytes()[:700])
    with pytest.raises(InputError, match=rf"{broken.name} is truncated"):
        train()
    assert find_latest_checkpoint(tmp_path / "run" / "checkpoints") is None


@pytest.fixture
def damaged_after_last_step(data, split):
    """A callback that cuts off a test image once all steps are done, and a function that restores it."""
    broken = data.paths[split.test[0]]
    whole = broken.read_bytes()

    def progress(words, done, total):
        if done == total and "loss" in words:
            broken.write_bytes(whole[:700])

    return progress, lambda: broken.write_bytes(whole)


@pytest.mark.slow
def test_a_test_image_that_is_damaged_meanwhile_leaves_a_run_that_goes_on(train, damaged_after_last_step, tmp_path):
    damage, restore = damaged_after_last_step
    with pytest.raises(InputError, match=r"\.png is truncated"):
        train(progress=damage, memory_bytes=0)
    restore()
    said = []
    train(resume=True, progress=lambda *words: said.append(words))
    assert said == [(f"test image {i} of 8", 8, 8) for i in range(1, 9)]  # not trained again
    train("straight")
    assert_same_run(tmp_path / "straight", tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("what", ["model.safetensors", "weights.safetensors", "history.json", "result.json"])
def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(what, train, tmp_path, monkeypatch):
    full, write_text, save_file = [False], Path.write_text, state.save_file

    def check(path):
        if full[0] and what.split(".")[0] == Path(path).name.split(".")[0]:
            raise OSError(28, "No space left on device")

    def text(path, *arguments, **settings):
        check(path)
        return write_text(path, *arguments, **settings)

    def tensors(named, path, *arguments):
        check(path)
        return save_file(named, path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", text)
        patch.setattr(state, "save_file", tensors)
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            train(progress=lambda words, done, total: full.__setitem__(0, done > 4), selection="last")
    train(resume=True, selection="last")
    train("straight", selection="last")
    assert_same_run(tmp_path / "straight", tmp_path / "run")


@pytest.mark.slow
def test_a_log_that_fails_ends_and_the_training_goes_on(train, tmp_path, monkeypatch):
    expected = train("straight")
    from mmengine.visualization import LocalVisBackend

    with monkeypatch.context() as patch:
        calls = []

        def scalars(*_, **__):
            calls.append(1)
            raise OSError(28, "No space left on device")

        patch.setattr(LocalVisBackend, "add_scalars", scalars)
        result = train()
    assert len(calls) == 1
    assert expected["log_problems"] == []
    (problem,) = result["log_problems"]
    assert problem == "the log of LocalVisBackend ended early: [Errno 28] No space left on device"
    assert result["predictions"] == expected["predictions"]


@pytest.mark.slow
def test_a_result_that_cannot_be_written_is_not_lost(train, tmp_path, monkeypatch):
    expected, write_text = train("straight"), Path.write_text

    def full(path, *arguments, **settings):
        if path.name.startswith("result"):
            raise OSError(28, "No space left on device")
        return write_text(path, *arguments, **settings)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(
        ResultNotWritten, match="No space left on device.*The weights of the selected epoch are"
    ) as error:
        train()
    assert without_seconds(error.value.result) == without_seconds(expected)
    assert str(tmp_path / "run" / "weights.safetensors") in str(error.value)


def test_a_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/run: cannot be written \(.*file is not a folder\)"):
        train("file/run")


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_begun_anew_by_accident(train, tmp_path):
    train()
    before = kept(tmp_path / "run")
    with pytest.raises(InputError, match="holds a run already; go on with --resume, or name another folder"):
        train()
    assert all(torch.equal(tensor, before[name]) for name, tensor in kept(tmp_path / "run").items())


def test_a_head_in_closed_form_is_refused(model, data, split, recipe, tmp_path):
    model |= {"head": {"type": "ridge"}, "losses": [{"type": "l1"}]}
    with pytest.raises(InputError, match=r"the head 'ridge' is fitted in closed form .* choose the head 'linear'"):
        train_model(model, data, split, recipe(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_finished_run_returns_its_result(train):
    result = train()
    again = train(resume=True, progress=lambda *_: pytest.fail("trained again"))
    assert again == json.loads(json.dumps(result))


@pytest.mark.slow
def test_a_finished_run_is_not_that_of_images_or_code_that_changed(train, data, split, tmp_path, monkeypatch):
    train()
    whole = {part: data.paths[getattr(split, part)[0]].read_bytes() for part in ("train", "test")}
    for part, key in (("train", "data.images_hash"), ("test", "data.test_images_hash")):
        path = data.paths[getattr(split, part)[0]]
        path.write_bytes(data.paths[getattr(split, part)[1]].read_bytes())
        with pytest.raises(CheckpointError, match=rf"  - {key}: .* images.*changed\)\nGo on"):
            train(resume=True)
        path.write_bytes(whole[part])
    real = training.identify_code
    monkeypatch.setattr(training, "identify_code", lambda *modules: {**real(*modules), "iqa_zoo.heads.moe": "edited"})
    with pytest.raises(CheckpointError, match=r"  - code.iqa_zoo.heads.moe: .* \(its source changed\)\nGo on"):
        train(resume=True)
    monkeypatch.undo()
    monkeypatch.setattr(training, "identify_libraries", lambda: {"torch": "0.1"})
    with pytest.raises(CheckpointError, match=r"  - versions.torch: .* there, '0.1' asked for"):
        train(resume=True)
    monkeypatch.undo()
    train(resume=True)


@pytest.mark.slow
def test_another_run_is_refused_by_the_keys_that_differ(train, data, split, model, tmp_path):
    train(changes=dict(epochs=1))
    other = Split(split.train[:-1], split.test, split.validation, "another")
    relabelled = RatedImages(
        "grey", data.paths, data.mos[::-1], score_range=(0, 100), licence="CC0", source="drawn by chance"
    )
    wider = {**model, "head": {**model["head"], "hidden": 24}}
    refused = {
        "recipe.lr": dict(changes=dict(epochs=1, lr=2e-3)),
        "recipe.epochs": dict(changes=dict(epochs=2)),
        "seed": dict(seed=1),
        "split": dict(parts=other),
        "data.labels_hash": dict(on=relabelled),
        "model.head.hidden": dict(cfg=wider),
        "selection": dict(selection="last"),
    }
    for key, asked in refused.items():
        with pytest.raises(CheckpointError, match=rf"differs from what was asked for:\n(.*\n)*  - {key}: .* there, "):
            train(resume=True, **{"changes": dict(epochs=1), **asked})
    with pytest.raises(CheckpointError) as error:
        train(resume=True, changes=dict(epochs=2, freeze=("backbone",)))
    assert [line.split(":")[0] for line in str(error.value).splitlines()[1:-1]] == [
        "  - recipe.epochs",
        "  - recipe.freeze",
    ]


@pytest.mark.slow
def test_a_damaged_checkpoint_is_said_and_removing_it_begins_anew(train, nan_at, tmp_path, monkeypatch):
    nan_at(6)
    with pytest.raises(InputError):
        train()
    monkeypatch.undo()
    checkpoint = find_latest_checkpoint(tmp_path / "run" / "checkpoints")
    (checkpoint / "optimizer.safetensors").unlink()
    with pytest.raises(CheckpointError, match="step-00000004: damaged .*remove this folder"):
        train(resume=True)
    for file in checkpoint.iterdir():
        file.unlink()
    checkpoint.rmdir()
    train(resume=True)
    train("straight")
    assert_same_run(tmp_path / "straight", tmp_path / "run")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (dict(parts=Split(np.arange(16), np.arange(24, 32), np.arange(0), "x")), "reads a validation part"),
        (
            dict(
                parts=Split(np.arange(16), np.arange(24, 32), np.arange(0), "x"),
                selection="last",
                changes=dict(patience=1),
            ),
            r"early stop \(patience\) reads a validation part",
        ),
        (dict(parts=Split(np.arange(0), np.arange(24, 32), np.arange(3), "x")), "train part of split x is empty"),
        (dict(parts=Split(np.arange(9), np.arange(0), np.arange(3), "x")), "test part of split x is empty"),
        (
            dict(parts=Split(np.arange(16), np.arange(24, 28), np.arange(16, 24), "x")),
            "the test part of split x has 4 images, and its metrics need 5; choose other splits",
        ),
        (
            dict(parts=Split(np.arange(16), np.arange(24, 32), np.arange(16, 20), "x"), selection="last"),
            "the validation part of split x has 4 images, and its metrics need 5; raise --validation-fraction",
        ),
        (dict(parts=Split(np.arange(3), np.arange(24, 32), np.arange(16, 24), "x")), "3 training crops do not fill"),
        (dict(parts=Split(np.arange(1), np.arange(24, 32), np.arange(16, 24), "x")), "all training labels are"),
        (dict(selection="lst"), "unknown selection rule 'lst'; did you mean 'last'"),
        (dict(trackers=("tensorbord",)), "unknown tracker 'tensorbord'; did you mean 'tensorboard'"),
        (dict(changes=dict(precision="float16")), "float16 needs CUDA"),
    ],
)
def test_what_cannot_be_trained_is_said_before_the_folder_is_made(asked, said, train, tmp_path):
    with pytest.raises(InputError, match=said):
        train(**asked)
    assert not (tmp_path / "run").exists()


# --- what a recipe does ---------------------------------------------------------------------------------------------


def plain(model):
    """Nothing random in the model, and a loss that is a mean over the samples."""
    model["head"] = {"type": "linear"}
    model["losses"] = [{"type": "l1"}]
    model["backbone"]["model_args"]["drop_path_rate"] = 0.0
    return model


def moved(folder: Path, model, seed: int = 0) -> dict[str, float]:
    """How far each tensor is from where it began."""
    torch.manual_seed(seed)
    begun = build_model(model).state_dict()
    return {
        name: (tensor - begun[name]).abs().max().item()
        for name, tensor in load_file(folder / "weights.safetensors").items()
    }


@pytest.mark.slow
def test_frozen_parameters_keep_their_bits_and_the_others_move(train, model, tmp_path):
    train(changes=dict(epochs=1, freeze=("backbone.model.layer*", "head.router.weight")))
    for name, distance in moved(tmp_path / "run", model).items():
        frozen = name.startswith("backbone.model.layer") or name == "head.router.weight" or "running_" in name
        unmoved = frozen or name.endswith("num_batches_tracked")
        assert (distance == 0) == unmoved or name.startswith("head.experts"), name  # an expert may get no token


@pytest.fixture
def gradients(monkeypatch):
    """The gradient that each step is made with, in one row."""
    found, step = [], torch.optim.AdamW.step

    def noted(self, *arguments):
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        found.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    return found


@pytest.mark.slow
def test_accumulated_parts_make_the_same_step(train, model, gradients):
    for accumulate in (1, 2, 4):
        train(f"in {accumulate}", cfg=plain(model), changes=dict(epochs=1, batch_size=8, accumulate=accumulate))
    assert len(gradients) == 3 * 2
    for first in gradients[2::2]:  # later ones differ as Adam makes much of small gradients
        torch.testing.assert_close(first, gradients[0], rtol=1e-3, atol=1e-6)
    assert gradients[0].norm() > 0.1


@pytest.mark.slow
def test_a_clipped_gradient_is_no_longer_than_that(train, gradients):
    train(changes=dict(epochs=1, clip=0.01))
    assert len(gradients) == 4
    assert max(gradient.norm().item() for gradient in gradients) <= 0.0101


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [True, False])
def test_running_statistics_move_only_if_they_are_trained(frozen, train, model, tmp_path):
    train(changes=dict(epochs=1, freeze_batch_norm=frozen))
    distances = moved(tmp_path / "run", model)
    assert all((distance == 0) == frozen for name, distance in distances.items() if "running_" in name)


@pytest.mark.slow
def test_bfloat16_trains_near_float32(train, tmp_path):
    losses = []
    for precision in ("float32", "bfloat16"):
        train(precision, changes=dict(precision=precision))
        losses.append([epoch["loss"] for epoch in json.loads((tmp_path / precision / "history.json").read_text())])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.15)


@pytest.mark.slow
def test_an_average_of_the_weights_is_what_is_tested_and_kept(train, tmp_path):
    train(changes=dict(ema=0.9))
    tensors = kept(tmp_path / "run")
    name = "head.router.weight"
    assert torch.equal(tensors[f"weights/{name}"], tensors[f"ema/module.{name}"])
    assert not torch.equal(tensors[f"weights/{name}"], tensors[f"model/{name}"])


@pytest.mark.slow
def test_raw_labels_and_standardised_ones_are_both_learned_on_their_scale(train, data, split):
    result = train()
    assert result["metrics"]["srocc"] > 0.8
    assert abs(np.mean(list(result["predictions"].values())) - data.mos[split.test].mean()) < 10
    raw = train("raw", changes=dict(labels="raw", epochs=1))
    assert abs(np.mean(list(raw["predictions"].values()))) < 10  # far from 20..80 after four steps


# --- which epoch, and what is read ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_test_part_is_not_read_between_the_check_and_the_end(train, data, split, monkeypatch):
    """Before the first step every image is decoded once, as none may turn out to be damaged after the last."""
    read, steps = [], []
    load = training.DecodedImages.__getitem__
    monkeypatch.setattr(
        training.DecodedImages, "__getitem__", lambda self, i: (read.append((len(steps), i)), load(self, i))[1]
    )
    train(progress=lambda words, *_: steps.append(1) if "loss" in words else None)
    assert {i for _, i in read} == set(range(32))
    assert {step for step, i in read if i in split.test} == {0, 8}


@pytest.mark.slow
def test_a_peek_reports_every_rule_and_changes_no_weight(train, tmp_path):
    blind, peeked = train("blind"), train("peeked", peek=True)
    assert blind["every_rule"] == {}
    assert set(peeked["every_rule"]) == {"validation", "last", "test-oracle"}
    assert peeked["every_rule"]["validation"]["srocc"] == peeked["metrics"]["srocc"]
    blind_weights, weights = kept(tmp_path / "blind"), kept(tmp_path / "peeked")
    assert all(torch.equal(weights[name], blind_weights[name]) for name in weights)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "epoch"), [("validation", 2), ("last", 3), ("test-oracle", 1)])
def test_the_kept_weights_are_those_of_the_rule(rule, epoch, train, split, tmp_path, monkeypatch):
    """Metrics are made up; a run of so many epochs at a constant rate has the weights of that epoch."""
    made_up = {"validation": [0.1, 0.3, 0.2], "test": [0.9, 0.8, 0.7]}
    calls = {"validation": 0, "test": 0}
    evaluate = fit.evaluate_scores

    def fake(scores, data, indices):
        part = "test" if indices[0] == split.test[0] else "validation"
        found = evaluate(scores, data, indices)
        calls[part] += 1
        values = made_up[part]
        return {**found, "metrics": {"srocc": values[min(calls[part], 3) - 1]}}

    monkeypatch.setattr(fit, "evaluate_scores", fake)
    result = train(changes=dict(epochs=3, schedule="constant"), selection=rule)
    monkeypatch.undo()
    train("short", changes=dict(epochs=epoch, schedule="constant"), selection="last")
    assert (result["epoch"], result["epochs"]) == (epoch, 3)
    ours, expected = (load_file(tmp_path / name / "weights.safetensors") for name in ("run", "short"))
    assert all(torch.equal(ours[name], expected[name]) for name in ours)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [each["selected"] for each in history] == [i + 1 == epoch for i in range(3)]
    assert all(each["validation"] for each in history)


@pytest.mark.slow
def test_a_run_that_stopped_early_stays_stopped(train, monkeypatch):
    """With a rate of nothing no epoch is better than the first; of equals the last is kept."""
    changes = dict(epochs=6, patience=2, lr=0.0)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "report_selected", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(changes=changes)
    said = []
    result = train(changes=changes, resume=True, progress=lambda *words: said.append(words))
    assert said[0] == ("test image 1 of 8", 12, 24)  # not trained on
    assert (result["epoch"], result["epochs"]) == (3, 3)


# --- what a run leaves ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_progress_moves_while_images_are_tested(train):
    """Between the steps, which stand still meanwhile; in the words of who is watching."""
    said = []
    train(progress=lambda *words: said.append(words), peek=True)
    assert said[:32] == [(f"checking image {i} of 32", 0, 8) for i in range(1, 33)]
    said = said[32:]
    losses = [("loss" in words, done) for words, done, _ in said]
    assert losses[:4] == [(True, 1), (True, 2), (True, 3), (True, 4)]
    assert said[4:12] == [(f"epoch 1 of 2, validation image {i} of 8", 4, 8) for i in range(1, 9)]
    assert said[12:20] == [(f"epoch 1 of 2, test image {i} of 8", 4, 8) for i in range(1, 9)]
    assert losses[20:24] == [(True, 5), (True, 6), (True, 7), (True, 8)]
    assert said[24] == ("epoch 2 of 2, validation image 1 of 8", 8, 8)
    assert said[40:] == [(f"test image {i} of 8", 8, 8) for i in range(1, 9)]


@pytest.mark.slow
def test_a_run_notes_the_name_of_its_recipe_and_goes_on_under_another(model, data, split, recipe, tmp_path):
    def trained(name, **options):
        settings = TrainingOptions(device="cpu", **options)
        return train_model(model, data, split, recipe(epochs=1), tmp_path / "run", recipe_name=name, options=settings)

    result = trained("quick")
    assert load_run(tmp_path / "run", "cpu")[1].recipe_name == "quick"
    assert trained("a copy of it.yaml", resume=True) == json.loads(json.dumps(result))


@pytest.mark.slow
def test_a_loaded_run_scores_as_it_reported(train, data, split, tmp_path):
    result = train(changes=dict(ema=0.9))
    scorer, run = load_run(tmp_path / "run", "cpu")
    scores = predict(scorer, data, split.test, crops=run.test_crops)
    assert fit.evaluate_scores(scores, data, split.test)["metrics"] == result["metrics"]
    assert dict(zip((data.names[i] for i in split.test), scores, strict=True)) == result["predictions"]
    assert not scorer.training
    assert [each.id for each in load_splits(tmp_path / "run" / "split.json", data)] == [split.id]


@pytest.mark.slow
def test_what_is_no_run_or_has_no_weights_yet(train, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(CheckpointError, match=r"no run\.json; it holds notes\.txt"):
        load_run(tmp_path / "other")
    with pytest.raises(UnknownName, match="unknown run 'nowhere'"):
        load_run(tmp_path / "nowhere")

    def interrupt(words, done, total):
        if done:  # after the images are checked
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(progress=interrupt)
    with pytest.raises(CheckpointError, match="no weights yet.*--resume"):
        load_run(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_in_the_process(fails, train, nan_at):
    def found():
        return {
            "instances": [list(kind._instance_dict) for kind in (MMLogger, MessageHub, Visualizer, DefaultScope)],
            "disabled": logging.root.manager.disable,
            "environment": dict(os.environ),
            "started": torch.multiprocessing.get_start_method(allow_none=True),
            "torch": torch.get_rng_state().tolist(),
            "numpy": np.random.get_state()[1].tolist(),
            "random": random.getstate(),
            "files": sorted(
                os.readlink(f"/proc/self/fd/{fd}")
                for fd in os.listdir("/proc/self/fd")
                if os.path.exists(f"/proc/self/fd/{fd}")
            ),
            "gradients": torch.is_grad_enabled(),
        }

    before = found()
    if fails:
        nan_at(2)
        with pytest.raises(InputError):
            train(changes=dict(epochs=1))
    else:
        train(changes=dict(epochs=1))
    after = found()
    assert [key for key in before if before[key] != after[key]] == []


def test_a_tracker_without_its_package_is_an_error_before_training(train, tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    for tracker in TRACKERS:
        with pytest.raises(InputError, match=f"tracker '{tracker}' needs a package: pip install {tracker}"):
            train(trackers=(tracker,))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_tracker_writes(train, tmp_path):
    if find_spec("tensorboard") is None:
        pytest.skip("tensorboard is not installed: pip install tensorboard")
    train(trackers=("tensorboard",))
    assert list((tmp_path / "run").rglob("events.out.tfevents.*"))


@pytest.mark.slow
def test_the_log_has_losses_and_validation_metrics(train, tmp_path):
    train()
    (file,) = (tmp_path / "run" / "log").rglob("scalars.json")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert any("loss" in line for line in lines)
    assert [line["step"] for line in lines if "validation/srocc" in line] == [1, 2]


def test_an_unknown_model_is_said(train):
    with pytest.raises(UnknownName, match="deiqt"):
        train(cfg="deiq")
