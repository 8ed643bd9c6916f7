import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.build import build_model, build_part
from iqa_zoo.errors import CheckpointError, ConfigError
from iqa_zoo.inference.scaled_model import ScaledModel
from iqa_zoo.testing.inputs import perturbed
from iqa_zoo.testing.released import fill
from iqa_zoo.training.end_to_end.trainable import Trainable
from iqa_zoo.training.optimizer import make_optimizer
from iqa_zoo.training.recipe import load_recipe
from iqa_zoo.weights import load_weights

VIT = {"type": "timm_features", "name": "test_vit", "image_size": 64}
RESNET = {"type": "timm_features", "name": "test_resnet", "image_size": 64, "stages": (3, 4)}


def injected(**arguments):
    torch.manual_seed(0)
    given = {"branches": [VIT, RESNET], "width": 8, "grid": 2, "num_heads": 2, **arguments}
    return build_part("backbone", {"type": "local_injection", **given}, {})


def config(**arguments):
    backbone = {"type": "local_injection", "branches": [VIT, RESNET], "width": 8, "grid": 2, **arguments}
    return {
        "dim": None,
        "backbone": backbone,
        "queries": {"type": "global_vector"},
        "head": {"type": "cosine"},
        "losses": [{"type": "plcc"}],
    }


def image(batch=2, size=64):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_without_injections_it_is_the_transformer():
    backbone = injected(stages=(2, 4)).eval()
    for injection in backbone.injections:
        nn.init.zeros_(injection.scale)
    transformer = backbone.branches[0]
    given, expected = backbone(image()), transformer(image())
    assert backbone.spec == transformer.spec
    assert list(given.maps) == [2, 4]
    assert torch.equal(given.maps[2], expected.maps[2])
    assert torch.equal(given.tokens_BLC, expected.tokens_BLC)
    assert torch.equal(given.global_BC, expected.global_BC)


@pytest.mark.slow
def test_by_hand():
    """The blocks of the transformer one by one, torch's multi-head attention in the narrow width between."""
    backbone = perturbed(injected()).eval()
    transformer, local = backbone.branches
    features = local(image())  # test_vit and test_resnet want the same normalisation
    tokens = []
    for stage, extractor in zip((3, 4), backbone.extractors, strict=True):
        narrow = F.conv2d(F.gelu(extractor[0](features.maps[stage])), extractor[2].weight, padding=1)
        tokens.append(F.adaptive_avg_pool2d(narrow, 2).flatten(2).transpose(1, 2))
    local_BLC = torch.cat(tokens, 1)
    model = transformer.model
    x = model.norm_pre(model._pos_embed(model.patch_embed(image())))
    for block, injection in zip(model.blocks, backbone.injections, strict=True):
        z = injection.down(x)
        weights = torch.cat((injection.query.weight, injection.key_value.weight))
        met, _ = F.multi_head_attention_forward(
            *(t.transpose(0, 1) for t in (z, local_BLC, local_BLC)),
            embed_dim_to_check=8, num_heads=2, in_proj_weight=weights, in_proj_bias=None, bias_k=None, bias_v=None,
            add_zero_attn=False, dropout_p=0, out_proj_weight=injection.proj.weight, out_proj_bias=injection.proj.bias,
        )  # fmt: skip
        x = block(x + injection.scale * injection.up(z + met.transpose(0, 1)))
    expected = model.norm(x)
    given = backbone(image())
    torch.testing.assert_close(given.global_BC, expected[:, 0])
    torch.testing.assert_close(given.tokens_BLC, expected[:, 1:])
    assert (given.global_BC - transformer(image()).global_BC).abs().max() > 1e-2


def test_leaves_no_hook_behind(monkeypatch):
    backbone = injected().eval()
    model = backbone.branches[0].model
    backbone(image())
    assert not any(block._forward_pre_hooks for block in model.blocks)

    def fails(tokens_BND):
        raise MemoryError("as a large image might")

    monkeypatch.setattr(model.norm, "forward", fails)
    with pytest.raises(MemoryError):
        backbone(image())
    assert not any(block._forward_pre_hooks for block in model.blocks)


