"""A graph that is recorded on one image must be right on others."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

import iqa_zoo
from iqa_zoo.budgets import count_macs, measure_budget
from iqa_zoo.budgets.count import count_operators
from iqa_zoo.errors import InputError
from iqa_zoo.heads.moe import MoEHead
from iqa_zoo.interactions.moe_feed_forward import MoEFeedForward
from iqa_zoo.interactions.query_gcn import QueryGCN
from iqa_zoo.layers.graphs import counting, is_recorded
from iqa_zoo.testing.witness import macs_by_torch

RECORDERS = {
    "torch.jit.trace": lambda model, image: torch.jit.trace(model, image, check_trace=False),
    "torch.export": lambda model, image: torch.export.export(model, (image,), strict=False).module(),
    "torch.export, strict": lambda model, image: torch.export.export(model, (image,), strict=True).module(),
    "make_fx": lambda model, image: make_fx(model)(image),
    "torch.compile": lambda model, image: torch.compile(model, backend="eager", fullgraph=True),
}
SLOW = ("torch.export, strict", "torch.compile")


def images(count, seed=1):
    """Images of different levels and contrasts, so that experts are chosen differently."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, 3, 64, 64, generator=generator) * (1 + i % 4) - i % 3 for i in range(count)]


@pytest.fixture(scope="module")
def model():
    """Mixtures of experts in two places, with random weights everywhere."""
    cfg = iqa_zoo.model_config("lifeiqa_tiny")
    cfg["backbone"] = dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=64)
    cfg["interactions"] = [*cfg["interactions"][:2], dict(type="moe_feed_forward", hidden=16)]
    torch.manual_seed(0)
    model = iqa_zoo.build_model(cfg, overrides={"dim": 48, "head.hidden": 16}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize(
    "recorder",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in RECORDERS],
)
@torch.no_grad()
def test_a_mixture_of_experts_is_right_on_other_images(model, recorder):
    choices = {tuple(model.output(image).routing[-1].choice_TK.flatten().tolist()) for image in images(20)}
    assert len(choices) > 5, "all images meet the same experts: the test shows nothing"
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's, about its tracers
        graph = RECORDERS[recorder](model, torch.zeros(1, 3, 64, 64))
        for image_BCHW in images(20):
            torch.testing.assert_close(graph(image_BCHW), model(image_BCHW), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_a_trace_of_one_image_and_an_export_with_a_free_batch_take_batches(model):
    batch_BCHW = torch.cat(images(5))
    free = ({0: torch.export.Dim("batch", min=1, max=64)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(model, batch_BCHW[:1], check_trace=False)
        exported = torch.export.export(model, (batch_BCHW[:2],), strict=False, dynamic_shapes=free).module()
    for graph in (traced, exported):
        torch.testing.assert_close(graph(batch_BCHW), model(batch_BCHW), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("adjacency", ["learned", "released"])
@torch.no_grad()
def test_the_batch_is_no_constant_of_a_traced_graph_convolution(adjacency):
    block = QueryGCN(dim=8, num_queries=3, hidden=(4,), adjacency=adjacency).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(block, (torch.randn(1, 3, 8), torch.zeros(1, 2, 8)), check_trace=False)
    queries_BND = torch.randn(4, 3, 8)
    torch.testing.assert_close(traced(queries_BND, torch.zeros(4, 2, 8)), block(queries_BND, None))


ANSWERS = []


class Asks(nn.Module):
    """Takes down whether it was recorded."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 2)

    def forward(self, x):
        ANSWERS.append(is_recorded())
        return self.fc(x)


@pytest.mark.parametrize("recorder", ["torch.jit.trace", "torch.export", "make_fx"])
def test_recording_is_known_and_counting_is_not_recording(recorder):
    part = Asks()
    ANSWERS.clear()
    part(torch.zeros(1, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        RECORDERS[recorder](part, torch.zeros(1, 3))
    count_operators(part, torch.zeros(1, 3))
    part(torch.zeros(1, 3))
    before, *recorded, counted, after = ANSWERS
    assert recorded
    assert all(recorded)
    assert not any((before, counted, after))
    with counting(), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    ANSWERS.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(part, torch.zeros(1, 3), check_trace=False)
    assert all(ANSWERS), "counting goes on after an error"


@pytest.mark.parametrize(("experts", "top_k"), [(4, 2), (8, 1), (3, 3)])
def test_budgets_count_the_sparse_dispatch(experts, top_k):
    sizes = dict(dim=24, num_experts=experts, top_k=top_k, hidden=32)
    queries_BND = torch.randn(1, 6, 24)
    of_experts = 6 * top_k * 2 * 24 * 32
    of_router = 6 * 24 * experts
    block, head = MoEFeedForward(**sizes), MoEHead(**sizes)
    assert count_operators(block, queries_BND, call=lambda part, x: part(x, None))[""].macs.total() == (
        of_experts + of_router
    )
    assert count_macs(head, queries_BND) == of_experts + of_router + 6 * 24


@pytest.mark.slow
def test_counting_leaves_a_model_as_it_was_and_equals_torch(model):
    before = copy.deepcopy(model.state_dict())
    assert measure_budget(model).macs == pytest.approx(macs_by_torch(model, images(1)[0]), rel=1e-3)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_a_part_that_cannot_be_recorded_is_named(model):
    model = copy.deepcopy(model)
    model.head.no_graph = "it counts the images of a batch"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for recorder in ("torch.jit.trace", "torch.export"):
            with pytest.raises(InputError, match="head cannot be traced or exported: it counts the images of a batch"):
                RECORDERS[recorder](model, images(1)[0])
    assert model(images(1)[0]).shape == (1,)
    assert measure_budget(model).macs > 0
