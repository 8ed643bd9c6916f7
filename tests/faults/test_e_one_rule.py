"""Weight decay, schedule, averaging and label scale are one rule in both trainers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from iqa_zoo import list_models, model_config
from iqa_zoo.budgets.measure import find_backbone_shapes
from iqa_zoo.build import build_decoder, build_model
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.training.end_to_end import fit, hooks
from iqa_zoo.training.end_to_end import train as training
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.train import train_model
from iqa_zoo.training.frozen import decoder as frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.optimizer import find_decayed_parameters
from iqa_zoo.training.recipe import FrozenRecipe, Recipe
from iqa_zoo.training.schedule import compute_rate_factor

SIZE = 48
SPLIT = Split(np.arange(16), np.arange(24, 32), np.arange(16, 24), "made up")
# Tensors of two and more dimensions that are added to an input or scale it: by the last part of their name.
NOT_WEIGHTS = {
    "embedding", "rows", "columns", "direction", "cls_token", "pos_embed", "positional_embedding", "class_token", "place",
    "scale", "relative_position_bias_table",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quick(one_thread):
    pass


@pytest.fixture
def convolutions():
    """A decoder with convolutions of 1x1 and 3x3, embeddings of one to four dimensions, an adjacency and experts."""
    return {
        "dim": 16,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": [3, 4], "image_size": SIZE},
        "queries": {"type": "gated_pool", "stage": 4, "grid": 2},
        "memory": {"type": "grid_pool", "stage": 3, "grid": 2},
        "interactions": [{"type": "query_gcn", "hidden": [8]}, {"type": "cross_attention", "num_heads": 2}],
        "head": {"type": "moe", "num_experts": 2, "top_k": 1, "hidden": 8},
        "losses": [{"type": "smooth_l1"}],
    }


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    mos = rng.uniform(20, 80, 32)
    paths = tuple(tmp_path / f"{i}.png" for i in range(32))
    for path, score in zip(paths, mos, strict=True):
        pixels = rng.normal(score * 2.5, 20, (SIZE + 4, SIZE + 4, 3)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return RatedImages("grey", paths, mos, score_range=(0, 100), licence="CC0", source="made up")


@pytest.fixture
def train_both(data, tmp_path, monkeypatch):
    """Train a config in both ways with equal recipes; return what each optimizer saw, a list of its groups a step."""

    def train(cfg, mos=None, **settings):
        values = (
            dict(epochs=2, batch_size=4, lr=1e-3, weight_decay=0.1, ema=None, clip=1.0, precision="float32") | settings
        )
        seen: dict[str, list] = {"frozen": [], "end_to_end": []}
        step = torch.optim.AdamW.step

        def watch(kind):
            def watched(self, *arguments):
                groups = [
                    (group["lr"], group["weight_decay"], sorted(tuple(each.shape) for each in group["params"]))
                    for group in self.param_groups
                ]
                seen[kind].append(sorted(groups))
                return step(self, *arguments)

            return watched

        shapes = find_backbone_shapes(dict(cfg))
        monkeypatch.setattr(torch.optim.AdamW, "step", watch("frozen"))
        frozen.train_frozen(
            cfg, planted(shapes), data.mos if mos is None else mos, SPLIT, recipe=FrozenRecipe(**values), rule="last"
        )
        monkeypatch.setattr(torch.optim.AdamW, "step", watch("end_to_end"))
        share = values.pop("warmup_share", FrozenRecipe.warmup_share)
        warmup_epochs = max(1, int(values["epochs"] * 4 * share)) / 4
        recipe = Recipe(summary="", warmup_epochs=warmup_epochs, freeze=("backbone",), test_crops=1, **values)
        options = TrainingOptions(selection="last", device="cpu")
        changed = data if mos is None else RatedImages(
            "grey", data.paths, mos, score_range=(0, 100), licence="CC0", source="made up"
        )  # fmt: skip
        train_model(cfg, changed, SPLIT, recipe, tmp_path / "run", options=options)
        return seen

    return train


def planted(shapes):
    """Random features of the shapes of a backbone's."""
    rng = np.random.default_rng(0)
    features = shapes.features()
    arrays = {f"map{stage}": (*each.shape[2:], each.shape[1]) for stage, each in features.maps.items()}
    arrays["global"] = tuple(features.global_BC.shape[1:])
    if shapes.spec.token_stage not in features.maps:
        arrays["tokens"] = tuple(features.tokens_BLC.shape[1:])
    made = {name: rng.standard_normal((32, 2, *shape)).astype(np.float16) for name, shape in arrays.items()}
    return FeatureBank(shapes.spec, made, "planted", Path())


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["weights", "all", "none"])
def test_every_step_has_the_same_groups_rates_and_decay(rule, convolutions, train_both):
    """The optimizers themselves, step by step, of a decoder with convolutions: what decays, how much, at which rate."""
    seen = train_both(convolutions, decay=rule)
    assert seen["frozen"] == seen["end_to_end"]
    assert len(seen["frozen"]) == 8
    groups = seen["frozen"][0]
    assert {decay for _, decay, _ in groups} == {"weights": {0.1, 0.0}, "all": {0.1}, "none": {0.0}}[rule]
    if rule == "weights":
        ((_, _, decayed),) = [group for group in groups if group[1]]
        assert any(len(shape) == 4 and shape[-1] == 3 for shape in decayed), "3x3 kernels decay"
        assert all(len(shape) >= 2 for shape in decayed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        dict(schedule="cosine", final_lr=1e-4),
        dict(schedule="step", step_epochs=1, step_factor=0.5),
        dict(schedule="constant", warmup_share=0.5),
        dict(schedule="cosine", warmup_lr=1e-4, warmup_share=0.4),
    ],
    ids=lambda settings: settings["schedule"],
)
def test_every_schedule_is_the_same(settings, tiny, train_both):
    tiny["backbone"]["image_size"] = SIZE
    seen = train_both(tiny, **settings)
    rates = {kind: [groups[0][0] for groups in steps] for kind, steps in seen.items()}
    assert rates["frozen"] == rates["end_to_end"]
    assert len(set(rates["frozen"])) > 1


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["test_resnet", None])
@pytest.mark.parametrize("name", list_models())
def test_what_decays_in_a_model_does_not_hang_on_who_trains_it(name, backbone):
    """Of every registered model, on its own backbone and on another that a study puts it on."""
    cfg = model_config(name)
    if backbone is not None:
        cfg["backbone"] = make_backbone_config(backbone, [cfg])
    with torch.device("meta"):
        whole, spec = build_model(cfg), find_backbone_shapes(cfg).spec
        decoder = build_decoder(cfg, spec)
    decayed = find_decayed_parameters(whole)
    assert [each for each in decayed if not each.startswith("backbone.")] == find_decayed_parameters(decoder)
    others = {each: parameter for each, parameter in whole.named_parameters() if each not in decayed}
    owners = dict(whole.named_modules())
    for each, parameter in others.items():
        owner, _, leaf = each.rpartition(".")
        table = isinstance(owners[owner], nn.Embedding)
        assert parameter.ndim < 2 or leaf in NOT_WEIGHTS or table, f"{each} {tuple(parameter.shape)} decays nowhere"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deiqt", "lifeiqa", "lifeiqa_released", "linear_probe", "vanilla_decoder"])