@pytest.mark.slow
def test_the_local_network_sees_the_image_as_it_wants_it():
    other = {"pretrained_cfg_overlay": {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}}
    backbone = injected(branches=[{**VIT, "model_args": other}, RESNET]).eval()
    seen = []
    backbone.branches[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    backbone(image())
    rgb = image() * torch.tensor((0.2, 0.3, 0.4)).view(3, 1, 1) + torch.tensor((0.5, 0.4, 0.3)).view(3, 1, 1)
    spec = backbone.branches[1].spec
    expected = (rgb - torch.tensor(spec.mean).view(3, 1, 1)) / torch.tensor(spec.std).view(3, 1, 1)
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.slow
def test_a_training_step_moves_the_injections_and_the_head_alone():
    torch.manual_seed(0)
    model = build_model(config())
    trainable = Trainable(ScaledModel(model), freeze_batch_norm=False).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(model, load_recipe("quick"))
    pixels = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    trainable(pixels, torch.tensor([1.0, 2.0, 3.0, 5.0]))["total"].backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(".branches." in name for name in moved)
    expected = {name for name, parameter in model.named_parameters() if ".branches." not in name}
    assert moved == expected


@pytest.mark.slow
def test_budget_is_that_of_both_networks_and_the_injections():
    cfg = config()
    alone = [iqa_zoo.measure_budget({**cfg, "backbone": part}).by_slot["backbone"] for part in (VIT, RESNET)]
    whole = iqa_zoo.measure_budget(cfg).by_slot["backbone"]
    dim, width, depth, tokens, cells = 64, 8, 6, 17, 8  # of test_vit, 16 patches and a class token; 2 stages of 2 x 2
    mlps = tokens * (dim * width + width * width + width * dim + dim * dim)
    attention = tokens * 2 * width**2 + cells * 2 * width**2 + 2 * tokens * cells * width
    maps = [(192, 4 * 4), (96, 2 * 2)]
    assert [info.channels for info in injected().branches[1].spec.stages.values()] == [192, 96]
    extractors = sum(positions * (channels * width + 9 * width**2) for channels, positions in maps)
    assert len(injected().injections) == depth
    assert whole.macs == sum(part.macs for part in alone) + depth * (mlps + attention) + extractors
    assert whole.trainable_params == whole.params - sum(part.params for part in alone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"branches": [VIT]}, r"backbone: 1 branches; give two, a transformer and the network of the local features"),
        ({"branches": [RESNET, VIT]}, r"backbone\.branches\.0: is no plain transformer of timm's; choose a ViT"),
        ({"branches": [{"type": "nss", "image_size": 64}, RESNET]}, r"backbone\.branches\.0: is no plain transformer"),
        (
            {"branches": [VIT, {**RESNET, "stages": ()}]},
            r"backbone\.branches\.1: has no stages to inject; set its stages, \(1, 2, 3, 4\) or some of them",
        ),
        ({"num_heads": 3}, r"backbone: num_heads=3 does not divide width=8"),
        ({"freeze": (True,)}, r"backbone: freeze=\[True\] is 1 flags for 2 branches"),
    ],
)
def test_what_cannot_work_is_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build_model(config(**arguments))


# LoDa in the authors' code (82304c2): seeded weights under its names, the scores of two seeded images.
SCORES = (0.01647299900650978, 0.005923805292695761)
IMAGES = (2, 3, 224, 224)
NAMES = {  # ours -> theirs, inside the injection before one block
    "scale": "scale_factor",
    "down": "down_proj",
    "query": "cross_attn.{}.q",
    "key_value": "cross_attn.{}.kv",
    "proj": "cross_attn.{}.proj",
    "up": "up_proj",
}


def released_name(ours):
    ours = ours.removeprefix("backbone.")
    if ours.startswith("branches."):
        return ours.replace("branches.0.model.", "").replace("branches.1.model.", "feature_model.")
    if ours.startswith("extractors."):
        return ours.replace("extractors.", "learner.conv.")
    _, block, part, *rest = ours.split(".")
    theirs = NAMES[part]
    at = theirs.format(block) if "{}" in theirs else f"{theirs}.{block}"
    return ".".join(("learner", at, *rest))


@pytest.mark.slow
def test_scores_of_the_authors_loda():
    image_BCHW = torch.from_numpy(np.random.RandomState(0).standard_normal(IMAGES).astype(np.float32))
    vit = {
        "type": "timm_features",
        "name": "vit_base_patch16_224.dino",
    }  # normalises as the ResNet does: nothing is moved
    cfg = config(branches=[vit, {"type": "timm_features", "name": "resnet50", "stages": (1, 2, 3, 4)}])
    cfg["backbone"] |= {"width": 64, "grid": 7}
    model = build_model(cfg).eval()
    scales = fill("learner.scale_factor", (12, 768))
    state = model.state_dict()
    for name, value in state.items():
        if name == "head.direction":
            state[name] = fill("learner.head.weight", (768, 1)).T
        elif name.endswith(".scale"):
            state[name] = scales[int(name.split(".")[-2])]
        elif "num_batches" not in name:
            state[name] = fill(released_name(name), value.shape)
    model.load_state_dict(state)
    with torch.no_grad():
        scores = model(image_BCHW)
    assert (scores - torch.tensor(SCORES)).abs().max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("part", ["whole", "networks"])
def test_weights_of_the_backbone_and_of_its_networks_are_read(part):
    models = [build_model(config()) for _ in range(2)]
    given = models[0].backbone.state_dict()
    before = {name: value.clone() for name, value in models[1].backbone.state_dict().items()}
    if part == "networks":
        given = {name: value for name, value in given.items() if name.startswith("branches.")}
    load_weights(models[1], given)
    for name, value in models[1].backbone.state_dict().items():
        assert torch.equal(value, given.get(name, before[name])), name
    with pytest.raises(CheckpointError, match=r"unknown: extractors\.0\.0\.bias"):
        load_weights(
            models[1], {"extractors.0.0.bias": torch.zeros(8), **{k: v for k, v in given.items() if "cls" in k}}
        )
