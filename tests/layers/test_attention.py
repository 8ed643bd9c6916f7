import pytest
import torch

from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.errors import PartError
from iqa_zoo.interactions.cross_attention import CrossAttention
from iqa_zoo.interactions.self_attention import SelfAttention
from iqa_zoo.layers.attention import Projected, compute_for_few_queries

SPEC = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)


@pytest.mark.parametrize("part", [SelfAttention, CrossAttention])
@pytest.mark.parametrize(("heads", "near"), [(5, 4), (7, 6), (100, 24)])
def test_heads_that_do_not_divide(part, heads, near):
    with pytest.raises(PartError, match=f"num_heads={heads} does not divide dim=24; the nearest that does is {near}"):
        part(dim=24, num_heads=heads)


def make_features():
    generator = torch.Generator().manual_seed(0)
    map3, map4 = (torch.randn(2, channels, 4, 4, generator=generator) for channels in (6, 8))
    return Features({3: map3, 4: map4}, map4.flatten(2).mT, map4.mean((2, 3)))


@pytest.mark.parametrize("memory", [dict(type="grid_pool", stage=3, grid=3), dict(type="tokens")])
def test_a_decoder_for_few_queries_hands_on_tokens_and_scores_the_same(tiny, memory):
    torch.manual_seed(0)
    model, features = build_decoder({**tiny, "memory": memory}, SPEC).eval(), make_features()
    usual_B = model(features)
    compute_for_few_queries(model)
    assert isinstance(model.memory(features), Projected)
    torch.testing.assert_close(model(features), usual_B)
    torch.testing.assert_close(model.details(features).score_B, usual_B)


@pytest.mark.parametrize(
    "change",
    [
        dict(interactions=[dict(type="cross_attention", num_heads=4, dropout=0.1)]),
        dict(interactions=[dict(type="cross_attention", num_heads=4), dict(type="cross_scale_attention", num_heads=4)]),
        dict(dim=4, interactions=[dict(type="cross_attention", num_heads=4)]),
    ],
    ids=["dropout of the weights", "another reader", "tokens wider than the model"],
)
def test_the_memory_is_projected_where_a_reader_needs_it_or_it_is_cheaper(tiny, change):
    model = build_decoder({**tiny, **change}, SPEC)
    compute_for_few_queries(model)
    assert isinstance(model.memory(make_features()), torch.Tensor)


def test_a_subclass_of_a_block_gets_the_projected_memory(tiny):
    class Shifted(CrossAttention):
        def forward(self, queries_BND, memory_BLD):
            return super().forward(queries_BND, memory_BLD + 1)

    model, features = build_decoder(tiny, SPEC).eval(), make_features()
    block = Shifted(dim=32, num_heads=4).eval()
    model.interactions[1] = block
    usual_B = model(features)
    compute_for_few_queries(model)
    torch.testing.assert_close(model(features), usual_B)


def test_a_subclass_of_a_memory_projects_it(tiny):
    class Doubled(type(build_decoder(tiny, SPEC).memory)):
        def forward(self, features):
            return 2 * super().forward(features)

    model, features = build_decoder(tiny, SPEC).eval(), make_features()
    model.memory.__class__ = Doubled
    usual_B = model(features)
    compute_for_few_queries(model)
    torch.testing.assert_close(model(features), usual_B)
