"""Fault kind J: checkpoints as people have them."""

import os
import random

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.released import import_released
from iqa_zoo.state_dicts import plain_state_dict, read_state_dict
from iqa_zoo.weights import load_weights

KEYS = ["model_state_dict", "params", "params_ema", "net", "ema", "state_dict_ema", "model", "state_dict", "weights"]


@pytest.fixture
def make(tiny):
    def make(seed):
        torch.manual_seed(seed)
        return build_model(tiny)

    return make


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def prefixed(prefix, state):
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.slow
@pytest.mark.parametrize("key", KEYS)
def test_a_state_dict_under_any_key_beside_other_things(make, tmp_path, key):
    trained, model = make(0), make(1)
    optimizer = torch.optim.Adam(trained.parameters())
    sum(parameter.sum() for parameter in trained.parameters()).backward()
    optimizer.step()
    others = {"epoch": 3, "optimizer": optimizer.state_dict(), "args": {"lr": 0.1, "tags": ["a"]}, "best": 0.9}
    torch.save({key: trained.state_dict(), **others}, tmp_path / "last.pth")
    load_weights(model, tmp_path / "last.pth")
    assert same(model.state_dict(), trained.state_dict())


def test_two_keys_deep(make, tmp_path):
    trained, model = make(0), make(1)
    torch.save({"ema": {"decay": 0.999, "module": trained.state_dict()}, "epoch": 1}, tmp_path / "last.pth")
    load_weights(model, tmp_path / "last.pth")
    assert same(model.state_dict(), trained.state_dict())


@pytest.mark.slow
def test_several_state_dicts_are_named_and_one_can_be_given(make, tmp_path):
    plain, averaged, model = make(0), make(1), make(2)
    file = tmp_path / "last.pth"
    torch.save({"params": plain.state_dict(), "params_ema": averaged.state_dict()}, file)
    with pytest.raises(
        CheckpointError, match=r"holds 2 state dicts: params \(\d+ tensors\), params_ema .*FILE::params"
    ):
        load_weights(model, file)
    load_weights(model, f"{file}::params_ema")
    assert same(model.state_dict(), averaged.state_dict())
    load_weights(model, f"{file}::params")
    assert same(model.state_dict(), plain.state_dict())
    with pytest.raises(CheckpointError, match=r"unknown key of a state dict 'parms'; did you mean 'params'\?"):
        load_weights(model, f"{file}::parms")


def test_the_usual_key_wins_over_other_tensors(make, tmp_path):
    trained = make(0)
    torch.save({"state_dict": trained.state_dict(), "normalisation": {"mean": torch.zeros(3)}}, tmp_path / "a.pth")
    assert same(read_state_dict(tmp_path / "a.pth"), trained.state_dict())


def test_without_any_state_dict_the_keys_are_named(tmp_path):
    torch.save({"epoch": 3, "config": {"lr": 0.1}}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="these are not: config, epoch"):
        read_state_dict(tmp_path / "a.pth")


@pytest.mark.parametrize("prefix", ["model.", "net.", "model.module.", "module.model.", "_orig_mod.model.net."])
def test_prefixes_of_all_names(make, prefix):
    trained, model = make(0), make(1)
    load_weights(model, prefixed(prefix, trained.state_dict()))
    assert same(model.state_dict(), trained.state_dict())


def test_lightning(make, tmp_path):
    trained, model = make(0), make(1)
    content = {"state_dict": prefixed("model.", trained.state_dict()), "pytorch-lightning_version": "2.4", "epoch": 1}
    torch.save({**content, "optimizer_states": [{"state": {}}], "hyper_parameters": {"lr": 1e-4}}, tmp_path / "a.ckpt")
    load_weights(model, tmp_path / "a.ckpt")
    assert same(model.state_dict(), trained.state_dict())


@pytest.mark.parametrize("prefix", ["model.", "model.model.", "backbone.", "module.model."])
def test_a_backbone_whose_own_names_begin_with_model(make, prefix):
    """timm_features has model.*: one prefix too many or too few must not matter."""
    bare, model = timm.create_model("test_resnet", num_classes=10), make(1)
    torch.nn.init.normal_(bare.conv1[0].weight)
    load_weights(model, prefixed(prefix, bare.state_dict()))
    assert torch.equal(model.backbone.model.state_dict()["conv1.0.weight"], bare.state_dict()["conv1.0.weight"])


def test_what_does_not_fit_is_told_by_the_names_that_fit_best(make):
    state = prefixed("model.", make(0).state_dict())
    del state["model.head.gamma"]
    with pytest.raises(CheckpointError) as caught:
        load_weights(make(1), state)
    assert "missing: head.gamma\n" in str(caught.value)
    assert "unknown" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", [False, True])
def test_an_averaged_model(make, tmp_path, wrapped):
    trained, model = make(0), make(1)
    averaged = AveragedModel(trained)
    averaged.update_parameters(make(2))
    state = averaged.state_dict()
    assert "n_averaged" in state
    torch.save({"ema": state, "epoch": 2} if wrapped else state, tmp_path / "a.pth")
    load_weights(model, tmp_path / "a.pth")
    assert same(model.state_dict(), averaged.module.state_dict())


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_batch_normalisation_before_it_counted(make, prefix):
    bare, model = timm.create_model("test_resnet", num_classes=10), make(1)
    old = {name: value for name, value in bare.state_dict().items() if "num_batches_tracked" not in name}
    assert len(old) < len(bare.state_dict())
    load_weights(model, {"state_dict": prefixed(prefix, old)})
    assert same(model.backbone.model.state_dict(), {k: v for k, v in bare.state_dict().items() if "fc" not in k})


