"""Sharded training: two processes that share out a model train it as one that holds it does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from iqa_zoo.errors import InputError
from iqa_zoo.inference.load_run import load_run
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.end_to_end import sharded
from iqa_zoo.training.end_to_end.sharded import find_blocks
from iqa_zoo.training.run_folder import RunFolder

HERE = Path(__file__).parent

TWO = """
import copy, json, sys, warnings
from pathlib import Path
warnings.filterwarnings("error", message="FSDP2-wrapped")
sys.path.insert(0, sys.argv[1])
import matplotlib.pyplot
import torch
import torch._dynamo
from conftest import drawn, parted, run_in_two
from torch import distributed
from torch.distributed.tensor import DTensor
from iqa_zoo.build import build_model
from iqa_zoo.training.end_to_end import hooks
from iqa_zoo.training.end_to_end import sharded
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training import shards
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model

folder, model, recipe = Path(sys.argv[2]), json.loads(sys.argv[3]), Recipe(**json.loads(sys.argv[4]))
sharded.SMALLEST = 1000  # of a model this small, too, some blocks are gathered on their own
data = drawn(folder / "images")
split = parted(data)
seen = {}


class Stopped(Exception):
    pass


build_model(model)  # here, as above, once for both processes: what a training imports as it begins


def train(name, sharded=True, resume=False):
    options = TrainingOptions(device="cpu", save_steps=2, sharded=sharded, resume=resume)
    return train_model(model, data, split, recipe, folder / name, options=options)


def all_stop(name, stop, **settings):
    after = hooks.Steps.after_train_iter

    def stops(self, runner, *arguments, **others):
        after(self, runner, *arguments, **others)
        if runner.iter + 1 == stop:
            raise Stopped

    hooks.Steps.after_train_iter = stops
    try:
        train(name, **settings)
    except Stopped:
        pass
    hooks.Steps.after_train_iter = after


def note(self, runner):
    parameters = dict(hooks.unwrap_model(runner).named_parameters())
    seen["shares"] = {key: shards.get_local(each).numel() for key, each in parameters.items()}
    moments = runner.optim_wrapper.optimizer.state
    seen["moments"] = {key: shards.get_local(moments[each]["exp_avg"]).numel() for key, each in parameters.items() if each in moments}
    seen["blocks"] = sum(isinstance(each, torch.distributed.fsdp.FSDPModule) for each in runner.model.modules())


class Viewed(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x).view(-1, 2, 20)


class Changed(torch.nn.Module):
    def forward(self, x):
        x += 1.0  # in place
        return x.flatten(1)


forward, count = sharded.OptimWrapper.update_params, []


def nan_in_the_second(self, loss, *arguments, **settings):
    count.append(1)
    forward(self, loss, *arguments, **settings)
    if distributed.get_rank() == 1 and len(count) == 6:  # in weights that the second process alone holds
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                if isinstance(parameter, DTensor) and shards.get_local(parameter).numel():
                    shards.get_local(parameter).fill_(float("nan"))
                    return


def run():
    rank = distributed.get_rank()
    hooks.Steps.after_train = note
    train("sharded")
    (folder / f"seen-{rank}.json").write_text(json.dumps(seen))
    del hooks.Steps.after_train
    all_stop("on and on", 3, sharded=False)
    all_stop("on and on", 5, resume=True)
    all_stop("on and on", 7, resume=True)

    torch.manual_seed(0)
    lone = torch.nn.Sequential(Viewed(40, 40), Changed(), torch.nn.Linear(40, 40), Changed()).double()
    shared, x = copy.deepcopy(lone), torch.randn(4, 40).double()
    sharded.shard(shared, torch.device("cpu"))
    lone(x).square().mean().backward()
    shared(x[rank::2]).square().mean().backward()
    gradients = shards.gather_whole({name: each.grad for name, each in shared.named_parameters()})
    for name, each in lone.named_parameters():
        torch.testing.assert_close(gradients[name], each.grad)

    sharded.OptimWrapper.update_params = nan_in_the_second
    try:
        train("nan")
    except ValueError as error:
        (folder / f"nan-{rank}.txt").write_text(str(error))


