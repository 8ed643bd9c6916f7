"""Released checkpoints: the numbers the authors' code gave, and a second implementation of both decoders.

tests/golden holds names and shapes of the released parameters and the outputs of the authors' code in eval mode
(torch and timm versions inside). Every tensor is a function of its name and shape, so no weights are stored.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F

from iqa_zoo.errors import CheckpointError, ConfigError, UnknownName
from iqa_zoo.released import import_released
from iqa_zoo.testing.released import fill

GOLDEN = Path(__file__).parents[1] / "golden"
TOLERANCE = 1e-5  # on outputs of order one; fused attention alone moves 1e-6


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


@pytest.fixture(scope="module")
def cached_fill():
    """The three Life-IQAs have one backbone, 87 million numbers of it."""
    return functools.cache(fill)


@pytest.fixture(scope="module", params=["life_iqa_e2_d2", "life_iqa_e4_d4", "life_iqa_e8_d4", "deiqt"])
def golden(request, cached_fill):
    """What the authors' code gave, and the imported model."""
    told = json.loads((GOLDEN / f"{request.param}.json").read_text())
    state = {name: cached_fill(name, tuple(shape)) for name, shape in told["manifest"].items()}
    return told, import_released(request.param.split("_e")[0].replace("life_iqa", "lifeiqa"), state)


@pytest.mark.slow
def test_parity_with_the_authors_code(golden):
    told, model = golden
    image_BCHW = noise(*told["input_shape"], seed=told["input_seed"])
    with torch.no_grad():
        output = model.output(image_BCHW)
        losses = model.loss(image_BCHW, torch.tensor([0.5, -0.5]))
    score, *auxiliary = told["outputs"]
    assert np.allclose(output.score_B.numpy(), score, rtol=0, atol=TOLERANCE)
    expected = {"smooth_l1": np.where(abs(d := np.array(score) - [0.5, -0.5]) < 1, d**2 / 2, abs(d) - 0.5).mean()}
    expected |= {name: value for name, (value,) in zip(("load_balance", "router_z"), auxiliary, strict=False)}
    assert set(losses) == {*expected, "total"}
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(value, abs=TOLERANCE), name
    weights = {"smooth_l1": 1.0, "load_balance": 0.01, "router_z": 0.001}
    total = sum(weights[name] * value for name, value in expected.items())
    assert losses["total"].item() == pytest.approx(total, abs=TOLERANCE)


@pytest.mark.slow  # as the test above, so that they share each imported model
def test_number_of_parameters(golden):
    told, model = golden
    assert sum(parameter.numel() for parameter in model.parameters()) == told["params"]
    assert not model.training


# A second implementation, written from the description of the released decoders, on plain tensors.


def attend(query_BND, memory_BLD, state, prefix, heads=6):
    weight, bias = state[f"{prefix}.in_proj_weight"], state[f"{prefix}.in_proj_bias"]
    width = weight.shape[1]
    rows = [slice(i * width, (i + 1) * width) for i in range(3)]
    q, k, v = (
        (x @ weight[row].T + bias[row]).unflatten(-1, (heads, -1)).transpose(1, 2)
        for x, row in zip((query_BND, memory_BLD, memory_BLD), rows, strict=True)
    )
    mixed = torch.softmax(q @ k.mT / math.sqrt(width / heads), -1) @ v
    return mixed.transpose(1, 2).flatten(2) @ state[f"{prefix}.out_proj.weight"].T + state[f"{prefix}.out_proj.bias"]


def norm(x, state, prefix):
    return F.layer_norm(x, x.shape[-1:], state[f"{prefix}.weight"], state[f"{prefix}.bias"])


def linear(x, state, prefix):
    return x @ state[f"{prefix}.weight"].T + state[f"{prefix}.bias"]


