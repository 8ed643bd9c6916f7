"""What a study will cost, before it starts."""

import pytest
import torch

from iqa_zoo import model_config
from iqa_zoo.budgets import training_time as estimate
from iqa_zoo.budgets.training_time import estimate_step_seconds, time_training_step
from iqa_zoo.training.recipe import FrozenRecipe

RECIPE = FrozenRecipe(precision="float32", batch_size=2)


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_a_few_decoders_speak_for_all_by_their_macs(count, monkeypatch):
    asked = []
    monkeypatch.setattr(estimate, "time_training_step", lambda cfg, *_: asked.append(cfg["macs"]) or cfg["macs"] / 100)
    macs = [7 * (i * 5 % count + 1) for i in range(count)]
    assert estimate_step_seconds([{"macs": n} for n in macs], macs, RECIPE, "cpu") == pytest.approx(sum(macs) / 100)
    assert len(asked) == min(count, estimate.SAMPLE)
    assert {min(macs), max(macs)} <= set(asked)


def test_a_decoder_that_cannot_be_trained_is_passed_over(monkeypatch):
    def step(cfg, *_):
        if cfg["macs"] == 1:
            raise RuntimeError("broken")
        return 0.5

    monkeypatch.setattr(estimate, "time_training_step", step)
    assert estimate_step_seconds([{"macs": 1}, {"macs": 4}], [1, 4], RECIPE, "cpu") == pytest.approx(0.5 * 5 / 4)
    assert estimate_step_seconds([{"macs": 1}], [1], RECIPE, "cpu") == 0


@pytest.mark.slow
def test_a_timed_step_leaves_threads_and_random_numbers_as_they_were():
    cfg = model_config("lifeiqa_tiny")
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert time_training_step(cfg, RECIPE) > 0
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
