import re

import pytest
import timm
import torch
from safetensors.torch import save_file

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.state_dicts import read_state_dict
from iqa_zoo.weights import load_weights

VIT = {"depth": 2, "embed_dim": 24, "num_heads": 2}


@pytest.fixture
def make(tiny):
    def make(seed, **overrides):
        torch.manual_seed(seed)
        return build_model(tiny, overrides=overrides)

    return make


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".SAFETENSORS"])
def test_whole_model_from_a_file(make, tiny, tmp_path, ending):
    trained, path = make(0), tmp_path / f"weights{ending}"
    save_file(trained.state_dict(), path) if "safe" in ending.lower() else torch.save(trained.state_dict(), path)
    model = build_model(tiny, weights=path)
    assert same(model.state_dict(), trained.state_dict())
    assert same(build_model(tiny, weights=str(path)).state_dict(), trained.state_dict())
    assert same(build_model(tiny, weights=trained.state_dict()).state_dict(), trained.state_dict())


@pytest.mark.slow
def test_half_precision_becomes_the_models_own(make, tmp_path):
    trained, path = make(0), tmp_path / "half.safetensors"
    halves = {k: v.half() if v.is_floating_point() else v for k, v in trained.state_dict().items()}
    save_file(halves, path)
    model = make(1)
    load_weights(model, path)
    for name, value in model.state_dict().items():
        assert value.dtype == trained.state_dict()[name].dtype
        assert torch.equal(value, halves[name].to(value.dtype))


@pytest.mark.parametrize("kind", ["part", "timm", "timm with its classifier"])
def test_backbone_alone(make, tmp_path, kind):
    torch.manual_seed(5)
    bare = timm.create_model("test_resnet", num_classes=10 if "classifier" in kind else 0)
    state = {f"model.{k}": v for k, v in bare.state_dict().items()} if kind == "part" else bare.state_dict()
    assert any("fc" in name for name in state) == ("classifier" in kind)
    save_file(state, tmp_path / "backbone.safetensors")
    model = make(1)
    head_before = {k: v.clone() for k, v in model.head.state_dict().items()}
    load_weights(model, tmp_path / "backbone.safetensors")
    assert same(model.backbone.model.state_dict(), {k: v for k, v in bare.state_dict().items() if "fc" not in k})
    assert same(model.head.state_dict(), head_before)


@pytest.mark.slow
def test_a_classifier_named_as_a_tensor_of_the_head_is_left_out(tiny):
    tiny["backbone"] = {"type": "timm_features", "name": "test_convnext", "stages": [3, 4], "image_size": 64}
    tiny |= {"head": {"type": "linear"}, "losses": [{"type": "l1"}]}
    model = build_model(tiny)
    bare = timm.create_model("test_convnext", num_classes=10)
    assert "head.fc.weight" in set(bare.state_dict()) & set(model.state_dict())
    before = {name: value.clone() for name, value in model.head.state_dict().items()}
    load_weights(model, bare.state_dict())
    assert same(model.head.state_dict(), before)
    assert torch.equal(model.backbone.model.state_dict()["stem.0.weight"], bare.state_dict()["stem.0.weight"])


def vit_model(tiny, **arguments):
    tiny["backbone"] = {"type": "timm_features", "name": "vit_tiny_patch16_224", "stages": [3, 4], "image_size": 64}
    tiny["backbone"] |= {"model_args": VIT, **arguments}
    return build_model(tiny)


def test_final_norm_is_left_out_where_the_backbone_has_none(tiny):
    bare = timm.create_model("vit_tiny_patch16_224", num_classes=5, img_size=64, **VIT)
    model = vit_model(tiny, final_norm=False)
    load_weights(model, bare.state_dict())
    dropped = ("head.", "norm.")
    assert same(
        model.backbone.model.state_dict(), {k: v for k, v in bare.state_dict().items() if not k.startswith(dropped)}
    )


@pytest.mark.slow
def test_older_layout_is_converted_by_timm(tiny):
    """Swin's own checkpoints put the down-sampling at the end of a stage, timm at the start of the next."""
    sizes = {"embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 4, 8)}
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=5, img_size=64, **sizes)
    older = {"layers.0.blocks.0.attn.relative_position_index": torch.zeros(49, 49)}
    for name, value in swin.state_dict().items():
        stage = re.match(r"layers\.(\d)\.downsample", name)
        renamed = name.replace(f"layers.{stage[1]}", f"layers.{int(stage[1]) - 1}") if stage else name
        older[renamed.replace("head.fc.", "head.")] = value
    tiny["backbone"] = {"type": "timm_features", "name": "swin_tiny_patch4_window7_224", "stages": [3, 4]}
    tiny["backbone"] |= {"image_size": 64, "model_args": sizes}
    model = build_model(tiny)
    load_weights(model, older)
    assert same(
        model.backbone.model.state_dict(), {k: v for k, v in swin.state_dict().items() if not k.startswith("head.")}
    )


def test_backbone_of_another_size_is_told_by_names_and_shapes(tiny):
    other = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, img_size=64, **{**VIT, "depth": 3, "embed_dim": 32}
    )
    with pytest.raises(CheckpointError) as caught:
        load_weights(vit_model(tiny), other.state_dict())
    assert "this model, nor its backbone" in str(caught.value)
    assert "unknown: blocks.2.attn.proj.bias" in str(caught.value)
    assert "cls_token is (1, 1, 32), the model has (1, 1, 24)" in str(caught.value)


def test_missing_unknown_and_shapes_are_listed_together(make):
    model = make(0)
    state = dict(model.state_dict())
    del state["head.gamma"], state["queries.embedding"]
    state["head.gate.weight"] = torch.zeros(1)
    state["head.fc.weight"] = torch.zeros(1, 33)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, state)
    message = str(caught.value)
    assert "missing: head.gamma, queries.embedding\n" in message
    assert "unknown: head.gate.weight\n" in message
    assert "head.fc.weight is (1, 33), the model has (1, 32)" in message
    assert "the state dict does not hold the weights of this model:" in message
    assert same(model.state_dict(), before)


def test_weights_of_another_system(make, tmp_path):
    save_file({"bunch_embedding": torch.zeros(1, 6, 384), "gamma": torch.zeros(())}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"(?s)other.safetensors does not hold .*unknown: bunch_embedding, gamma"):
        load_weights(make(0), tmp_path / "other.safetensors")


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_wrapped(make, tmp_path, key):
    trained = make(0)
    torch.save({key: trained.state_dict(), "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "run.pth")
    assert same(read_state_dict(tmp_path / "run.pth"), trained.state_dict())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers(make, tmp_path, prefix):
    trained = make(0)
    save_file({prefix + k: v for k, v in trained.state_dict().items()}, tmp_path / "run.safetensors")
    assert same(read_state_dict(tmp_path / "run.safetensors"), trained.state_dict())
