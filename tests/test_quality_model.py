import copy
import pickle
from functools import partial

import pytest
import torch
from timm.layers import DropPath
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from iqa_zoo.build import build_decoder, build_model
from iqa_zoo.config import model_config
from iqa_zoo.contracts import Features
from iqa_zoo.errors import InputError
from iqa_zoo.registry import MODELS, register_interaction

SMALL = {  # overrides that make a zoo model small enough for a test
    "timm_features": {"backbone.image_size": 64},
    "swin": {"backbone.model_args": {"embed_dim": 12, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 4, 8)}},
    "deit3": {"backbone.model_args": {"embed_dim": 24, "depth": 2, "num_heads": 2}},
}


def small_model(name):
    """A zoo model with its own decoder on a small backbone, every parameter moved off its start."""
    torch.manual_seed(0)
    backbone = model_config(name)["backbone"]["name"].split("_")[0]
    overrides = {**SMALL["timm_features"], **SMALL.get(backbone, {})}
    model = build_model(name, overrides=overrides).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


OURS = [name for name in MODELS.names() if MODELS.origin(name) == "iqa_zoo"]  # plugins test their own


@pytest.fixture(scope="module", params=OURS)
def zoo(request):
    model = small_model(request.param)
    return model, torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_forward_output_and_details_agree(zoo):
    model, image_BCHW = zoo
    with torch.no_grad():
        score_B, output, details = model(image_BCHW), model.output(image_BCHW), model.details(image_BCHW)
    assert score_B.shape == (3,)
    assert torch.equal(score_B, output.score_B)
    assert torch.equal(score_B, details.score_B)
    assert torch.equal(output.score_BN, details.score_BN)
    assert torch.allclose(output.score_BN.mean(1), score_B, atol=1e-6)
    assert output.attention == {}


def test_score_is_recomputed_from_the_details(zoo):
    model, image_BCHW = zoo
    with torch.no_grad():
        details = model.details(image_BCHW)
        assert torch.allclose(model.head(details.queries_BND).score_B, details.score_B, atol=1e-6)
    width = next(layer.in_features for layer in model.head.modules() if isinstance(layer, torch.nn.Linear))
    assert details.queries_BND.shape == (3, model.queries.num_queries, width)


def test_attention_is_named_by_config_path_and_sums_to_one(zoo):
    model, image_BCHW = zoo
    with torch.no_grad():
        attention = model.details(image_BCHW).attention
        memory_length = model.memory(model.backbone(image_BCHW)).shape[1] if model.memory is not None else 0
    kinds = [block["type"] for block in model.config["interactions"]]
    assert list(attention) == [f"interactions.{i}" for i, kind in enumerate(kinds) if kind == "cross_attention"]
    for weights_BNL in attention.values():
        assert weights_BNL.shape == (3, 6, memory_length)
        assert torch.allclose(weights_BNL.sum(-1), torch.ones(3, 6), atol=1e-5)


def test_attention_is_that_of_the_queries_entering_the_block(zoo):
    model, image_BCHW = zoo
    blocks = [i for i, block in enumerate(model.config["interactions"]) if block["type"] == "cross_attention"]
    entered = {}
    with torch.no_grad():
        for i in blocks[-1:]:
            handle = model.interactions[i].register_forward_pre_hook(lambda _, inputs, i=i: entered.update({i: inputs}))
            attention = model.details(image_BCHW).attention
            handle.remove()
            block, (queries_BND, memory_BLD) = model.interactions[i], entered[i]
            _, by_head = block.attn(block.norm(queries_BND), memory_BLD, memory_BLD, average_attn_weights=False)
            assert torch.allclose(attention[f"interactions.{i}"], by_head.mean(1), atol=1e-6)


def test_every_block_is_recomputed_by_hand_from_its_attention(zoo):
    """x + W_o [A_h (M W_v,h + b_v,h)]_h + b_o, of the attention that the details give for each head."""
    model, image_BCHW = zoo
    entered, left, handles = {}, {}, []

    def note(path, inputs, output):
        entered[path], left[path] = inputs, output

    for i, block in enumerate(model.interactions):
        hook = partial(note, f"interactions.{i}")
        handles.append(block.register_forward_hook(lambda _, inputs, output, hook=hook: hook(inputs, output)))
    with torch.no_grad():
        details = model.details(image_BCHW)
    for handle in handles:
        handle.remove()
    for path, weights_BHNL in details.attention_by_head.items():
        attn = model.interactions[int(path.split(".")[1])].attn
        queries_BND, memory_BLD = (tensor.double() for tensor in entered[path])
        dim, size = queries_BND.shape[-1], attn.head_dim
        w_value, b_value = attn.in_proj_weight[2 * dim :].double(), attn.in_proj_bias[2 * dim :].double()
        heads = []
        for h in range(attn.num_heads):
            part = slice(h * size, (h + 1) * size)
            value_BLd = memory_BLD @ w_value[part].T + b_value[part]
            heads.append(weights_BHNL[:, h].double() @ value_BLd)
        out = attn.out_proj
        answer_BND = queries_BND + torch.cat(heads, -1) @ out.weight.double().T + out.bias.double()
        assert torch.allclose(left[path].double(), answer_BND, atol=1e-5)
        assert torch.allclose(weights_BHNL.sum(-1), torch.ones(()), atol=1e-5)
        assert torch.equal(details.attention[path], weights_BHNL.mean(1))
    assert list(details.attention_by_head) == list(details.attention)