run_in_two(run, folder / "store")
"""


@pytest.fixture
def quiet(model):
    """Nothing random in the model, and losses over the batch and over two views in it."""
    model["head"] |= {"dropout": 0.0}
    model["backbone"]["model_args"]["drop_path_rate"] = 0.0
    model["losses"][1]["weight"] = 0.5
    model["losses"] += [{"type": "plcc", "weight": 0.5}, {"type": "mirror_consistency", "stage": 4, "weight": 0.5}]
    return model


def kept(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = find_latest_checkpoint(folder / "checkpoints")
    files = [folder / "weights.safetensors", *sorted(checkpoint.glob("*.safetensors"))]
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def assert_near(one: Path, other: Path) -> None:
    """Weights, moments and averages in the same files, under the same names, of the same shapes; and results."""
    here, there = kept(one), kept(other)
    assert {name: (each.shape, each.dtype) for name, each in here.items()} == {
        name: (each.shape, each.dtype) for name, each in there.items()
    }
    for name, tensor in here.items():
        if "in_proj_bias" not in name:  # a key's bias has no gradient but rounding, of which Adam makes steps
            torch.testing.assert_close(
                there[name], tensor, rtol=1e-2, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
            )
    results = [json.loads((folder / "result.json").read_text()) for folder in (one, other)]
    assert results[1]["metrics"] == pytest.approx(results[0]["metrics"], rel=1e-3, abs=1e-3)
    assert results[1]["predictions"] == pytest.approx(results[0]["predictions"], abs=0.02)


@pytest.mark.slow
def test_two_processes_that_share_a_model_train_it_as_one_does(quiet, train, recipe, tmp_path):
    """With accumulation, a clipped gradient and a moving average; stopped and resumed, in either direction.

    One run goes on from one checkpoint to the next: written whole by two processes and read sharded, written and read
    sharded, written sharded and read whole by one process.
    """
    changes = dict(ema=0.5, lr=3e-4, accumulate=2, batch_size=8, clip=0.5, epochs=2, weight_decay=0.05)
    train("one", cfg=quiet, changes=changes, save_steps=2)
    file = tmp_path / "two.py"
    file.write_text(TWO, encoding="utf-8")
    content = [str(HERE), str(tmp_path), json.dumps(quiet), json.dumps(recipe(**changes).to_dict())]
    command = [sys.executable, str(file), *content]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=580)
    assert done.returncode == 0, done.stderr[-4000:]

    assert_near(tmp_path / "one", tmp_path / "sharded")
    latest = find_latest_checkpoint(tmp_path / "on and on" / "checkpoints")
    assert latest is not None
    assert latest.name == "step-00000006"
    train("on and on", cfg=quiet, changes=changes, save_steps=2, resume=True)
    assert_near(tmp_path / "one", tmp_path / "on and on")

    assert RunFolder(tmp_path / "sharded").read("run")["sharded"] is True
    assert RunFolder(tmp_path / "sharded").read("run")["world"] == 2
    load_run(tmp_path / "sharded", "cpu")

    first, second = (json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in (0, 1))
    shapes = {name: each.shape for name, each in load_file(tmp_path / "one" / "weights.safetensors").items()}
    assert first["blocks"] == second["blocks"] > 2
    for what in ("shares", "moments"):
        for name, count in first[what].items():
            size = shapes[name].numel()
            assert count + second[what][name] == (2 * size if not shapes[name] else size), name
            assert count <= -(-shapes[name][0] // 2) * shapes[name][1:].numel() if shapes[name] else True, name

    for rank in (0, 1):
        said = (tmp_path / f"nan-{rank}.txt").read_text()
        assert "at step " in said
        assert "step-00000004" in said


def test_it_needs_several_processes_and_no_loss_scaling(train, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="needs several processes: start it with torchrun"):
        train(sharded=True)
    monkeypatch.setattr(os, "environ", {**os.environ, "WORLD_SIZE": "2"})
    monkeypatch.setattr("iqa_zoo.training.end_to_end.train.begin_processes", lambda device: device)
    with pytest.raises(InputError, match="float16 cannot be trained sharded.*bfloat16"):
        train(sharded=True, changes=dict(precision="float16"))
    assert not (tmp_path / "run").exists()


def test_blocks_are_those_that_are_called_and_large_enough_the_inner_ones_first(monkeypatch):
    monkeypatch.setattr(sharded, "SMALLEST", 100)
    inner = nn.Linear(10, 10)
    shared = nn.Sequential(inner, nn.ReLU(), nn.Linear(2, 2))
    lists = nn.ModuleList([nn.Linear(20, 20), nn.Linear(3, 3)])
    model = nn.ModuleDict(dict(stages=nn.Sequential(shared, nn.Linear(9, 9), shared), lists=nn.ModuleList([lists])))
    assert [id(block) for block in find_blocks(model)] == [id(lists[0]), id(inner)]
