"""From a config to a model: sizes are handed down, every problem is reported at once, with its config path."""

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import nn

import iqa_zoo
from iqa_zoo.build import build_backbone, build_decoder, build_model, build_part
from iqa_zoo.config import dump_config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.contracts import Features
from iqa_zoo.errors import CheckpointError, ConfigError, UnknownName
from iqa_zoo.interactions.cross_attention import CrossAttention
from iqa_zoo.registry import BACKBONES, LOSSES, SLOTS, register_backbone
from iqa_zoo.values import NestedBackbone


def problems_of(cfg, **arguments):
    with pytest.raises(ConfigError) as caught:
        build_model(cfg, **arguments)
    return caught.value.problems


def test_sizes_are_read_from_the_backbone_and_handed_down(tiny):
    model = build_model(tiny)
    stage3, stage4 = model.backbone.spec.stages[3], model.backbone.spec.stages[4]
    assert model.queries.proj.weight.shape == (32, stage4.channels)
    assert model.memory.proj.weight.shape == (32, stage3.channels)
    assert model.interactions[0].layers[0].weight.shape == (32, 16)
    assert model.interactions[0].layers[0].adjacency_NN.shape == (6, 6)
    assert isinstance(model.interactions[1], CrossAttention)
    assert model.head.router.weight.shape == (4, 32)
    assert model(torch.zeros(2, 3, 160, 160)).shape == (2,)


def test_without_dim_the_backbone_s_width_is_handed_down_and_kept_in_the_config(tiny):
    tiny["dim"] = None
    model = build_model(tiny)
    width = model.backbone.spec.global_channels
    assert model.head.fc.weight.shape == (1, width)
    assert model.config == resolve_config({**tiny, "dim": width})


def test_the_config_of_a_model_builds_the_same_model(tiny):
    model = build_model(tiny)
    again = build_model(model.config)
    again.load_state_dict(model.state_dict())
    assert again.config == model.config
    assert config_hash(again.config) == config_hash(tiny)
    image_BCHW = torch.randn(1, 3, 160, 160)
    torch.testing.assert_close(again.eval()(image_BCHW), model.eval()(image_BCHW))


def test_a_config_is_left_as_it_was(tiny):
    before = copy.deepcopy(tiny)
    build_model(tiny, overrides={"head.top_k": 1})
    assert tiny == before


def test_repeated_blocks_share_no_weights(tiny):
    tiny["interactions"] = [{"type": "self_attention", "num_heads": 4}] * 2
    first, second = build_model(tiny).interactions
    assert first.attn.in_proj_weight is not second.attn.in_proj_weight
    assert not torch.equal(first.attn.in_proj_weight, second.attn.in_proj_weight)


def test_a_model_from_a_file_and_with_overrides(tiny, tmp_path):
    dump_config(tiny, tmp_path / "mine.yaml")
    model = build_model(tmp_path / "mine.yaml", overrides={"head.num_experts": 3})
    assert len(model.head.experts) == 3
    with pytest.raises(UnknownName, match="unknown model 'liefiqa'; did you mean 'lifeiqa'"):
        build_model("liefiqa")


def test_losses_by_type_unweighted_and_their_weighted_sum(tiny):
    tiny["losses"] = [{"type": "l1", "weight": 3}, {"type": "mse", "weight": 0.5}]
    model = build_model(tiny).eval()
    image_BCHW, mos_B = torch.randn(2, 3, 160, 160), torch.tensor([1.0, 5.0])
    losses = model.loss(image_BCHW, mos_B)
    error_B = model(image_BCHW) - mos_B
    assert list(losses) == ["l1", "mse", "total"]
    torch.testing.assert_close(losses["l1"], error_B.abs().mean())
    torch.testing.assert_close(losses["mse"], error_B.square().mean())
    torch.testing.assert_close(losses["total"], 3 * losses["l1"] + 0.5 * losses["mse"])


# What only the parts can judge


def test_a_stage_the_backbone_lacks(tiny):
    tiny["backbone"]["stages"] = [3, 7]
    assert problems_of(tiny) == ["backbone: 'test_resnet' has no stage 7; it has the stages 1, 2, 3, 4"]


