"""Training on frozen features: it learns what can be learned, repeats itself, and stops on a loss that is not finite."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from iqa_zoo.build import build_decoder
from iqa_zoo.contracts import Features, FeatureSpec, StageInfo
from iqa_zoo.data.splits import Split
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.stats.metrics import srocc
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses, fit_decoder, train_frozen
from iqa_zoo.training.frozen.features import FeatureBank
from iqa_zoo.training.optimizer import find_decayed_parameters
from iqa_zoo.training.recipe import FrozenRecipe
from iqa_zoo.training.schedule import compute_rate_factor
from iqa_zoo.training.selection import RULES, choose_epoch

SPEC = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)
SPLIT = Split(np.arange(80), np.arange(96, 120), np.arange(80, 96), "made up")
RECIPE = FrozenRecipe(epochs=8, batch_size=16, lr=3e-3, ema=0.8)


def planted(noise: float = 0.0) -> tuple[FeatureBank, np.ndarray]:
    """Features in which one channel of the last stage carries the label."""
    rng = np.random.default_rng(0)
    mos = rng.uniform(20, 80, 120)
    map4 = rng.standard_normal((120, 2, 4, 4, 8)) * 0.1
    map4[..., 5] += ((mos - 50) / 15)[:, None, None, None] + noise * rng.standard_normal((120, 2, 1, 1))
    arrays = {"map3": rng.standard_normal((120, 2, 8, 8, 6)), "map4": map4, "global": map4.mean((2, 3))}
    return FeatureBank(SPEC, {k: v.astype(np.float16) for k, v in arrays.items()}, "planted", Path()), mos


@pytest.fixture
def decoder(tiny):
    tiny["losses"] = [dict(type="smooth_l1"), *tiny["losses"][1:]]
    return tiny


@pytest.mark.slow
def test_it_learns_a_planted_label_on_the_scale_of_the_labels(decoder):
    bank, mos = planted()
    run = train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE)
    assert srocc(run.predictions, mos[SPLIT.test]) > 0.9
    assert abs(run.predictions.mean() - mos[SPLIT.test].mean()) < 5


@pytest.mark.slow
def test_the_test_labels_are_never_read(decoder):
    bank, mos = planted()
    other = mos.copy()
    other[SPLIT.test] = 50.0
    runs = [train_frozen(decoder, bank, labels, SPLIT, recipe=RECIPE) for labels in (mos, other)]
    np.testing.assert_array_equal(runs[0].predictions, runs[1].predictions)


@pytest.mark.slow
def test_parts_are_measured_evenly_and_always_at_the_end(decoder):
    bank, mos = planted()
    histories = {
        times: train_frozen(decoder, bank, mos, SPLIT, recipe=replace(RECIPE, epochs=5, measurements=times)).history
        for times in (1, 2, 9)
    }
    epochs = {times: [measured["epoch"] for measured in history] for times, history in histories.items()}
    assert epochs == {1: [5], 2: [3, 5], 9: [1, 2, 3, 4, 5]}
    for times in (1, 2):  # measuring less changes nothing that is measured
        for measured in histories[times]:
            assert measured["test"] == histories[9][measured["epoch"] - 1]["test"]
    assert histories[1][0]["loss"] == pytest.approx(np.mean([measured["loss"] for measured in histories[9]]))


@pytest.mark.slow
def test_a_seed_repeats_itself_and_leaves_the_global_generator_alone(decoder):
    bank, mos = planted()
    before = torch.get_rng_state()
    first, again, other = (train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.predictions, again.predictions)
    assert np.abs(first.predictions - other.predictions).max() > 1e-3
    torch.testing.assert_close(torch.get_rng_state(), before)


@pytest.mark.slow
def test_it_computes_what_a_plain_loop_computes(decoder):
    """Batches read and standardised one by one, attention in torch's order, one optimizer update after the other."""
    bank, mos = planted(noise=0.5)
    recipe = replace(RECIPE, epochs=3, ema=None, precision="float32", measurements=1)
    run = train_frozen(decoder, bank, mos, SPLIT, recipe=recipe, seed=5, rule="last")

    train, rng = SPLIT.train, np.random.default_rng(5)
    target = (mos - mos[train].mean()) / mos[train].std()
    scaled = {}
    for name, array in bank.arrays.items():
        values = array.astype(np.float64)
        seen = values[train, train % 2].reshape(-1, values.shape[-1])
        scaled[name] = torch.from_numpy((values - seen.mean(0)) / seen.std(0)).float()

    def take(images, crops):
        maps = {stage: scaled[f"map{stage}"][images, crops].permute(0, 3, 1, 2).contiguous() for stage in (3, 4)}
        return Features(maps, maps[4].flatten(2).mT.contiguous(), scaled["global"][images, crops])

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = build_decoder(decoder, SPEC)
        decayed = set(find_decayed_parameters(model))
        named = dict(model.named_parameters())
        groups = [[p for n, p in named.items() if (n in decayed) is decays] for decays in (True, False)]
        optimizer = torch.optim.AdamW(
            [{"params": group, "weight_decay": w} for group, w in zip(groups, (0.05, 0.0), strict=True)], lr=1.0
        )
        for epoch in range(3):
            order = rng.permutation(train)
            for i in range(5):
                images, crops = order[16 * i : 16 * i + 16], rng.integers(2, size=16)
                loss = model.loss(take(images, crops), torch.from_numpy(target[images]).float())["total"]
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = 3e-3 * compute_rate_factor(recipe, 5 * epoch + i, 5)
                optimizer.step()
    model.eval()
    with torch.inference_mode():
        scores = torch.stack([model(take(SPLIT.test, np.full(len(SPLIT.test), crop))) for crop in (0, 1)]).mean(0)
    expected = scores.double().numpy() * mos[train].std() + mos[train].mean()
    np.testing.assert_allclose(run.predictions, expected, atol=0.02 * mos.std())