def life_iqa(state, stage3_BHWC, stage4_BHWC, depth, experts):
    """The released Life-IQA after its backbone: score_B, the load-balance and the z loss."""
    projection = state["proj_layer4.weight"].flatten(1)
    x = state["bunch_embedding"] + (stage4_BHWC @ projection.T + state["proj_layer4.bias"]).mean((1, 2))[:, None]
    size = stage3_BHWC.shape[1]
    edges = [int(edge) for edge in np.linspace(0, size, 8)]
    cells = [
        stage3_BHWC[:, edges[i] : edges[i + 1], edges[j] : edges[j + 1]].mean((1, 2))
        for i in range(7)
        for j in range(7)
    ]
    memory_BLD = linear(torch.stack(cells, 1), state, "proj_layer3")
    queries = x.shape[1]
    adjacency = (torch.ones(queries, queries) + torch.eye(queries)) / (queries + 1)
    for layer in range(depth):
        prefix = f"bunch_decoder.layers.{layer}"
        h = x
        for i in (1, 2, 3):
            h = adjacency @ (h @ state[f"{prefix}.GCN.gcn{i}.weight"]) + state[f"{prefix}.GCN.gcn{i}.bias"]
            h = h.relu() if i < 3 else h
        x = x + h
        x = x + attend(norm(x, state, f"{prefix}.norm2"), memory_BLD, state, f"{prefix}.multihead_attn")
    x = norm(x, state, "norm3")
    logits = linear(x, state, "MOE.router.linear")
    top, chosen = logits.topk(2, -1)
    probability = torch.full_like(logits, -torch.inf).scatter(-1, chosen, top).softmax(-1)
    mixed = torch.zeros_like(x)
    for e in range(experts):
        hidden = linear(x, state, f"MOE.experts.{e}.net.0").relu()
        mixed = mixed + probability[..., e, None] * linear(hidden, state, f"MOE.experts.{e}.net.3")
    score_B = linear(x + state["gamma"] * mixed, state, "fc").mean((1, 2))
    count = torch.stack([(chosen == e).any(-1) for e in range(experts)], -1).float()
    balance = experts * (probability.mean((0, 1)) * count.mean((0, 1))).sum()
    return score_B, balance, logits.logsumexp(-1).square().mean()


def deiqt(state, tokens_BLC, depth):
    """The released DEIQT after its backbone."""
    x = state["head.bunch_embedding"] + tokens_BLC[:, :1]
    memory = tokens_BLC[:, 1:]
    for layer in range(depth):
        prefix = f"head.bunch_decoder.layers.{layer}"
        normed = norm(x, state, f"{prefix}.norm1")
        x = x + attend(normed, normed, state, f"{prefix}.self_attn")
        x = x + attend(norm(x, state, f"{prefix}.norm2"), memory, state, f"{prefix}.multihead_attn")
        hidden = F.gelu(linear(norm(x, state, f"{prefix}.norm3"), state, f"{prefix}.linear1"))
        x = x + linear(hidden, state, f"{prefix}.linear2")
    return (x @ state["head.heads.weight"].T).mean((1, 2))


def life_iqa_checkpoint(seed=0, experts=4, depth=4, queries=6, dim=48, hidden=(20, 12), expert_hidden=40):
    """A seeded checkpoint with the released names on a small Swin, and that Swin."""
    swin = timm.create_model(
        "swin_base_patch4_window7_224", num_classes=0, embed_dim=12, depths=(1, 1, 2, 1), num_heads=(1, 2, 4, 8)
    )
    swin.norm = torch.nn.Identity()
    shapes = {f"pretrain_model.{name}": tuple(value.shape) for name, value in swin.state_dict().items()}
    shapes |= {"bunch_embedding": (1, queries, dim), "gamma": (), "norm3.weight": (dim,), "norm3.bias": (dim,)}
    shapes |= {"proj_layer3.weight": (dim, 48), "proj_layer3.bias": (dim,)}
    shapes |= {"proj_layer4.weight": (dim, 96, 1, 1), "proj_layer4.bias": (dim,)}
    for layer in range(depth):
        prefix = f"bunch_decoder.layers.{layer}"
        shapes |= attention_shapes(f"{prefix}.multihead_attn", dim)
        for i, (a, b) in enumerate(zip((dim, *hidden), (*hidden, dim), strict=True), 1):
            shapes |= {f"{prefix}.GCN.gcn{i}.weight": (a, b), f"{prefix}.GCN.gcn{i}.bias": (b,)}
        shapes |= {f"{prefix}.norm2.weight": (dim,), f"{prefix}.norm2.bias": (dim,)}
    shapes |= {"MOE.router.linear.weight": (experts, dim), "MOE.router.linear.bias": (experts,)}
    for e in range(experts):
        net = f"MOE.experts.{e}.net"
        shapes |= {f"{net}.0.weight": (expert_hidden, dim), f"{net}.0.bias": (expert_hidden,)}
        shapes |= {f"{net}.3.weight": (dim, expert_hidden), f"{net}.3.bias": (dim,)}
    shapes |= {"fc.weight": (1, dim), "fc.bias": (1,)}
    state = {name: fill(name, shape, seed) for name, shape in shapes.items()}
    swin.load_state_dict({name: state[f"pretrain_model.{name}"] for name in swin.state_dict()})
    return state, swin.eval()


