import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from iqa_zoo.errors import CheckpointError
from iqa_zoo.state_dicts import plain_state_dict, read_state_dict


def test_a_part_called_module_keeps_its_name():
    state = {"module.weight": torch.zeros(1), "weight": torch.ones(1)}
    found = plain_state_dict(state, "here")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("plain_pickle", [False, True])
def test_pickled_code_is_not_run(tmp_path, wrapped, plain_pickle):
    trap, path = tmp_path / "trap", tmp_path / "weights.pth"
    harmful = {"model": {"a": torch.zeros(2)}, "config": Harmful(trap)} if wrapped else Harmful(trap)
    if plain_pickle:
        path.write_bytes(pickle.dumps(harmful))
    else:
        torch.save(harmful, path)
    with pytest.raises(CheckpointError, match=r"weights.pth: not a plain state dict .*never pickled code"):
        read_state_dict(path)
    assert not trap.exists()


def test_pickled_code_is_named(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "module.pth")
    with pytest.raises(CheckpointError, match=r"it holds torch.nn.modules.linear.Linear, which is code"):
        read_state_dict(tmp_path / "module.pth")


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
@pytest.mark.parametrize("keep", [0, 1, 60, 0.5, 0.98])
def test_truncated_file(tmp_path, ending, keep):
    state, path = {"a": torch.randn(40, 30)}, tmp_path / f"cut{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(CheckpointError, match=f"cut{ending}: "):
        read_state_dict(path)


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".bin"])
@pytest.mark.parametrize("content", [b"hello world\nline two", b"name,mos\n" * 50, b"\x89PNG\r\n\x1a\n" + bytes(200)])
def test_file_of_another_kind(tmp_path, ending, content):
    path = tmp_path / f"notes{ending}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"notes{ending}: "):
        read_state_dict(path)


def test_bit_rot_is_a_checkpoint_error(tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "good.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "good.pth").read_bytes()
    refused = read = 0
    for place in range(0, len(whole), 7):
        path = tmp_path / "rotten.pth"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            found = read_state_dict(path)
        except CheckpointError:  # no other error may come out
            refused += 1
        else:  # some flips only change a number
            assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
            read += 1
    assert refused > read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "expected a state dict .names and tensors., got list"),
        ({}, "got dict"),
        (torch.zeros(3), "got Tensor"),
        ({"a": torch.zeros(1), "step": 3}, "holds tensors only, these are not: step"),
    ],
)
def test_torch_file_without_a_state_dict(tmp_path, content, message):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=f"odd.pth: .*{message}"):
        read_state_dict(tmp_path / "odd.pth")


def test_no_such_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing.pth: there is no such file"):
        read_state_dict(tmp_path / "nothing.pth")