def test_a_loss_that_is_not_finite_later_stops_at_the_end_of_its_epoch_and_says_the_step(decoder):
    bank, mos = planted()
    with pytest.raises(IqaZooError, match=r"at step [23] of 40; lower the learning rate \(1e\+30\)"):
        train_frozen(decoder, bank, mos, SPLIT, recipe=replace(RECIPE, lr=1e30, warmup_share=0.0, precision="float32"))


def test_a_loss_that_is_not_finite_stops_and_says_the_step(decoder):
    bank, mos = planted()
    bank.arrays["map4"][:, :, 0, 0, 0] = np.inf
    with pytest.raises(IqaZooError, match=r"at step 1 of 40"):
        train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE)


@pytest.mark.slow
def test_the_rule_chooses_the_epoch_and_only_the_oracle_looks_at_the_test_part(decoder):
    bank, mos = planted(noise=0.5)
    runs = {rule: train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE, rule=rule) for rule in RULES}
    histories = [[{k: v for k, v in e.items() if k != "selected"} for e in run.history] for run in runs.values()]
    assert histories[0] == histories[1] == histories[2]
    for rule, run in runs.items():
        (chosen,) = (i for i, epoch in enumerate(run.history) if epoch["selected"])
        assert chosen == choose_epoch(run.history, rule)
        assert srocc(run.predictions, mos[SPLIT.test]) == run.history[chosen]["test"]["srocc"]


@pytest.mark.slow
def test_a_split_without_a_validation_part_is_for_the_last_epoch(decoder):
    bank, mos = planted()
    split = Split(np.arange(80), np.arange(96, 120), np.arange(0), "made up")
    assert train_frozen(decoder, bank, mos, split, recipe=RECIPE, rule="last").history[0]["validation"] is None
    with pytest.raises(InputError, match="validation"):
        train_frozen(decoder, bank, mos, split, recipe=RECIPE)


@pytest.mark.slow
def test_another_dataset_is_predicted_at_the_selected_epoch_in_the_scale_of_the_first(decoder):
    bank, mos = planted()
    run = train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE, test_sets={"again": bank})
    np.testing.assert_allclose(run.test_sets["again"][SPLIT.test], run.predictions, rtol=1e-6)
    assert run.test_sets["again"].shape == (120,)


@pytest.mark.slow
def test_the_validation_part_is_measured_and_not_trained_on(decoder):
    bank, mos = planted()
    other = mos.copy()
    other[SPLIT.validation] = mos[SPLIT.validation][::-1]
    a, b = (train_frozen(decoder, bank, labels, SPLIT, recipe=RECIPE, rule="last") for labels in (mos, other))
    np.testing.assert_array_equal(a.predictions, b.predictions)
    assert a.history[-1]["validation"]["srocc"] > 0.8
    assert b.history[-1]["validation"]["srocc"] < 0.5


@pytest.mark.slow
def test_the_test_part_is_measured_once_where_nobody_asks_for_every_rule(decoder):
    bank, mos = planted()
    quiet, noted = (train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE, every_rule=every) for every in (False, True))
    np.testing.assert_array_equal(quiet.predictions, noted.predictions)
    assert all(epoch["test"] is None for epoch in quiet.history)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_learn(decoder, precision):
    bank, mos = planted()
    run = train_frozen(decoder, bank, mos, SPLIT, recipe=replace(RECIPE, precision=precision))
    assert srocc(run.predictions, mos[SPLIT.test]) > 0.9