def test_the_score_is_recomputed_by_hand_from_the_routing(zoo):
    """Every expert on every query, weighed by the routing that the details give."""
    model, image_BCHW = zoo
    if not hasattr(model.head, "experts"):
        pytest.skip("its head has no experts")
    with torch.no_grad():
        details, head = model.details(image_BCHW), model.head
        normed_BND = head.norm(details.queries_BND)
        normed_TD = normed_BND.flatten(0, 1)
        weights_TE = details.routing[-1].weights_TE
        mixed_TD = sum(weights_TE[:, e : e + 1] * expert(normed_TD) for e, expert in enumerate(head.experts))
        mixed_BND = mixed_TD.view_as(normed_BND)
        if head.residual == "paper":
            mixed_BND = mixed_BND + head.gamma * normed_BND
        else:
            mixed_BND = normed_BND + head.gamma * mixed_BND
        score_BN = (mixed_BND @ head.fc.weight.T + head.fc.bias)[..., 0]
    assert torch.allclose(details.score_BN, score_BN, atol=1e-5)
    assert torch.allclose(details.score_B, score_BN.mean(1), atol=1e-5)


def test_adjacencies_are_those_of_the_layers_and_a_copy(zoo):
    model, image_BCHW = zoo
    with torch.no_grad():
        adjacency = model.details(image_BCHW).adjacency
    graphs = {f"interactions.{i}": b for i, b in enumerate(model.interactions) if hasattr(b, "adjacencies")}
    assert list(adjacency) == list(graphs)
    for path, adjacency_GNN in adjacency.items():
        for given_NN, layer in zip(adjacency_GNN, graphs[path].layers, strict=True):
            assert torch.equal(given_NN, layer.adjacency_NN)
            assert given_NN.data_ptr() != layer.adjacency_NN.data_ptr()


def test_details_change_no_score_in_training_either(tiny):
    """Dropout draws the same numbers whether or not somebody looks."""
    tiny["interactions"][1]["dropout"] = 0.5
    model, image_BCHW = build_model(tiny).train(), torch.randn(2, 3, 160, 160)
    scores = []
    for ask in (model.output, model.details):
        torch.manual_seed(0)
        twin = copy.deepcopy(model)
        scores.append((twin.details if ask == model.details else twin.output)(image_BCHW).score_B)
    assert torch.equal(*scores)


