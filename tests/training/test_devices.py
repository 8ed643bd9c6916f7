import pytest
import torch

from iqa_zoo.errors import InputError
from iqa_zoo.training.devices import find_fast_precision, list_devices, select_device


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many devices of each kind."""

    def make(cuda=0, xpu=0, mps=False):
        for kind, count in (("cuda", cuda), ("xpu", xpu)):
            monkeypatch.setattr(getattr(torch, kind), "is_available", lambda count=count: count > 0)
            monkeypatch.setattr(getattr(torch, kind), "device_count", lambda count=count: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


def test_where_there_is_a_cpu_only(machine):
    machine()
    assert select_device(None) == select_device("cpu") == torch.device("cpu")
    assert list_devices() == ["cpu"]


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "mps:0", "xpu", "xpu:1", "meta", "hpu", "vulkan", "cpu:1"])
def test_what_cannot_be_used_is_one_line_with_what_there_is(name, machine):
    machine()
    with pytest.raises(InputError, match=f"^the device {name!r} cannot be used; torch finds cpu here$"):
        select_device(name)


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:-1", "", "cpu0", "CPU", "cuda:99999999999999999999"])
def test_what_is_no_device_is_one_line(name, machine):
    machine(cuda=1)
    with pytest.raises(InputError, match=f"^{name!r} is no device; torch finds cpu, cuda:0 here"):
        select_device(name)


def test_a_slip_of_the_pen_is_met_with_the_closest(machine):
    machine(cuda=2)
    with pytest.raises(InputError, match="did you mean 'cuda:1'"):
        select_device("cuda1")


def test_where_there_are_more(machine):
    machine(cuda=2, xpu=1, mps=True)
    assert list_devices() == ["cpu", "cuda:0", "cuda:1", "xpu:0", "mps"]
    assert select_device(None).type == "cuda"
    for name in ("cpu", "cpu:0", "cuda", "cuda:1", "xpu", "xpu:0", "mps"):
        assert select_device(name) == torch.device(name)
    for name in ("cuda:2", "xpu:1", "meta"):
        with pytest.raises(InputError, match=f"'{name}' cannot be used; torch finds cpu, cuda:0, cuda:1, xpu:0, mps"):
            select_device(name)


@pytest.mark.parametrize("name", ["mps", "xpu"])
def test_what_the_cpu_multiplies_says_nothing_of_other_devices(name, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert find_fast_precision(name) == "float32"
    assert find_fast_precision("cpu") == "bfloat16"