def deiqt_checkpoint(seed=0, depth=1, queries=6, dim=64, hidden=40, blocks=2, size=96):
    """The same for DEIQT, on a small DeiT III."""
    vit = timm.create_model(
        "deit3_small_patch16_224", num_classes=0, embed_dim=dim, depth=blocks, num_heads=dim // 64, img_size=size
    )
    released = {name: rename_scale(name) for name in vit.state_dict()}
    shapes = {released[name]: tuple(value.shape) for name, value in vit.state_dict().items()}
    shapes |= {"head.bunch_embedding": (1, queries, dim), "head.heads.weight": (1, dim)}
    for layer in range(depth):
        prefix = f"head.bunch_decoder.layers.{layer}"
        shapes |= attention_shapes(f"{prefix}.self_attn", dim) | attention_shapes(f"{prefix}.multihead_attn", dim)
        shapes |= {f"{prefix}.linear1.weight": (hidden, dim), f"{prefix}.linear1.bias": (hidden,)}
        shapes |= {f"{prefix}.linear2.weight": (dim, hidden), f"{prefix}.linear2.bias": (dim,)}
        for i in (1, 2, 3):
            shapes |= {f"{prefix}.norm{i}.weight": (dim,), f"{prefix}.norm{i}.bias": (dim,)}
    state = {name: fill(name, shape, seed) for name, shape in shapes.items()}
    vit.load_state_dict({name: state[released[name]] for name in vit.state_dict()})
    return state, vit.eval()


def rename_scale(name):
    return name.replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2")


def attention_shapes(prefix, dim):
    return {
        f"{prefix}.in_proj_weight": (3 * dim, dim),
        f"{prefix}.in_proj_bias": (3 * dim,),
        f"{prefix}.out_proj.weight": (dim, dim),
        f"{prefix}.out_proj.bias": (dim,),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [
        {"seed": 1},
        {"seed": 2, "experts": 2, "depth": 2},
        {"seed": 3, "experts": 8, "depth": 1, "dim": 96},
        {"seed": 4, "experts": 3, "depth": 3, "queries": 4, "hidden": (33, 7), "expert_hidden": 17},
        {"seed": 5, "queries": 11, "dim": 30},
    ],
    ids=str,
)
def test_life_iqa_equals_a_second_implementation(sizes):
    state, swin = life_iqa_checkpoint(**sizes)
    model = import_released("lifeiqa", state)
    image_BCHW = noise(3, 3, 224, 224, seed=sizes["seed"])
    seen = []
    for stage in (2, 3):
        swin.layers[stage].register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        swin(image_BCHW)
        score_B, balance, z = life_iqa(state, *seen, sizes.get("depth", 4), sizes.get("experts", 4))
        output, losses = model.output(image_BCHW), model.loss(image_BCHW, torch.zeros(3))
    assert torch.allclose(output.score_B, score_B, rtol=0, atol=TOLERANCE)
    assert losses["load_balance"].item() == pytest.approx(balance.item(), abs=TOLERANCE)
    assert losses["router_z"].item() == pytest.approx(z.item(), abs=TOLERANCE)
    assert sum(p.numel() for p in model.parameters()) == sum(value.numel() for value in state.values())
    assert model.config["head"]["num_experts"] == sizes.get("experts", 4)
    assert model.config["queries"]["num_queries"] == sizes.get("queries", 6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sizes",
    [
        {"seed": 1, "dim": 192},
        {"seed": 2, "dim": 192, "depth": 3, "queries": 9, "hidden": 77, "size": 64},
        {"seed": 3, "dim": 384, "blocks": 1, "size": 32},
    ],
    ids=str,
)
def test_deiqt_equals_a_second_implementation(sizes):
    state, vit = deiqt_checkpoint(**sizes)
    model = import_released("deiqt", state)
    size = sizes.get("size", 96)
    assert model.backbone.spec.image_size == size
    image_BCHW = noise(3, 3, size, size, seed=sizes["seed"])
    with torch.no_grad():
        expected_B = deiqt(state, vit.forward_features(image_BCHW), sizes.get("depth", 1))
        assert torch.allclose(model(image_BCHW), expected_B, rtol=0, atol=TOLERANCE)
    assert sum(p.numel() for p in model.parameters()) == sum(value.numel() for value in state.values())