def test_a_stage_the_backbone_has_and_was_not_asked_for(tiny):
    tiny["backbone"]["stages"] = [4]
    assert problems_of(tiny) == ["memory: needs stage 3, and backbone.stages asks for 4; set backbone.stages to (3, 4)"]


def test_a_part_that_needs_a_stage_the_backbone_cannot_give(tiny):
    tiny["queries"]["stage"] = 9
    assert problems_of(tiny) == [
        "queries: needs stage 9, which the backbone lacks; it has the stages 1, 2, 3, 4",
    ]


@pytest.mark.parametrize(("heads", "nearest"), [(6, 4), (33, 32)])
def test_dims_that_do_not_divide(tiny, heads, nearest):
    tiny["interactions"][1]["num_heads"] = heads
    assert problems_of(tiny) == [
        f"interactions.1: num_heads={heads} does not divide dim=32; the nearest that does is {nearest}"
    ]


def test_an_unknown_backbone_names_the_closest(tiny):
    tiny["backbone"]["name"] = "resnet_18"
    (problem,) = problems_of(tiny)
    assert problem.startswith("backbone: timm has no model 'resnet_18'; did you mean 'resnet18'?")


def test_a_block_that_attends_needs_a_memory(tiny):
    tiny["memory"] = None
    assert problems_of(tiny) == ["interactions.1: 'cross_attention' attends to the memory, and memory is None"]
    tiny["interactions"].pop(1)
    assert build_model(tiny).memory is None


def test_a_loss_that_reads_the_routing_needs_a_mixture_of_experts(tiny):
    tiny["head"] = {"type": "linear"}
    assert problems_of(tiny) == [
        f"losses.{i}: {name!r} reads the routing of a mixture of experts, and no part here has one; leave the loss out"
        for i, name in [(1, "load_balance"), (2, "router_z")]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["os.getcwd", "iqa_zoo.heads.moe.MoEHead", "mmengine.Config", "scope::x"])
def test_a_type_outside_the_registry_is_refused_wherever_it_stands(tiny, name):
    for slot in ("backbone", "queries", "memory", "head"):
        (problem, *_) = problems_of({**tiny, slot: {"type": name}})
        assert problem.startswith(f"{slot}.type: unknown {SLOTS[slot].kind} {name!r}"), slot
    for slot in ("interactions", "losses"):
        (problem,) = problems_of({**tiny, slot: [*tiny[slot], {"type": name}]})
        assert problem.startswith(f"{slot}.{len(tiny[slot])}.type: unknown {SLOTS[slot].kind} {name!r}"), slot


def test_problems_of_names_and_of_values_come_together(tiny):
    tiny["queries"]["stage"] = 9
    tiny["interactions"][0]["hiden"] = [8]
    tiny["interactions"][1]["num_heads"] = 5
    tiny["head"]["top_k"] = 5
    tiny["losses"][0] = {"type": "l11"}
    assert problems_of(tiny) == [
        "interactions.0.hiden: unknown key 'hiden'; did you mean 'hidden'? Known: activate_last, adjacency, hidden "
        "(of 'query_gcn')",
        "losses.0.type: unknown loss 'l11'; did you mean 'l1'? Known: " + ", ".join(LOSSES.names()),
        "queries: needs stage 9, which the backbone lacks; it has the stages 1, 2, 3, 4",
        "interactions.1: num_heads=5 does not divide dim=32; the nearest that does is 4",
        "head: top_k=5 is not between 1 and num_experts=4",
    ]


def test_a_routing_loss_is_not_blamed_for_a_head_that_could_not_be_made(tiny):
    tiny["head"]["top_k"] = 5
    assert problems_of(tiny) == ["head: top_k=5 is not between 1 and num_experts=4"]


