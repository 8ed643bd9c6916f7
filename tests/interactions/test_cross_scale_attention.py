import numpy as np
import pytest
import timm
import torch
from torch import nn

from iqa_zoo.build import build_model
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import InputError, PartError
from iqa_zoo.interactions.cross_scale_attention import CrossScaleAttention
from iqa_zoo.interactions.feed_forward import FeedForward
from iqa_zoo.interactions.self_attention import SelfAttention
from iqa_zoo.memories.gated_scales import GatedScales
from iqa_zoo.queries.gated_pool import GatedPoolQueries
from iqa_zoo.testing.inputs import perturbed
from iqa_zoo.testing.released import fill


def block(**arguments):
    torch.manual_seed(0)
    return perturbed(CrossScaleAttention(dim=8, **{"num_heads": 2, **arguments})).eval()


def test_is_attention_to_its_scale_alone():
    part, queries_BND, memory_BLD = block(scale=2, num_scales=3), torch.randn(2, 5, 8), torch.randn(2, 12, 8)
    other = memory_BLD.clone()
    other[:, :4] = other[:, 8:] = float("nan")
    answer = part(queries_BND, memory_BLD)
    assert torch.equal(answer, part(queries_BND, other))
    keys = part.norm_memory(memory_BLD[:, 4:8])
    expected = queries_BND + part.attn(part.norm(queries_BND), keys, keys, need_weights=False)[0]
    torch.testing.assert_close(answer, expected)


def test_attention_is_torchs_with_zero_elsewhere():
    part, queries_BND, memory_BLD = block(scale=3, num_scales=3), torch.randn(2, 5, 8), torch.randn(2, 12, 8)
    keys = part.norm_memory(memory_BLD[:, 8:])
    _, expected = part.attn(part.norm(queries_BND), keys, keys, average_attn_weights=False)
    weights_BHNL = part.attention_by_head(queries_BND, memory_BLD)
    torch.testing.assert_close(weights_BHNL[..., 8:], expected)
    assert weights_BHNL[..., :8].abs().max() == 0


def test_one_scale_is_the_whole_memory():
    """Cross-attention with a norm on the memory."""
    part, queries_BND, memory_BLD = block(), torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    keys = part.norm_memory(memory_BLD)
    expected = queries_BND + part.attn(part.norm(queries_BND), keys, keys, need_weights=False)[0]
    torch.testing.assert_close(part(queries_BND, memory_BLD), expected)


def test_a_memory_that_cannot_be_shared_out_is_refused():
    with pytest.raises(InputError, match="a memory of 13 tokens does not hold num_scales=3 scales of as many each"):
        block(num_scales=3)(torch.zeros(1, 5, 8), torch.zeros(1, 13, 8))


def test_a_scale_beyond_the_last_is_refused():
    with pytest.raises(PartError, match="scale=4 is not one of num_scales=3, counted from 1"):
        block(scale=4, num_scales=3)


def top_down(scales):
    """The interactions of TOPIQ for a memory of so many scales."""
    feed_forward = {"type": "feed_forward", "hidden": 16}
    path = [{"type": "self_attention", "num_heads": 2}, feed_forward]
    for scale in range(1, scales + 1):
        attention = {"type": "cross_scale_attention", "scale": scale, "num_scales": scales, "num_heads": 2}
        path += [attention, feed_forward]
    return path


def test_in_a_model():
    cfg = {
        "dim": 16,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": (1, 2, 3, 4), "image_size": 64},
        "queries": {"type": "gated_pool", "grid": 2},
        "memory": {"type": "gated_scales", "stages": (3, 2, 1), "grid": 2, "num_heads": 2, "hidden": 16},
        "interactions": top_down(3),
        "head": {"type": "linear"},
    }
    model = build_model(cfg).eval()
    output = model.details(torch.randn(2, 3, 64, 96))
    assert output.score_B.isfinite().all()
    attention = output.attention["interactions.4"]  # to the second of three scales
    assert attention.shape == (2, 4, 12)
    assert attention[..., :4].abs().max() == attention[..., 8:].abs().max() == 0


