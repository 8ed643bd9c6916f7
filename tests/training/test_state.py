"""What is kept of a training comes back as it was; what is damaged or cannot be written is said."""

import random
import resource
import shutil

import pytest
import torch
from torch import nn

from iqa_zoo.errors import CheckpointError, InputError
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.state import (
    collect_optimizer_state,
    load_checkpoint,
    restore_optimizer,
    save_checkpoint,
    save_tensors,
)

TENSORS = {"model": {"a": torch.arange(6.0).view(2, 3)}, "ema": {"steps": torch.tensor(3)}}


def test_it_comes_back_and_replaces_the_older_ones(tmp_path):
    for step in (5, 10, 100_000_000):
        save_checkpoint(tmp_path, step, TENSORS, {"epoch": step, "losses": [0.1, 1 / 3]})
        assert [path.name for path in tmp_path.iterdir()] == [f"step-{step:08d}"]
    tensors, state = load_checkpoint(find_latest_checkpoint(tmp_path))
    assert (state["epoch"], state["losses"]) == (100_000_000, [0.1, 1 / 3])
    assert tensors["ema"]["steps"] == 3
    assert torch.equal(tensors["model"]["a"], TENSORS["model"]["a"])


def test_the_latest_is_that_of_the_most_steps_and_a_half_one_is_none(tmp_path):
    assert find_latest_checkpoint(tmp_path) is None
    for name in ("step-00000009", "step-00000010", "step-00000011.partial"):
        (tmp_path / name).mkdir()
    assert find_latest_checkpoint(tmp_path).name == "step-00000010"


@pytest.mark.parametrize("damage", ["cut", "no tensors", "no state", "half a state", "another state"])
def test_a_damaged_one_is_said(damage, tmp_path):
    save_checkpoint(tmp_path, 1, TENSORS, {})
    checkpoint = find_latest_checkpoint(tmp_path)
    file = checkpoint / ("state.json" if "state" in damage else "model.safetensors")
    content = file.read_bytes()
    if damage.startswith("no "):
        file.unlink()
    else:
        file.write_bytes(b"[]" if damage == "another state" else content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="step-00000001: damaged .*remove this folder"):
        load_checkpoint(checkpoint)


@pytest.fixture
def full_disk():
    """No file may grow beyond some bytes, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 150, 20_000])
def test_a_full_disk_leaves_the_last_good_one(room, full_disk, tmp_path):
    """The room ends before the first file, within the small one, and within the large one."""
    tensors = {"a": {"x": torch.zeros(30)}, "b": {"x": torch.zeros(10_000)}}
    full_disk(resource.RLIM_INFINITY)
    save_checkpoint(tmp_path, 1, TENSORS, {})
    full_disk(room)
    with pytest.raises(
        InputError, match=r"step-00000002: cannot be written \(.*\); the last good .*step-00000001.*room"
    ):
        save_checkpoint(tmp_path, 2, tensors, {})
    full_disk(resource.RLIM_INFINITY)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    load_checkpoint(find_latest_checkpoint(tmp_path))


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written .*no checkpoint yet: name another folder"):
        save_checkpoint(tmp_path / "file" / "checkpoints", 1, TENSORS, {})


def test_tensors_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    file = tmp_path / "weights.safetensors"
    save_tensors({"a": torch.zeros(3)}, file)
    before = file.read_bytes()

    def cut(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("iqa_zoo.training.state.save_file", cut)
    with pytest.raises(OSError, match="No space"):
        save_tensors({"a": torch.ones(3)}, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_an_optimizer_goes_on_bit_for_bit(kind, tmp_path):
    """Two groups, a parameter without a gradient, weights in another memory layout."""

    def begin():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 2), nn.Linear(1, 1))
        model.to(memory_format=torch.channels_last)
        decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
        optimizer = kind([{"params": others}, {"params": decayed, "weight_decay": 0.1}], lr=0.01)
        return model, optimizer, {id(parameter): name for name, parameter in model.named_parameters()}

    def step(model, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model[:3](torch.randn(2, 3, 8, 8)).square().sum().backward()
        optimizer.step()

    stop = random.Random(kind.__name__).randrange(1, 6)
    model, optimizer, names = begin()
    for seed in range(6):
        if seed == stop:
            tensors = {"model": model.state_dict(), "optimizer": collect_optimizer_state(optimizer, names)}
            save_checkpoint(tmp_path, seed, tensors, {})
        step(model, optimizer, seed)
    again, other, other_names = begin()
    kept, _ = load_checkpoint(find_latest_checkpoint(tmp_path))
    again.load_state_dict(kept["model"])
    restore_optimizer(other, other_names, kept["optimizer"])
    for seed in range(stop, 6):
        step(again, other, seed)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    states = [collect_optimizer_state(optimizer, names), collect_optimizer_state(other, other_names)]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        assert torch.equal(states[0][key], states[1][key]), key
        assert states[0][key].stride() == states[1][key].stride(), key


def test_an_optimizer_that_has_not_stepped_has_no_state():
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(1))])
    assert collect_optimizer_state(optimizer, {}) == {}


def test_left_over_parts_of_a_killed_write_go(tmp_path):
    (tmp_path / "step-00000003.partial").mkdir()
    (tmp_path / "step-00000003.partial" / "model.safetensors").write_bytes(b"half")
    save_checkpoint(tmp_path, 3, TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000003"]
    shutil.copytree(tmp_path / "step-00000003", tmp_path / "step-00000002")
    save_checkpoint(tmp_path, 4, TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000004"]