def test_an_error_of_the_part_itself_is_kept_and_says_where(tiny, scratch_registry):
    @iqa_zoo.register_head("scratch_head")
    class Broken(nn.Module):
        def __init__(self, *, dim: int):
            raise RuntimeError("a bug in the part")

    with pytest.raises(RuntimeError, match="a bug in the part") as caught:
        build_model({**tiny, "head": {"type": "scratch_head"}, "losses": []})
    assert caught.value.__notes__ == ["while building head = {'type': 'scratch_head'}"]


# Parts of a model


def test_the_backbone_and_the_decoder_alone_make_the_model(tiny):
    torch.manual_seed(0)
    backbone = build_backbone(tiny).eval()
    decoder = build_decoder(tiny, backbone.spec).eval()
    image_BCHW = torch.randn(2, 3, 160, 160)
    features = backbone(image_BCHW)
    assert isinstance(features, Features)
    model = build_model(tiny).eval()
    model.backbone.load_state_dict(backbone.state_dict())
    model.load_state_dict(decoder.state_dict(), strict=False)
    torch.testing.assert_close(decoder(features), model(image_BCHW))
    assert not [name for name, _ in decoder.named_parameters() if name.startswith("backbone.")]


def test_a_backbone_alone_reports_its_problems(tiny):
    tiny["backbone"]["stages"] = [7]
    with pytest.raises(ConfigError, match="backbone: 'test_resnet' has no stage 7"):
        build_backbone(tiny)


def test_weights_of_another_model_are_refused(tiny):
    other = build_model({**tiny, "head": {"type": "linear"}, "losses": []})
    with pytest.raises(CheckpointError, match=r"missing: head\.experts"):
        build_model(tiny, weights=other.state_dict())
    model = build_model(tiny, weights=build_model(tiny).state_dict())
    assert isinstance(model, iqa_zoo.QualityModel)


def test_a_loss_that_compares_a_stage_needs_it(tiny):
    tiny["losses"] = [{"type": "mirror_consistency", "stage": 2}]
    assert problems_of(tiny) == [
        "losses.0: needs stage 2, and backbone.stages asks for 3, 4; set backbone.stages to (2, 3, 4)"
    ]
    tiny["backbone"]["name"] = "resnet_18"
    (problem,) = problems_of(tiny)
    assert problem.startswith("backbone: timm has no model 'resnet_18'")


# Parts inside parts


@pytest.fixture
def holder(scratch_registry):
    """A backbone that holds backbones, its own default where none are given, and sets keys of theirs."""

    @register_backbone("holder")
    class Holder(nn.Module):
        def __init__(self, *, inner: Sequence[NestedBackbone] = ({"type": "nss"},), image_size: int = 64):
            super().__init__()
            self.inner = nn.ModuleList(inner)
            self.spec = self.inner[0].spec

        @classmethod
        def nested_keys(cls, number, config):
            return {"image_size": 32 * (number + 1), "unknown": True}

        def forward(self, image_BCHW):
            return self.inner[0](image_BCHW)

    return Holder


def test_the_builder_builds_what_a_key_holds_and_the_constructor_is_given_modules(holder):
    inner = [{"type": "nss", "stages": [4], "image_size": 96}, {"type": "holder", "inner": [{"type": "nss"}]}]
    before = copy.deepcopy(inner)
    built = build_part("backbone", {"type": "holder", "inner": inner}, {})
    assert inner == before
    assert [type(each) for each in built.inner] == [BACKBONES.get("nss"), holder]
    assert [each.spec.image_size for each in built.inner] == [32, 32]  # set by the holder, and by the holder inside
    assert built.inner[0].stages == (4,)


def test_nested_parts_may_be_a_default_of_the_key(holder):
    assert isinstance(build_part("backbone", {"type": "holder"}, {}).inner[0], BACKBONES.get("nss"))


def test_problems_of_nested_parts_are_listed_with_their_path(holder):
    inner = [{"type": "nss", "stages": [7]}, {"type": "holder", "inner": [{"type": "nss", "stages": [8]}]}]
    with pytest.raises(ConfigError) as caught:
        build_backbone({"backbone": {"type": "holder", "inner": inner}})
    paths = [problem.split(":")[0] for problem in caught.value.problems]
    assert paths == ["backbone.inner.0", "backbone.inner.1.inner.0"]