def test_decoders_without_convolutions_decay_as_they_always_did(name):
    """On frozen features exactly the matrices decayed: numbers that were published on them stand."""
    cfg = model_config(name)
    with torch.device("meta"):
        decoder = build_decoder(cfg, find_backbone_shapes(cfg).spec)
    assert find_decayed_parameters(decoder) == [each for each, value in decoder.named_parameters() if value.ndim == 2]


def test_trainers_have_no_rule_of_their_own():
    assert frozen.make_optimizer is fit.make_optimizer
    assert frozen.compute_rate_factor is hooks.compute_rate_factor is compute_rate_factor
    assert frozen.MovingAverage is hooks.MovingAverage
    assert frozen.fit_label_scale is training.fit_label_scale


@pytest.mark.slow
@pytest.mark.parametrize("value", [50.0, 0.1, 100 / 3])
def test_equal_labels_are_an_error_in_both_before_anything_is_trained(value, tiny, data, tmp_path):
    """Also where rounding makes the deviation of equal numbers differ from zero."""
    tiny["backbone"]["image_size"] = SIZE
    mos = np.full(32, value)
    with pytest.raises(InputError, match="all training labels are .*; there is nothing to learn"):
        frozen.train_frozen(tiny, planted(find_backbone_shapes(tiny)), mos, SPLIT, recipe=FrozenRecipe(), rule="last")
    equal = RatedImages("grey", data.paths, mos, score_range=(0, 100), licence="CC0", source="made up")
    recipe = Recipe(summary="", epochs=1, batch_size=4)
    with pytest.raises(InputError, match="all training labels are .*; there is nothing to learn"):
        train_model(tiny, equal, SPLIT, recipe, tmp_path / "run", options=TrainingOptions(device="cpu"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_scale_of_labels_is_the_same(tiny, data, tmp_path, monkeypatch):
    tiny["backbone"]["image_size"] = SIZE
    found, fit = [], frozen.fit_label_scale
    monkeypatch.setattr(frozen, "fit_label_scale", lambda *arguments: found.append(fit(*arguments)) or found[0])
    frozen.train_frozen(
        tiny, planted(find_backbone_shapes(tiny)), data.mos, SPLIT, recipe=FrozenRecipe(epochs=1), rule="last"
    )
    recipe = Recipe(summary="", epochs=1, batch_size=4, test_crops=1)
    train_model(tiny, data, SPLIT, recipe, tmp_path / "run", options=TrainingOptions(selection="last", device="cpu"))
    scale = json.loads((tmp_path / "run" / "run.json").read_text())["scale"]
    assert scale == vars(found[0]) == {"center": data.mos[:16].mean(), "spread": data.mos[:16].std()}


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 3])
def test_both_test_the_average_of_their_weights(every, tiny, data, tmp_path, monkeypatch):
    """The weights that are kept are those of the formula: the first update alone, then past ** every of the past."""
    tiny["backbone"]["image_size"] = SIZE
    path, step = "head.router.weight", torch.optim.AdamW.step
    live: list[torch.Tensor] = []

    def noted(self, *arguments):
        result = step(self, *arguments)
        live.append(
            next(each for group in self.param_groups for each in group["params"] if each.shape == (4, 32)).clone()
        )
        return result

    def expected():
        average = None
        for i, now in enumerate(live):
            if (i % 4 + 1) % every == 0 or i % 4 == 3:  # four steps an epoch
                average = now if average is None else torch.lerp(average, now, 1 - 0.8**every)
        return average.detach()

    values = dict(epochs=2, batch_size=4, ema=0.8, ema_every=every, precision="float32")
    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    kept, averaged = [], frozen._copy_averaged
    monkeypatch.setattr(frozen, "_copy_averaged", lambda *arguments: kept.append(averaged(*arguments)) or kept[-1])
    bank = planted(find_backbone_shapes(tiny))
    frozen.train_frozen(tiny, bank, data.mos, SPLIT, recipe=FrozenRecipe(**values), rule="last")
    torch.testing.assert_close(dict(kept[-1].named_parameters())[path].detach(), expected())
    live.clear()
    options = TrainingOptions(selection="last", device="cpu")
    train_model(tiny, data, SPLIT, Recipe(summary="", test_crops=1, **values), tmp_path / "run", options=options)
    from safetensors.torch import load_file

    torch.testing.assert_close(load_file(tmp_path / "run" / "weights.safetensors")[path], expected())


@pytest.mark.slow
def test_the_rule_is_named_in_what_is_recorded(tiny, data, tmp_path):
    assert FrozenRecipe().to_dict()["decay"] == "weights"
    tiny["backbone"]["image_size"] = SIZE
    recipe = Recipe(summary="", epochs=1, batch_size=4, test_crops=1, decay="none")
    train_model(tiny, data, SPLIT, recipe, tmp_path / "run", options=TrainingOptions(selection="last", device="cpu"))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["decay"] == "none"
