"""The numbers of the released code, LIQE written again on plain tensors, and the model as a user meets it."""

from __future__ import annotations

import copy
import json
import math
import pickle
from itertools import product
from pathlib import Path

import iqa_zoo_liqe
import numpy as np
import pytest
import torch
from iqa_zoo_liqe.joint_prompts import JointPromptsHead
from iqa_zoo_liqe.prompts import DISTORTIONS, END, QUALITIES, SCENES, START, TOKENS, joint_prompts, text_tree, tokenise
from iqa_zoo_liqe.text_tower import TextTower
from torch.nn import functional as F

import iqa_zoo
from iqa_zoo.errors import CheckpointError, ConfigError
from iqa_zoo.released import import_released
from iqa_zoo.testing import BackboneContract, HeadContract
from iqa_zoo.testing.released import filled, noise
from iqa_zoo.testing.witness import macs_by_torch
from iqa_zoo.training.recipe import load_recipe

ORIGIN = "iqa-zoo-liqe 0.1.0"
TOLD = json.loads((Path(__file__).parent / "liqe.json").read_text(encoding="utf-8"))
SMALL = {"head.text_width": 64, "head.text_layers": 1, "head.scenes": ["night"], "head.distortions": ["blur", "noise"]}
TINY = {**SMALL, "backbone.name": "test_vit", "backbone.width": 32}
TINY_BACKBONE = {"type": "clip_image", "name": "test_vit", "width": 32}


def normalised(image_BCHW, spec):
    return (image_BCHW - torch.tensor(spec.mean)[:, None, None]) / torch.tensor(spec.std)[:, None, None]


def checkpoint(manifest, seed=0):
    return {**filled(manifest, seed), "logit_scale": torch.tensor(math.log(100))}


def cut_down(width, layers, text_width, out_width):
    """The manifest of a smaller CLIP: the same names with other shapes, and fewer layers."""
    image = {768: width, 2304: 3 * width, 3072: 4 * width, 512: out_width}
    text = {512: text_width, 1536: 3 * text_width, 2048: 4 * text_width}
    manifest = {}
    for name, shape in TOLD["manifest"].items():
        of = image if name.startswith("visual.") else text
        if "resblocks" not in name or int(name.split("resblocks.")[1].split(".")[0]) < layers:
            manifest[name] = [of.get(n, n) for n in shape]
    manifest["text_projection"] = [text_width, out_width]
    return manifest


@pytest.fixture(scope="module")
def imported():
    return import_released("liqe", checkpoint(TOLD["manifest"]))


def test_parity_with_the_authors_code(imported):
    image_BCHW = normalised(noise(*TOLD["input_shape"], seed=TOLD["input_seed"]).sigmoid(), imported.spec)
    with torch.no_grad():
        output = imported.output(image_BCHW)
        joint_QSD = imported.head.probabilities(output.queries_BND)[0]
        text_PD = imported.head.text()
    expected = np.array(TOLD["outputs"][0])
    assert np.abs(output.score_B.numpy() - expected).max() < 1e-5 * np.abs(expected).max()
    assert imported.head.scenes[joint_QSD.sum((0, 2)).argmax()] == TOLD["scene"]
    assert imported.head.distortions[joint_QSD.sum((0, 1)).argmax()] == TOLD["distortion"]
    torch.testing.assert_close(text_PD[:2, :4], torch.tensor(TOLD["text_head"]), rtol=0, atol=1e-6)


def test_number_of_parameters_and_macs(imported):
    imported.head.text.forget()
    budget = iqa_zoo.measure_budget(imported)
    assert budget.params == TOLD["params"] == 151_277_313
    assert budget.params == sum(math.prod(shape) for shape in TOLD["manifest"].values())
    assert budget.macs == pytest.approx(macs_by_torch(imported, torch.zeros(1, 3, 224, 224)), rel=1e-3)
    assert budget.by_slot["head"].macs == 512 * 495
    assert iqa_zoo.measure_budget(imported).macs == budget.macs  # whatever was kept


# LIQE once more: each window and each prompt by itself, prompts padded to 77 tokens, on plain tensors.


def layer_norm(x, state, at):
    return F.layer_norm(x, x.shape[-1:], state[f"{at}.weight"], state[f"{at}.bias"])


def linear(x, state, at):
    return x @ state[f"{at}.weight"].T + state[f"{at}.bias"]


