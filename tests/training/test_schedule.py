"""The rate of a step: where it starts, its peak, its end, and that it never jumps upwards."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.training.recipe import FrozenRecipe, Recipe, load_recipe
from iqa_zoo.training.schedule import compute_rate_factor


def rates(steps_an_epoch=100, **settings):
    recipe = Recipe(**{"summary": "", "lr": 1e-3, **settings})
    return [
        recipe.lr * compute_rate_factor(recipe, step, steps_an_epoch) for step in range(recipe.epochs * steps_an_epoch)
    ]


def test_cosine_without_warmup_is_torchs():
    found = rates(epochs=3, schedule="cosine", final_lr=1e-4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=300, eta_min=1e-4)
    for rate in found:
        assert rate == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_step_is_that_of_the_papers():
    found = rates(epochs=30, schedule="step", step_epochs=10, step_factor=0.01)
    assert [found[epoch * 100] for epoch in (0, 9, 10, 19, 20, 29)] == pytest.approx(
        [1e-3, 1e-3, 1e-5, 1e-5, 1e-7, 1e-7]
    )
    assert found[999] == 1e-3
    assert found[1000] == pytest.approx(1e-5)


def test_warmup_rises_to_the_peak_or_falls_to_it():
    up = rates(epochs=4, schedule="constant", warmup_epochs=1.5)
    assert up[:150] == pytest.approx([1e-3 * (step + 1) / 150 for step in range(150)])
    assert set(up[150:]) == {1e-3}
    down = rates(epochs=4, schedule="constant", warmup_epochs=2, warmup_lr=1e-2)
    assert down[0] == pytest.approx(1e-2, rel=0.01)
    assert all(later < earlier for earlier, later in pairwise(down[:200]))
    assert down[199] == pytest.approx(1e-3)


def test_deiqt_reaches_its_rate_at_the_end_of_the_warmup_and_goes_on_at_a_tenth():
    recipe = load_recipe("deiqt")
    factors = [compute_rate_factor(recipe, step, 10) for step in range(90)]
    assert factors[29] == 1.0
    assert [factors[30], factors[60]] == pytest.approx([0.1, 0.01])


@pytest.mark.slow
@given(
    epochs=st.integers(1, 5),
    steps=st.integers(1, 20),
    schedule=st.sampled_from(["constant", "step", "cosine"]),
    warmup=st.floats(0, 6),
    final=st.floats(0, 1e-3),
)
def test_rates_stay_between_nothing_and_the_peak(epochs, steps, schedule, warmup, final):
    found = rates(steps, epochs=epochs, schedule=schedule, warmup_epochs=warmup, final_lr=final, step_epochs=2)
    assert all(0 <= rate <= 1e-3 * (1 + 1e-9) for rate in found)
    peak = min(len(found), int(warmup * steps))
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(found[peak:]))


def test_a_rate_of_nothing_stays_nothing():
    assert set(rates(epochs=2, lr=0.0, warmup_epochs=1, warmup_lr=1e-3, final_lr=1e-3)) == {0.0}


def frozen_formula(step, total):
    """Linear over a twentieth of the steps, then half a cosine to zero."""
    warmup = max(1, total // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (12, 1), (12, 14), (3, 7), (20, 1), (5, 12), (12, 145)])
def test_frozen_features_have_the_rates_they_always_had(epochs, steps):
    """Equal to the last bit, so that no published number moves."""
    recipe = FrozenRecipe(epochs=epochs)
    found = [compute_rate_factor(recipe, step, steps) for step in range(epochs * steps)]
    assert found == [frozen_formula(step, epochs * steps) for step in range(epochs * steps)]


def test_a_twentieth_is_never_lost_to_rounding():
    recipe = FrozenRecipe(epochs=1)
    assert all(recipe.warmup_steps(total) == max(1, total // 20) for total in range(1, 20_000))


@pytest.mark.slow
@given(st.integers(1, 40), st.integers(1, 30), st.floats(0, 1))
def test_a_share_and_as_many_epochs_of_warmup_are_one_rule(epochs, steps, share):
    frozen = FrozenRecipe(epochs=epochs, warmup_share=share, lr=1e-3)
    recipe = Recipe(summary="", epochs=epochs, warmup_epochs=frozen.warmup_steps(steps) / steps, lr=1e-3)
    for step in range(epochs * steps):
        assert compute_rate_factor(frozen, step, steps) == pytest.approx(
            compute_rate_factor(recipe, step, steps), abs=1e-12
        )


def test_no_warmup_begins_at_the_peak():
    assert compute_rate_factor(FrozenRecipe(warmup_share=0.0, epochs=2), 0, 5) == 1.0
