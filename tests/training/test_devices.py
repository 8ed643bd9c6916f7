import pytest
import torch

from iqa_zoo.errors import InputError
from iqa_zoo.training.devices import torch_device


def test_what_there_is_and_what_there_is_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device(None) == torch_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="use --device cpu"):
        torch_device("cuda")
    with pytest.raises(InputError, match="'gpu' is no device"):
        torch_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert torch_device(None).type == "cuda"
    with pytest.raises(InputError, match="there are 1 CUDA devices"):
        torch_device("cuda:3")