def transformer(x_LD, state, at, causal):
    length, width = x_LD.shape
    heads = max(1, width // 64)
    hidden_LL = torch.full((length, length), -torch.inf if causal else 0.0, dtype=x_LD.dtype).triu(1)
    for layer in range(sum(name.startswith(at) and name.endswith("ln_1.bias") for name in state)):
        block = f"{at}.{layer}"
        y = layer_norm(x_LD, state, f"{block}.ln_1")
        made = y @ state[f"{block}.attn.in_proj_weight"].T + state[f"{block}.attn.in_proj_bias"]
        q, k, v = (part.unflatten(1, (heads, -1)).transpose(0, 1) for part in made.chunk(3, 1))
        mixed = ((q @ k.mT / math.sqrt(q.shape[-1]) + hidden_LL).softmax(-1) @ v).transpose(0, 1).flatten(1)
        x_LD = x_LD + linear(mixed, state, f"{block}.attn.out_proj")
        y = linear(layer_norm(x_LD, state, f"{block}.ln_2"), state, f"{block}.mlp.c_fc")
        x_LD = x_LD + linear(y * (1.702 * y).sigmoid(), state, f"{block}.mlp.c_proj")
    return x_LD


def text_vector(state, tokens):
    row_L = torch.tensor([*tokens, *[0] * (77 - len(tokens))])
    x_LD = state["token_embedding.weight"][row_L] + state["positional_embedding"]
    x_LD = layer_norm(transformer(x_LD, state, "transformer.resblocks", causal=True), state, "ln_final")
    vector_D = x_LD[len(tokens) - 1] @ state["text_projection"]
    return vector_D / vector_D.norm()


def window_vector(state, window_CHW):
    kernel = state["visual.conv1.weight"]
    patches_LF = F.unfold(window_CHW[None], kernel.shape[2:], stride=kernel.shape[2:])[0].T
    x_LD = torch.cat((state["visual.class_embedding"][None], patches_LF @ kernel.flatten(1).T))
    x_LD = layer_norm(x_LD + state["visual.positional_embedding"], state, "visual.ln_pre")
    x_LD = transformer(x_LD, state, "visual.transformer.resblocks", causal=False)
    vector_D = layer_norm(x_LD[:1], state, "visual.ln_post")[0] @ state["visual.proj"]
    return vector_D / vector_D.norm()


def tokens_of(quality, scene, distortion):
    words = f"a photo of a {scene} with {distortion} artifacts , which is of {quality} quality".split()
    return [START, *(token for word in words for token in TOKENS[word]), END]


PROMPTS = list(product(QUALITIES, SCENES, DISTORTIONS))


def released_scores(state, image_BCHW, step_of):
    text_PD = torch.stack([text_vector(state, tokens_of(*prompt)) for prompt in PROMPTS])
    level_P = torch.tensor([1.0 + QUALITIES.index(quality) for quality, *_ in PROMPTS], dtype=image_BCHW.dtype)
    scores = []
    for image_CHW in image_BCHW:
        windows = image_CHW.unfold(1, 224, 32).unfold(2, 224, 32).permute(1, 2, 0, 3, 4).flatten(0, 1)
        step = step_of(len(image_BCHW), len(windows))
        vectors = {i: window_vector(state, windows[i]) for i in {step * i for i in range(15)}}
        logits_P = sum(state["logit_scale"].exp() * vectors[step * i] @ text_PD.T for i in range(15)) / 15
        scores.append((logits_P.softmax(0) * level_P).sum())
    return torch.stack(scores)


@pytest.mark.parametrize(
    ("seed", "images", "choice"), [(1, 2, "released"), (2, 2, "spread"), (3, 1, "spread"), (4, 16, "released")]
)
def test_is_a_second_implementation_for_other_seeds_and_sizes(seed, images, choice):
    state = checkpoint(cut_down(width=128, layers=2, text_width=64, out_width=48), seed)
    model = import_released("liqe", {"state_dict": state})
    model.backbone.choice = choice
    image_BCHW = noise(images, 3, 320, 384, seed=seed)  # 4 x 6 windows
    step_of = {"released": lambda images, there: images // 15, "spread": lambda images, there: there // 15}[choice]
    with torch.no_grad():
        expected_B = released_scores(state, image_BCHW, step_of)
        given_B = model(image_BCHW)
    assert (given_B - expected_B).abs().max() < 1e-5 * expected_B.abs().max()


def test_full_size_for_another_seed():
    state = checkpoint(TOLD["manifest"], seed=1)
    model = import_released("liqe", state)
    image_BCHW = noise(2, 3, 224, 224, seed=1)
    with torch.no_grad():
        embedding_BD, text_PD = model.backbone(image_BCHW).global_BC, model.head.text()
        some = range(0, 495, 29)
        expected = torch.stack([text_vector(state, tokens_of(*PROMPTS[i])) for i in some])
        torch.testing.assert_close(text_PD[list(some)], expected, rtol=0, atol=1e-6)
        expected = torch.stack([window_vector(state, image_CHW) for image_CHW in image_BCHW])
        torch.testing.assert_close(embedding_BD, expected, rtol=0, atol=1e-6)


def test_clip_s_own_checkpoint_is_read_and_moves_to_the_model_of_one_crop():
    state = checkpoint(cut_down(width=128, layers=1, text_width=64, out_width=48))
    constants = {name: torch.tensor(1) for name in ("input_resolution", "context_length", "vocab_size")}
    released = import_released("liqe", {**state, **constants})
    cfg = copy.deepcopy(released.config)
    cfg["backbone"] = {key: value for key, value in cfg["backbone"].items() if key not in ("crops", "step", "choice")}
    cfg["backbone"]["type"] = "clip_image"
    model = iqa_zoo.build_model(cfg, weights=released.state_dict()).eval()
    image_BCHW = noise(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(model(image_BCHW), released(image_BCHW))


def test_a_checkpoint_that_does_not_fit_says_why():
    state = checkpoint(cut_down(width=64, layers=1, text_width=64, out_width=16))
    state["ln_last.bias"] = state.pop("ln_final.bias")
    with pytest.raises(CheckpointError, match=r"missing: ln_final\.bias[\s\S]*unknown: ln_last\.bias"):
        import_released("liqe", state)
    with pytest.raises(CheckpointError, match=r"not a checkpoint of liqe: 'visual\.proj'"):
        import_released("liqe", {"fc.weight": torch.zeros(2, 2)})


def test_words_have_the_tokens_of_clip_s_tokenizer():
    tokenizer = pytest.importorskip("open_clip.tokenizer", reason="open_clip is not installed").SimpleTokenizer()
    assert {word: tuple(tokenizer.encode(word)) for word in TOKENS} == TOKENS
    assert (tokenizer.sot_token_id, tokenizer.eot_token_id) == (START, END)
    prompts = joint_prompts(QUALITIES, SCENES, DISTORTIONS)
    assert tokenise(prompts) == [[START, *tokenizer.encode(prompt), END] for prompt in prompts]


def test_prompts_are_those_of_the_paper_in_the_order_of_the_released_code():
    prompts = joint_prompts(QUALITIES, SCENES, DISTORTIONS)
    assert len(prompts) == len(set(prompts)) == 495
    assert prompts[0] == "a photo of a animal with jpeg2000 compression artifacts, which is of bad quality"
    assert prompts[-1] == "a photo of a others with other artifacts, which is of perfect quality"
    assert tokenise(prompts) == [tokens_of(*prompt) for prompt in PROMPTS]
    assert len(text_tree(tokenise(prompts)).tokens_T) == 2203


def small_head(**arguments):
    torch.manual_seed(0)
    sizes = dict(dim=16, text_width=64, text_layers=1, scenes=("night",), distortions=("blur", "noise"))
    return JointPromptsHead(**{**sizes, **arguments})


def test_the_head_by_hand():
    head, queries_BND = small_head(), noise(3, 4, 16)
    output = head(queries_BND)
    text_PD = head.text()
    logits_BNP = torch.cosine_similarity(queries_BND[:, :, None], text_PD, dim=-1) / 0.07
    chance_BP = logits_BNP.mean(1).softmax(1)  # two prompts for each of five levels
    expected_B = sum((k + 1) * (chance_BP[:, 2 * k] + chance_BP[:, 2 * k + 1]) for k in range(5))
    torch.testing.assert_close(output.score_B, expected_B)
    torch.testing.assert_close(head.probabilities(queries_BND).flatten(1), chance_BP)
    torch.testing.assert_close(output.score_BN[:, 1], head(queries_BND[:, 1:2]).score_B)
    assert ((output.score_BN >= 1) & (output.score_BN <= 5)).all()


def test_without_normalisation_a_mean_of_unit_vectors_averages_logits():
    head, unit_BND = small_head(normalise=False), F.normalize(noise(2, 15, 16), dim=-1)
    torch.testing.assert_close(head(unit_BND.mean(1, keepdim=True)).score_B, head(unit_BND).score_B)


class Calls:
    """How often the text tower of a head has run."""

    def __init__(self, head):
        self.count = 0
        head.text.tower.register_forward_hook(self)

    def __call__(self, *_):
        self.count += 1


def test_embeddings_are_kept_until_a_weight_changes():
    head, queries_BND = small_head(), noise(2, 1, 16)
    calls = Calls(head)
    with torch.no_grad():
        before_B = head(queries_BND).score_B
        head.train().eval()(queries_BND)
        assert calls.count == 1
        head.text.tower.proj.weight.mul_(-1)
        assert (head(queries_BND).score_B != before_B).all()
        assert calls.count == 2
        head.load_state_dict(small_head().state_dict())
        assert torch.equal(head(queries_BND).score_B, before_B)
        assert head.double()(queries_BND.double()).score_B.dtype == torch.float64
        assert torch.equal(head.float()(queries_BND).score_B, before_B)
        assert calls.count == 5
        for twin in (copy.deepcopy(head), pickle.loads(pickle.dumps(small_head()))):
            twin.text.tower.proj.weight.mul_(-1)
            assert (twin(queries_BND).score_B != before_B).all()


def test_an_optimisers_step_is_seen():
    head, queries_BND = small_head().eval(), noise(2, 1, 16)
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1)
    with torch.no_grad():
        before_B = head(queries_BND).score_B
    head(queries_BND).score_B.sum().backward()  # in eval mode too a gradient reaches the text tower
    assert head.text.tower.token_embedding.weight.grad.abs().max() > 0
    optimizer.step()
    with torch.no_grad():
        assert (head(queries_BND).score_B != before_B).all()


def test_a_frozen_text_tower_runs_once_in_training():
    head = small_head().train()
    head.text.requires_grad_(False)
    calls = Calls(head)
    with torch.inference_mode():
        head(noise(2, 1, 16))
    queries_BND = noise(2, 1, 16).requires_grad_()
    for _ in range(2):
        head(queries_BND).score_B.sum().backward()
    assert calls.count == 1
    assert queries_BND.grad.abs().max() > 0


@pytest.mark.parametrize("name", ["liqe", "liqe_released"])
def test_every_parameter_has_a_gradient(name):
    torch.manual_seed(0)
    model = iqa_zoo.build_model(name, overrides=TINY)
    losses = model.loss(torch.randn(4, 3, 160, 160), torch.tensor([3.0, -2.0, 1.0, 5.0]))
    assert set(losses) == {"fidelity", "total"}
    losses["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_learns_the_order_of_a_batch():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("liqe", overrides=TINY)
    mos_B = torch.arange(8.0)
    image_BCHW = noise(8, 3, 160, 160) * (0.2 + mos_B[:, None, None, None] / 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    for _ in range(20):
        optimizer.zero_grad()
        model.loss(image_BCHW, mos_B)["total"].backward()
        optimizer.step()
    with torch.no_grad():
        score_B = model.eval()(image_BCHW)
    assert (score_B.diff() > 0).all()
    assert score_B[0] >= 1
    assert score_B[0] + 1 < score_B[-1] <= 5


def test_a_config_and_its_model_have_one_budget():
    cfg = {**TINY, "backbone.width": 48}
    model = iqa_zoo.build_model("liqe", overrides=cfg)
    by_config, by_model = iqa_zoo.measure_budget(model.config), iqa_zoo.measure_budget(model.train())
    assert (by_config.params, by_config.macs) == (by_model.params, by_model.macs)
    assert model.training
    model.head.text.requires_grad_(False)
    assert iqa_zoo.measure_budget(model).macs == by_model.macs


@pytest.mark.parametrize("choice", ["released", "spread"])
def test_a_window_that_counts_several_times_is_computed_once(choice):
    one_window = iqa_zoo.measure_budget(iqa_zoo.build_model("liqe", overrides=TINY))
    model = iqa_zoo.build_model("liqe_released", overrides={**TINY, "backbone.choice": choice})
    assert iqa_zoo.measure_budget(model).macs == one_window.macs


def test_windows_are_those_of_the_rule():
    backbone = iqa_zoo.build_model("liqe_released", overrides=TINY).backbone
    assert backbone._chosen(60, 1) == [0] * 15
    assert backbone._chosen(60, 31) == list(range(0, 30, 2))
    assert backbone._chosen(10, 16) == [*range(10), *[9] * 5]
    backbone.choice = "spread"
    assert backbone._chosen(60, 1) == backbone._chosen(74, 31) == list(range(0, 60, 4))
    assert backbone._chosen(7, 1) == list(range(7))


def test_fewer_than_fifteen_images_are_judged_by_their_upper_left_window():
    torch.manual_seed(0)
    model = iqa_zoo.build_model("liqe_released", overrides=TINY).eval()
    image_BCHW = torch.randn(2, 3, 200, 256)
    with torch.no_grad():
        assert torch.equal(model(image_BCHW), model(image_BCHW[:, :, :160, :160]))
        model.backbone.choice = "spread"
        assert (model(image_BCHW) != model(image_BCHW[:, :, :160, :160])).all()


@pytest.mark.parametrize(("width", "heads"), [(512, 8), (200, 2), (194, 2), (193, 1), (31, 1)])
def test_heads_of_the_text_tower_are_64_wide_or_a_little_wider(width, heads):
    tower = TextTower(width=width, layers=1, out_width=4)
    assert tower.layers[0].self_attn.num_heads == heads


@pytest.mark.parametrize("target", [2_400_000, 12_000_000])
def test_a_budget_is_met_by_a_smaller_text_tower(target):
    cfg, budget = iqa_zoo.match_budget({**iqa_zoo.model_config("liqe"), "backbone": TINY_BACKBONE}, to=target)
    head = cfg["head"]
    assert budget.decoder.params == pytest.approx(target, rel=0.01)
    assert set(budget.moved) <= {"head.text_width", "head.text_layers"}
    assert JointPromptsHead(dim=32, **{k: v for k, v in head.items() if k != "type"}).text().shape == (495, 32)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"head.scenes": ["nigth"]}, r"head: no tokens for the word 'nigth'; did you mean 'night'\?"),
        ({"head.qualities": []}, r"head: qualities is empty"),
        ({"head.distortions": [" ".join(["jpeg2000"] * 11)]}, r"head: .* has 8\d tokens, and CLIP takes 77"),
        ({"head.text_width": 0}, r"head\.text_width: expected int from 1"),
        (
            {"backbone.name": "swin_tiny_patch4_window7_224", "backbone.width": 0},
            r"backbone\.width: expected int from 1",
        ),
    ],
)
def test_what_cannot_work_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        iqa_zoo.build_model("liqe", overrides={**TINY, **overrides})


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        ("backbone", "clip_image"),
        ("backbone", "clip_windows"),
        ("head", "joint_prompts"),
        ("models", "liqe"),
        ("models", "liqe_released"),
    ],
)
def test_is_listed_with_its_origin(slot, name):
    listed = {part.name: part for part in iqa_zoo.list_components(slot)}
    assert listed[name].origin == ORIGIN
    assert listed[name].summary.startswith("LIQE for iqa-zoo")


def test_the_recipe_that_comes_with_it_is_one():
    recipe = load_recipe(Path(iqa_zoo_liqe.__file__).parent / "liqe.yaml")
    assert (recipe.lr, recipe.test_crops, recipe.freeze) == (5e-6, 15, ("head.logit_scale",))


class TestBackbones(BackboneContract):
    parts = {  # noqa: RUF012
        "clip_image": [{"name": "test_vit", "stages": (2, 4), "image_size": 64, "width": 8}],
        "clip_windows": [
            {"name": "test_vit", "width": 8, "crops": 3},
            {"name": "test_vit", "width": 8, "choice": "released"},
        ],
    }


class TestHeads(HeadContract):
    parts = {  # noqa: RUF012
        "joint_prompts": [
            {"text_width": 16, "text_layers": 1, "scenes": ("night",)},
            {"text_width": 16, "text_layers": 1, "scenes": ("night",), "normalise": False},
        ]
    }