@pytest.mark.slow
def test_what_predicts_is_the_average_of_the_weights(decoder):
    """Without an average it is the last step's decoder; with a past that counts almost in full, the first update's."""
    bank, mos = planted()
    live, first = (train_frozen(decoder, bank, mos, SPLIT, recipe=replace(RECIPE, ema=a)) for a in (None, 0.999999))
    assert srocc(live.predictions, mos[SPLIT.test]) > 0.9
    assert first.history[0]["test"] == pytest.approx(first.history[-1]["test"], abs=1e-2)


def test_a_decoder_in_closed_form_is_fitted_once_to_the_mean_crop_of_every_image_that_is_not_tested_on(decoder):
    """scikit-learn's ridge on the means of the crops of an image, standardised by one crop of each."""
    bank, mos = planted(noise=0.3)
    cfg = {"dim": None, "backbone": decoder["backbone"], "queries": {"type": "global_vector"}, "memory": None}
    cfg |= {"interactions": [], "head": {"type": "ridge", "alphas": [3.0]}, "losses": [{"type": "mse"}]}
    run = train_frozen(cfg, bank, mos, SPLIT, recipe=replace(RECIPE, precision="float32"), rule="last")
    vectors = bank.arrays["global"].astype(np.float64)
    learned = np.concatenate([SPLIT.train, SPLIT.validation])
    one_each = vectors[learned, learned % 2]
    vectors = (vectors - one_each.mean(0)) / one_each.std(0)
    ridge = Ridge(alpha=3.0).fit(vectors[learned].mean(1), mos[learned])
    expected = ridge.predict(vectors[SPLIT.test].mean(1))
    np.testing.assert_allclose(run.predictions, expected, atol=1e-3)
    assert [measured["epoch"] for measured in run.history] == [1]
    assert run.history[0]["test"]["srocc"] == srocc(expected, mos[SPLIT.test])
    assert run.history[0]["validation"] is None


@pytest.mark.slow
def test_what_else_a_decoder_learns_it_learns_before_its_head_is_fitted(decoder):
    bank, mos = planted()
    decoder |= {"head": {"type": "ridge"}, "losses": [{"type": "smooth_l1"}]}
    run = train_frozen(decoder, bank, mos, SPLIT, recipe=RECIPE)
    assert srocc(run.predictions, mos[SPLIT.test]) > 0.9
    assert len({measured["test"]["rmse"] for measured in run.history}) == len(run.history) > 1


def test_the_strength_is_chosen_by_images_and_not_by_crops_that_vouch_for_each_other(decoder):
    """Forty images with more features than that: leave-one-out over crops would take the weakest ridge."""
    rng = np.random.default_rng(0)
    shared_IC = rng.standard_normal((40, 60))
    crops_ICC = (shared_IC[:, None] + 0.01 * rng.standard_normal((40, 4, 60))).astype(np.float16)
    mos = 50 + 5 * rng.standard_normal(40)  # nothing to learn
    bank = FeatureBank(FeatureSpec({}, 60, 60, 64), {"tokens": crops_ICC[:, :, None], "global": crops_ICC}, "", Path())
    cfg = {"dim": None, "backbone": decoder["backbone"], "queries": {"type": "global_vector"}, "memory": None}
    cfg |= {"interactions": [], "head": {"type": "ridge"}, "losses": [{"type": "mse"}]}
    fitted = fit_decoder(cfg, bank, mos, np.arange(30), recipe=RECIPE)
    assert fitted.model.head.fc.weight.norm() < 0.1  # the strongest ridges


def test_losses_that_read_mirrored_images_are_left_out_by_name_or_refused(decoder):
    mirrored = [dict(type="mirror_consistency", weight=0.1)]
    whole = {**decoder, "losses": [*decoder["losses"], *mirrored]}
    assert drop_mirrored_losses(whole) == (decoder, ["mirror_consistency"])
    assert drop_mirrored_losses(decoder) == (decoder, [])
    bank, mos = planted()
    with pytest.raises(InputError, match="no mirrored image can be made of features"):
        train_frozen(whole, bank, mos, SPLIT, recipe=RECIPE)
    with pytest.raises(InputError, match=r"all losses read mirrored images \(mirror_consistency\)"):
        drop_mirrored_losses({**decoder, "losses": mirrored})