@pytest.mark.slow
def test_nothing_is_computed_for_details_that_nobody_asked_for(zoo):
    """The operators of the forward pass, counted with and without the details, and the same without the methods."""
    model, image_BCHW = zoo

    class Count(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.calls = []

        def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
            self.calls.append(str(operator))
            return operator(*args, **(kwargs or {}))

    def calls(ask):
        with torch.no_grad(), Count() as count:
            ask(image_BCHW)
        return count.calls

    blind = copy.deepcopy(model)
    for block in blind.interactions:
        for name in ("attention", "attention_by_head", "adjacencies"):
            if hasattr(block, name):
                setattr(block, name, pytest.fail)  # called, it fails
    assert calls(blind) == calls(blind.output) == calls(model)
    looks = any(hasattr(block, "attention_by_head") for block in model.interactions)
    assert (len(calls(model.details)) > len(calls(model))) == looks


@pytest.mark.slow
@pytest.mark.usefixtures("scratch_registry")
def test_details_of_blocks_that_offer_little(tiny):
    """A block without attention is left out; one with attention over the memory alone has no heads; random numbers stay."""

    @register_interaction("mute")
    class Mute(nn.Module):
        def forward(self, queries_BND, memory_BLD):
            return queries_BND + torch.rand(()) * memory_BLD.mean(1, keepdim=True)

    @register_interaction("averaging")
    class Averaging(Mute):
        def attention(self, queries_BND, memory_BLD):
            torch.rand(5)
            return queries_BND.new_full((*queries_BND.shape[:2], memory_BLD.shape[1]), 1 / memory_BLD.shape[1])

    tiny["interactions"] = [{"type": "mute"}, {"type": "averaging"}, {"type": "mute"}]
    model, image_BCHW = build_model(tiny).eval(), torch.randn(2, 3, 160, 160)
    torch.manual_seed(1)
    score_B = model(image_BCHW)
    torch.manual_seed(1)
    details = model.details(image_BCHW)
    assert torch.equal(score_B, details.score_B)
    assert list(details.attention) == ["interactions.1"]
    assert details.attention_by_head == details.adjacency == {}


def test_batch_and_order_do_not_matter(zoo):
    model, image_BCHW = zoo
    order = [2, 0, 1]
    with torch.no_grad():
        score_B = model(image_BCHW)
        assert torch.allclose(model(image_BCHW[order]), score_B[order], atol=1e-5)
        for i in range(3):
            assert torch.allclose(model(image_BCHW[i : i + 1]), score_B[i : i + 1], atol=1e-5)


@pytest.mark.slow
def test_decoder_alone_scores_the_same_features(zoo):
    model, image_BCHW = zoo
    decoder = build_decoder(model.config, model.backbone.spec).eval()
    state = {name: value for name, value in model.state_dict().items() if not name.startswith("backbone.")}
    decoder.load_state_dict(state, strict=True)
    with torch.no_grad():
        features = model.backbone(image_BCHW)
        assert torch.equal(decoder(features), model(image_BCHW))
        details = decoder.details(features)
        assert all(
            torch.equal(a, b)
            for a, b in zip(details.attention.values(), model.details(image_BCHW).attention.values(), strict=True)
        )
    assert all(
        parameter.shape == dict(model.named_parameters())[name].shape for name, parameter in decoder.named_parameters()
    )


def test_loss_is_the_weighted_sum(zoo):
    model, image_BCHW = zoo
    mos_B = torch.tensor([0.3, -1.0, 2.0])
    with torch.no_grad():
        losses, output = model.loss(image_BCHW, mos_B), model.output(image_BCHW)
    configured = {loss["type"]: loss["weight"] for loss in model.config["losses"]}
    assert list(losses) == [*configured, "total"]
    assert losses["total"].item() == pytest.approx(
        sum(w * losses[name].item() for name, w in configured.items()), rel=1e-6
    )
    error_B = (output.score_B - mos_B).abs()
    if "l1" in losses:
        assert losses["l1"].item() == pytest.approx(error_B.mean().item(), rel=1e-6)


def test_every_parameter_that_the_config_uses_learns(zoo):
    model, image_BCHW = copy.deepcopy(zoo[0]).train(), zoo[1]
    model.loss(image_BCHW, torch.tensor([0.3, -1.0, 2.0]))["total"].backward()
    decoder = [(name, p) for name, p in model.named_parameters() if not name.startswith("backbone.")]
    assert decoder
    for name, parameter in decoder:
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.slow
def test_copies_and_pickles(zoo):
    model, image_BCHW = zoo
    with torch.no_grad():
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(twin(image_BCHW), model(image_BCHW))
            assert twin.config == model.config


def test_loss_without_losses_is_zero(tiny):
    model = build_model({**tiny, "losses": []})
    losses = model.loss(torch.randn(2, 3, 160, 160), torch.zeros(2))
    assert list(losses) == ["total"]
    assert losses["total"] == 0


def with_forward_passes_counted(model):
    passes = []
    model.backbone.register_forward_hook(lambda _, inputs, output: passes.append(inputs[0]))
    return passes


def test_the_mirrored_view_is_of_the_images_flipped_left_to_right(tiny):
    tiny["losses"] = [{"type": "mirror_consistency", "stage": 4, "weight": 0.5}, {"type": "l1"}]
    model, (image_BCHW, mos_B) = build_model(tiny).eval(), (torch.randn(3, 3, 160, 160), torch.tensor([1.0, 2.0, 3.0]))
    passes = with_forward_passes_counted(model)
    losses = model.loss(image_BCHW, mos_B)
    assert len(passes) == 2
    assert torch.equal(passes[0], image_BCHW)
    assert torch.equal(passes[1], image_BCHW[..., torch.arange(159, -1, -1)])
    image, mirrored = (model.output(each, keep_features=True) for each in passes[:2])
    apart = (image.queries_BND - mirrored.queries_BND).abs().mean()
    apart = apart + (image.features.maps[4] - mirrored.features.maps[4]).abs().mean()
    assert apart > 0
    torch.testing.assert_close(losses["mirror_consistency"], apart)
    torch.testing.assert_close(losses["total"], 0.5 * apart + (image.score_B - mos_B).abs().mean())
    assert list(losses) == ["mirror_consistency", "l1", "total"]


def test_a_model_without_such_a_loss_runs_once_and_holds_no_features(tiny):
    model = build_model(tiny)
    passes, held = with_forward_passes_counted(model), []
    model.losses["l1"].register_forward_hook(lambda _, inputs, output: held.append(inputs))
    model.loss(torch.randn(2, 3, 160, 160), torch.zeros(2))
    assert model.mirrored_losses == []
    assert len(passes) == 1
    ((output, _),) = held
    assert output.features is None


def test_features_have_no_mirror_image(tiny):
    tiny["losses"] = [{"type": "l1"}, {"type": "mirror_consistency"}]
    model = build_model(tiny)
    features = model.backbone(torch.randn(2, 3, 160, 160))
    decoder = build_decoder(tiny, model.spec)
    assert decoder(features).shape == (2,)
    with pytest.raises(
        InputError, match=r"losses 'mirror_consistency': no mirrored image can be made of features; train"
    ):
        decoder.loss(features, torch.zeros(2))


@pytest.mark.parametrize("shape", [(2, 1), (1,), (3,), ()])
def test_labels_of_another_shape(tiny, shape):
    with pytest.raises(InputError, match=r"expected one label an image, shape \(2,\), got"):
        build_model(tiny).loss(torch.randn(2, 3, 160, 160), torch.zeros(shape))


@pytest.mark.slow
def test_labels_of_any_precision(tiny):
    tiny["losses"] = [{"type": name} for name in ("l1", "mse", "smooth_l1", "plcc", "load_balance", "router_z")]
    model = build_model(tiny).eval()
    image_BCHW, mos_B = torch.randn(3, 3, 160, 160), torch.tensor([3.0, 50.0, 80.0])
    expected = model.loss(image_BCHW, mos_B)
    for other in (mos_B.double(), mos_B.long()):
        losses = model.loss(image_BCHW, other)
        losses["total"].backward()
        for name, value in losses.items():
            assert value.item() == pytest.approx(expected[name].item(), rel=1e-5), name


@pytest.mark.parametrize("shape", [(3, 160, 160), (2, 1, 160, 160), (2, 4, 160, 160), (160, 160), (1, 2, 3, 160, 160)])
def test_image_of_another_shape(tiny, shape):
    with pytest.raises(InputError, match=r"expected a batch of RGB images, \(B, 3, height, width\), got a tensor"):
        build_model(tiny)(torch.randn(shape))


def test_image_of_bytes(tiny):
    with pytest.raises(InputError, match=r"the image is torch.uint8; divide by 255, then normalise"):
        build_model(tiny)(torch.zeros(1, 3, 160, 160, dtype=torch.uint8))


def test_image_smaller_than_the_input(tiny):
    with pytest.raises(InputError, match=r"the image is 100x300 and this model's input is 160x160: .*factor 1\.6\)"):
        build_model(tiny)(torch.randn(1, 3, 100, 300))


def test_larger_image_where_the_backbone_takes_it(tiny):
    assert build_model(tiny)(torch.randn(2, 3, 160, 224)).shape == (2,)


def test_larger_image_where_the_backbone_does_not():
    model = small_model("deiqt")
    for height, width in ((64, 96), (96, 96)):
        with pytest.raises(InputError, match=rf"is {height}x{width} and this model takes exactly 64x64: take crops"):
            model(torch.randn(1, 3, height, width))


def test_decoder_takes_features_of_another_backbone(tiny):
    spec = build_model(tiny).backbone.spec
    decoder = build_decoder(tiny, spec)
    maps = {
        stage: torch.randn(2, info.channels, 160 // info.stride, 160 // info.stride)
        for stage, info in spec.stages.items()
    }
    features = Features(maps, torch.randn(2, 25, spec.token_channels), torch.randn(2, spec.global_channels))
    assert decoder(features).shape == (2,)
    assert not any(isinstance(module, nn.Conv2d) for module in decoder.modules())


@pytest.mark.slow
def test_scores_keep_single_precision_under_autocast(tiny):
    model = build_model(tiny).eval()
    image_BCHW = torch.rand(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        score_B = model(image_BCHW)
    assert score_B.dtype == torch.float32
    assert (score_B != score_B.bfloat16().float()).any()
    with torch.inference_mode():
        torch.testing.assert_close(score_B, model(image_BCHW), rtol=0.05, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_it_compiles_to_one_graph_with_the_same_scores(zoo, training):
    """Dropout and stochastic depth are off: a mixture of experts draws other random numbers when it is compiled."""
    model, image_BCHW = copy.deepcopy(zoo[0]), zoo[1]
    for module in model.modules():
        if isinstance(module, nn.Dropout | DropPath):
            module.p = module.drop_prob = 0.0
    model.train(training)
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(model, backend=keep)
    with torch.inference_mode(not training):
        assert torch.allclose(compiled(image_BCHW), model(image_BCHW), atol=1e-5)
    assert len(graphs) == 1