def test_a_released_checkpoint_under_a_prefix():
    with pytest.raises(CheckpointError, match="not a checkpoint of deiqt: 'head.bunch_embedding'"):
        import_released("deiqt", {"params": {"model.cls_token": torch.zeros(1)}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(make, value):
    state, model = make(0).state_dict(), make(1)
    before = {name: each.clone() for name, each in model.state_dict().items()}
    state["head.fc.weight"][0, 3] = value
    with pytest.raises(
        CheckpointError, match=r"1 of 32 values of head\.fc\.weight are not finite, the first is -?(nan|inf)"
    ):
        load_weights(model, state)
    assert same(model.state_dict(), before)


def test_a_running_mean_that_is_no_number_is_refused(make):
    state = timm.create_model("test_resnet", num_classes=0).state_dict()
    state["conv1.1.running_mean"][0] = float("nan")
    with pytest.raises(CheckpointError, match=r"values of conv1\.1\.running_mean are not finite"):
        load_weights(make(0), state)


def test_a_value_that_overflows_the_models_precision_is_refused(make):
    state = {
        name: value.double() if value.is_floating_point() else value for name, value in make(0).state_dict().items()
    }
    state["head.fc.weight"][0, 0] = 1e300
    with pytest.raises(CheckpointError, match=r"head\.fc\.weight are not finite"):
        load_weights(make(1), state)


def test_the_first_bytes_decide_and_not_the_suffix(make, tmp_path):
    state = make(0).state_dict()
    save_file(state, tmp_path / "a.pth")
    torch.save(state, tmp_path / "b.safetensors")
    assert same(read_state_dict(tmp_path / "a.pth"), state)
    assert same(read_state_dict(tmp_path / "b.safetensors"), state)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder; give a file of weights in it"):
        read_state_dict(tmp_path)


@pytest.mark.parametrize("kind", ["safetensors", "zip", "wrapped", "legacy"])
def test_a_damaged_file_is_a_checkpoint_error_or_loads(tmp_path, kind):
    """Set IQA_ZOO_FUZZ to the number of damaged files of each kind, 50 where it is not set."""
    state = {"a.weight": torch.randn(20, 10), "a.bias": torch.randn(10), "b": torch.arange(5)}
    whole, file = tmp_path / "whole", tmp_path / "damaged.pth"
    if kind == "safetensors":
        save_file(state, whole)
    else:
        content = {"model": state, "epoch": 1} if kind == "wrapped" else state
        torch.save(content, whole, _use_new_zipfile_serialization=kind != "legacy")
    content, rng, refused = whole.read_bytes(), random.Random(kind), 0
    for _ in range(int(os.environ.get("IQA_ZOO_FUZZ", "50"))):
        damaged = bytearray(content)
        if rng.random() < 0.4:
            damaged = damaged[: rng.randrange(len(damaged))]
        else:
            reach = len(damaged) if rng.random() < 0.5 else min(len(damaged), 400)
            for _ in range(rng.choice([1, 1, 3, 10])):
                damaged[rng.randrange(reach)] = rng.randrange(256)
        file.write_bytes(damaged)
        try:
            read_state_dict(file)
        except CheckpointError as error:
            refused += "damaged.pth" in str(error)
    assert refused


def test_plain_state_dict_of_a_mapping_in_memory(make):
    state = make(0).state_dict()
    assert same(plain_state_dict({"params": state}, "here"), state)
    assert same(plain_state_dict({"params": state, "params_ema": {}}, "here"), state)
    with pytest.raises(CheckpointError, match="here: unknown key of a state dict 'x'"):
        plain_state_dict({"params": state}, "here", "x")


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, and in people's files
@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.to_sparse(),
        lambda value: value.to("meta"),
        lambda value: value.to(torch.complex64),
        lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
    ],
    ids=["sparse", "meta", "complex", "quantized"],
)
def test_tensors_that_are_not_plain_numbers(make, change):
    state = make(0).state_dict()
    name = next(name for name, value in state.items() if value.is_floating_point())
    with pytest.raises(CheckpointError, match=f"1 tensors are sparse, quantized, complex .*: {name}; save"):
        load_weights(make(1), {**state, name: change(state[name])})


@pytest.mark.parametrize("kind", [torch.int8, torch.int64, torch.bool])
def test_whole_numbers_are_not_taken_for_weights(make, kind):
    state = make(0).state_dict()
    name = next(name for name, value in state.items() if value.is_floating_point())
    with pytest.raises(CheckpointError, match=f"{name} holds {kind}, and the model has torch.float32"):
        load_weights(make(1), {**state, name: state[name].to(kind)})


def test_a_pipe_in_the_place_of_weights(tmp_path):
    os.mkfifo(tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=r"w\.pth: is not a regular file"):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "a Git LFS pointer: run git lfs pull"),
        (b"<!DOCTYPE html>", "HTML, SVG or XML"),
        (b"", "an empty file"),
    ],
    ids=["pointer", "page", "empty"],
)
def test_what_stands_in_the_place_of_weights(tmp_path, suffix, content, words):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"it looks like {words}"):
        read_state_dict(path)


def test_a_torch_file_that_is_cut_off_is_not_called_an_archive(make, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(make(0).state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="it is damaged or something else"):
        read_state_dict(path)
