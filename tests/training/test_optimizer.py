"""Which parameters decay and at which rate each is trained."""

import pytest
import torch
from torch import nn

from iqa_zoo.backbones.multi_scale_patches import MultiScalePatches
from iqa_zoo.build import build_model
from iqa_zoo.training.optimizer import find_decayed_parameters, make_optimizer
from iqa_zoo.training.recipe import FrozenRecipe, Recipe
from iqa_zoo.training.schedule import set_rates


def own(**shapes):
    """A module of one's own, with bare parameters of these names and shapes."""
    module = nn.Module()
    for name, shape in shapes.items():
        module.register_parameter(name, nn.Parameter(torch.zeros(shape)))
    return module


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(4, 1), ["weight"]),
        (nn.Linear(1, 1), ["weight"]),
        (nn.Bilinear(2, 3, 4), ["weight"]),
        (nn.Conv1d(1, 1, 1), ["weight"]),
        (nn.Conv2d(3, 8, 3, groups=1), ["weight"]),
        (nn.Conv2d(8, 8, 3, groups=8), ["weight"]),
        (nn.ConvTranspose2d(3, 8, 2), ["weight"]),
        (nn.MultiheadAttention(4, 2), ["in_proj_weight", "out_proj.weight"]),
        (
            nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True),
            ["q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"],
        ),
        (nn.GRU(3, 2), ["weight_ih_l0", "weight_hh_l0"]),
        (nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), ["parametrizations.weight.original1"]),
        (nn.Embedding(5, 4), []),
        (nn.EmbeddingBag(5, 4), []),
        (nn.LayerNorm([2, 3, 4]), []),
        (nn.BatchNorm2d(3), []),
        (nn.InstanceNorm2d(3, affine=True), []),
        (nn.GroupNorm(1, 3), []),
        (nn.RMSNorm([2, 3]), []),
        (nn.PReLU(3), []),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_layers_of_torch(layer, expected):
    assert find_decayed_parameters(layer) == expected


@pytest.mark.parametrize(
    ("name", "shape", "decays"),
    [
        ("weight", (4, 3), True),
        ("weight", (2, 4, 3), True),  # a stack of matrices, one an expert
        ("experts", (2, 4, 3), True),
        ("adjacency_NN", (6, 6), True),
        ("query_weight", (4, 4), True),
        ("projection", (4, 3), True),
        ("kernel", (8, 4, 3, 3), True),
        ("composed", (4, 3), True),  # begins with none of the words
        ("embedding", (6, 4), False),
        ("pos_embed", (9, 4), False),
        ("rel_pos_h", (9, 4), False),
        ("position_table", (9, 4), False),
        ("relative_position_bias_table", (9, 2), False),
        ("class_token", (2, 4), False),
        ("queries", (6, 4), False),
        ("prompts", (6, 4), False),
        ("attention_biases", (3, 9), False),
        ("anything", (1, 6, 4), False),
        ("gain", (8, 1, 1, 1), False),
        ("temperature", (4, 1, 1), False),
        ("direction", (1, 4), False),
        ("gamma", (), False),
        ("scale", (4,), False),
        ("weight", (8, 1, 1), False),  # of a normalisation of one's own
    ],
)
def test_bare_parameters(name, shape, decays):
    assert find_decayed_parameters(own(**{name: shape})) == [name] * decays
    nested = nn.Sequential(nn.Identity(), own(**{name: shape}))
    assert find_decayed_parameters(nested) == [f"1.{name}"] * decays


def test_a_module_may_list_names_as_timm_does():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)
            self.place = nn.Parameter(torch.zeros(4, 3))
            self.inner = nn.ModuleList([own(table=(4, 4)), own(table=(4, 4), other=(2, 2))])

        def no_weight_decay(self):
            return {"place", "inner.*.table"}

    assert find_decayed_parameters(Part()) == ["fc.weight", "inner.1.other"]
    assert find_decayed_parameters(nn.ModuleDict({"head": Part()})) == ["head.fc.weight", "head.inner.1.other"]
    assert len(find_decayed_parameters(Part(), "all")) == 6
    assert find_decayed_parameters(Part(), "none") == []


def test_shared_weights_have_the_rule_of_their_first_owner():
    embedding, fc = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
    fc.weight = embedding.weight
    assert find_decayed_parameters(nn.Sequential(embedding, fc)) == []
    assert find_decayed_parameters(nn.Sequential(fc, embedding)) == ["0.weight"]


def test_rates_and_decay_go_to_the_right_parameters(tiny):
    model = build_model(tiny)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    recipe = Recipe(summary="", epochs=1, lr=1e-3, backbone_lr=1e-5, weight_decay=0.1)
    decayed = set(find_decayed_parameters(model))
    assert {"queries.embedding", "head.gamma", "head.norm.weight"}.isdisjoint(decayed)
    assert {"interactions.0.layers.0.adjacency_NN", "head.router.weight"} <= decayed
    assert any(name.startswith("backbone.model.layer4.") for name in decayed)
    seen = set()
    for group in make_optimizer(model, recipe, backbone_lr=recipe.backbone_lr).param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            seen.add(name)
            assert group["lr"] == group["initial_lr"] == (1e-5 if name.startswith("backbone.") else 1e-3), name
            assert group["weight_decay"] == (0.1 if name in decayed else 0.0), name
    assert seen == set(names.values())


@pytest.mark.parametrize(("rule", "decay"), [("all", 0.1), ("none", 0.0)])
def test_the_other_rules_make_one_group(tiny, rule, decay):
    recipe = Recipe(summary="", epochs=1, weight_decay=0.1, decay=rule)
    (group,) = make_optimizer(build_model(tiny), recipe).param_groups
    assert group["weight_decay"] == decay


def test_a_backbone_rate_of_nothing_is_a_rate():
    model = nn.ModuleDict({"backbone": nn.Linear(2, 2, bias=False), "head": nn.Linear(2, 1, bias=False)})
    optimizer = make_optimizer(model, FrozenRecipe(lr=0.5), backbone_lr=0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.5]


def test_what_is_frozen_is_in_no_group():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    optimizer = make_optimizer(model, FrozenRecipe())
    assert {id(each) for group in optimizer.param_groups for each in group["params"]} == set(
        map(id, model[1].parameters())
    )


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_kind_is_that_of_the_recipe(name, kind):
    assert type(make_optimizer(nn.Linear(1, 1), FrozenRecipe(optimizer=name))) is kind


def test_rates_are_set_from_the_peak():
    optimizer = make_optimizer(nn.Linear(2, 2), FrozenRecipe(lr=0.5))
    for factor in (0.5, 0.1):
        set_rates(optimizer, factor)
        assert {group["lr"] for group in optimizer.param_groups} == {0.5 * factor}


def test_the_embeddings_of_a_part_that_lists_them_do_not_decay():
    backbone = MultiScalePatches(width=24, depth=1, num_heads=2, longer_sides=(64,))
    assert {"place", "scale", "class_token"}.isdisjoint(find_decayed_parameters(backbone))
    assert "embed.conv.weight" in find_decayed_parameters(backbone)