# TOPIQ-NR with a ResNet-50 in pyiqa (01ae427): seeded weights under its names, the score of a seeded image.
SCORE = -0.15252339839935303
IMAGE = (1, 3, 256, 320)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DIM, CHANNELS, GRID = 256, (64, 256, 512, 1024, 2048), (8, 10)


def filled(module, names):
    """Fill a module's tensors: those under each of our prefixes by the released prefix beside it."""
    state = module.state_dict()
    released = {}
    for key in state:
        ours, theirs = next((o, t) for o, t in names.items() if key.startswith(o))
        released[key] = theirs + key.removeprefix(ours)
    module.load_state_dict(
        {key: fill(released[key], v.shape) if "num_batches" not in key else v for key, v in state.items()}
    )
    return module.eval()


def pooled(level):
    """The released names of gated pooling at a level, 0 the shallowest."""
    return {
        "split": f"weight_pool.{level}.splitconv",
        "gate": f"weight_pool.{level}.weight_blk",
        "proj": f"dim_reduce.{level}.0",
        "rows": "h_emb",
        "columns": "w_emb",
    }


def encoder_layer(at):
    attention = filled(SelfAttention(dim=DIM, num_heads=4), {"norm": f"{at}.norm1", "attn": f"{at}.self_attn"})
    return attention, feed_forward(at, "norm2")


def feed_forward(at, norm):
    names = {"norm": f"{at}.{norm}", "fc1": f"{at}.linear1", "fc2": f"{at}.linear2"}
    return filled(FeedForward(dim=DIM, hidden=1024), names)


@pytest.mark.slow
def test_score_of_the_released_topiq():
    image_BCHW = torch.from_numpy(np.random.RandomState(0).standard_normal(IMAGE).astype(np.float32)).sigmoid()
    image_BCHW = (image_BCHW - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    resnet = filled(timm.create_model("resnet50", features_only=True), {"": "semantic_model."})
    spec = FeatureSpec({level: StageInfo(width, 2 << level) for level, width in enumerate(CHANNELS)}, 2048, 2048, 384)

    queries = GatedPoolQueries(dim=DIM, features=spec, stage=4, grid=GRID)
    filled(queries.pool, pooled(4))
    memory = GatedScales(dim=DIM, features=spec, stages=(3, 2, 1, 0), grid=GRID)
    for i, level in enumerate(memory.stages):
        filled(memory.pools[i], pooled(level))
        layer = encoder_layer(f"sa_attn_blks.{level}.layers.0")
        memory.attentions[i], memory.feed_forwards[i] = layer
    path = [*encoder_layer("sa_attn_blks.4.layers.0")]
    for i in range(4):
        at = f"attn_blks.{i}.layers.0"
        names = {"norm_memory": f"{at}.norm2", "norm": f"{at}.norm1", "attn": f"{at}.multihead_attn"}
        attention = CrossScaleAttention(dim=DIM, scale=i + 1, num_scales=4)
        path += [filled(attention, names), feed_forward(at, "norm3")]
    path += encoder_layer("attn_pool")
    wide = [nn.LayerNorm(DIM), nn.Linear(DIM, DIM), nn.GELU()]
    head = nn.Sequential(*wide, nn.LayerNorm(DIM), nn.Linear(DIM, DIM), nn.GELU(), nn.Linear(DIM, 1))
    filled(head, {"": "score_linear."})

    with torch.no_grad():
        features = Features(dict(enumerate(resnet(image_BCHW))), None, None)
        queries_BND, memory_BLD = queries(features), memory.eval()(features)
        for part in path:
            queries_BND = part(queries_BND, memory_BLD)
        score = head(queries_BND.mean(1)).item()
    assert abs(score - SCORE) < 1e-5