@pytest.fixture(scope="module")
def small():
    return life_iqa_checkpoint(depth=1, experts=2)[0]


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["model", "state_dict"])
def test_training_scripts_wrap_and_prefix(small, wrap):
    wrapped = {wrap: {f"module.{name}": value for name, value in small.items()}, "epoch": 3}
    ours = import_released("lifeiqa", wrapped).state_dict()
    plain = import_released("lifeiqa", small).state_dict()
    assert all(torch.equal(ours[name], plain[name]) for name in plain)


@pytest.mark.slow
def test_half_precision_and_recomputed_constants(small):
    half = {name: value.half() for name, value in small.items()}
    half["pretrain_model.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    half["pretrain_model.layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    model = import_released("lifeiqa", half)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.head.fc.weight, small["fc.weight"].half().float())


def test_missing_and_unknown_keys_are_listed_by_their_released_names(small):
    state = dict(small)
    del state["bunch_decoder.layers.0.norm2.bias"], state["MOE.experts.1.net.3.weight"]
    state["bunch_decoder.layers.0.self_attn.in_proj_bias"] = torch.zeros(3)
    state["proj_layer2.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError) as caught:
        import_released("lifeiqa", state)
    message = str(caught.value)
    assert "missing: MOE.experts.1.net.3.weight, bunch_decoder.layers.0.norm2.bias\n" in message
    assert "unknown: bunch_decoder.layers.0.self_attn.in_proj_bias, proj_layer2.weight" in message


def test_wrong_shapes_are_listed(small):
    state = {**small, "fc.weight": torch.zeros(1, 50), "proj_layer4.bias": torch.zeros(49)}
    with pytest.raises(CheckpointError) as caught:
        import_released("lifeiqa", state)
    assert "fc.weight is (1, 50), expected (1, 48)" in str(caught.value)
    assert "proj_layer4.bias is (49,), expected (48,)" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            torch.zeros(1, 48, dtype=torch.int8),
            "fc.weight holds torch.int8, and the model has torch.float32; quantized",
        ),
        (torch.full((1, 48), torch.nan), "48 of 48 values of fc.weight are not finite, the first is nan"),
    ],
)
def test_values_that_are_no_weights_are_refused_by_their_released_name(small, value, message):
    with pytest.raises(CheckpointError, match=f"the lifeiqa checkpoint: {message}"):
        import_released("lifeiqa", {**small, "fc.weight": value})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("bunch_embedding", (6, 48)),
        ("MOE.router.linear.weight", ()),
        ("MOE.experts.0.net.0.weight", (3,)),
        ("bunch_decoder.layers.0.GCN.gcn1.weight", (4,)),
        ("pretrain_model.patch_embed.proj.weight", ()),
    ],
)
def test_shapes_from_which_nothing_can_be_read(small, name, shape):
    with pytest.raises(CheckpointError, match=f"{name} is .*, expected . dimensions"):
        import_released("lifeiqa", {**small, name: torch.zeros(shape)})


def test_checkpoint_of_another_system(small):
    with pytest.raises(CheckpointError, match=r"not a checkpoint of deiqt: 'head.bunch_embedding'"):
        import_released("deiqt", small)
    with pytest.raises(CheckpointError, match="not a checkpoint of lifeiqa: 'bunch_embedding'"):
        import_released("lifeiqa", deiqt_checkpoint()[0])


@pytest.mark.parametrize("given", [{}, [1, 2], {"model": 3}, {"a": "b"}, None])
def test_no_state_dict(given):
    with pytest.raises(CheckpointError, match="the lifeiqa checkpoint"):
        import_released("lifeiqa", given)


@pytest.mark.slow
def test_widths_that_the_released_heads_do_not_divide():
    with pytest.raises(ConfigError, match="num_heads=6 does not divide dim=64"):
        import_released("deiqt", deiqt_checkpoint(dim=64)[0])


def test_unknown_system():
    with pytest.raises(UnknownName, match="unknown released system 'life_iqa'; did you mean 'lifeiqa'"):
        import_released("life_iqa", {})
