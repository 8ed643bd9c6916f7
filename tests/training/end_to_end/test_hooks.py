"""Around the steps: seeds that depend on nothing before, rates, the moving average, early stops."""

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from iqa_zoo.errors import InputError
from iqa_zoo.training.checkpoints import find_latest_checkpoint
from iqa_zoo.training.end_to_end.hooks import Epochs, Steps, should_stop_early
from iqa_zoo.training.recipe import Recipe
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.schedule import compute_rate_factor


@pytest.fixture
def steps(tmp_path):
    """The hook, and a stand-in for the Runner around a model of two numbers."""

    def make(seed=0, save_steps=None, progress=None, **settings):
        recipe = Recipe(**{"summary": "", "epochs": 5, "lr": 0.1, **settings})
        model = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(
            [dict(params=[model.weight], lr=0.1, initial_lr=0.1), dict(params=[model.bias], lr=0.01, initial_lr=0.01)]
        )
        names = {id(model.weight): "weight", id(model.bias): "bias"}
        hook = Steps(recipe, seed, 4, RunFolder(tmp_path), names, save_steps, progress)
        wrapper = SimpleNamespace(optimizer=optimizer)
        loop = SimpleNamespace(stop_training=False)
        scalars = []
        runner = SimpleNamespace(
            model=SimpleNamespace(model=model), iter=0, epoch=0, rank=0, optim_wrapper=wrapper, train_loop=loop
        )
        runner.visualizer = SimpleNamespace(add_scalars=lambda values, step: scalars.append((step, values)))
        runner.scalars = scalars
        hook.before_run(runner)
        return hook, runner

    return make


def drawn_at(hook, runner, step, rank=0):
    runner.iter, runner.rank = step, rank
    torch.rand(7)  # whatever was before
    hook.before_train_iter(runner, 0)
    return torch.rand(1).item()


def test_randomness_is_that_of_the_seed_the_step_and_the_process(steps):
    hook, runner = steps()
    found = {(step, rank): drawn_at(hook, runner, step, rank) for step in range(20) for rank in range(2)}
    assert len(set(found.values())) == 40
    assert all(drawn_at(hook, runner, *key) == value for key, value in reversed(found.items()))
    other, runner = steps(seed=1)
    assert drawn_at(other, runner, 0) != found[0, 0]


def test_every_group_has_its_own_rate(steps):
    hook, runner = steps(warmup_epochs=1)
    for step in (0, 3, 4, 19):
        drawn_at(hook, runner, step)
        factor = compute_rate_factor(hook.recipe, step, 4)
        assert [group["lr"] for group in runner.optim_wrapper.optimizer.param_groups] == [0.1 * factor, 0.01 * factor]


def take(hook, runner, weight, loss=1.0):
    with torch.no_grad():
        runner.model.model.weight.fill_(weight)
    hook.after_train_iter(runner, 0, outputs={"loss": torch.tensor(loss)})
    runner.iter += 1


def test_the_average_is_of_whole_steps_and_begins_at_the_first(steps):
    hook, runner = steps(ema=0.9, accumulate=2)
    for weight in (100.0, 1.0, 100.0, 2.0, 100.0, 4.0):
        take(hook, runner, weight)
    expected = 0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 4
    with hook.averaged(runner):
        assert runner.model.model.weight.item() == pytest.approx(expected)
    assert runner.model.model.weight.item() == 4.0


def test_the_live_weights_come_back_after_an_error(steps):
    hook, runner = steps(ema=0.5)
    for weight in (1.0, 3.0):
        take(hook, runner, weight)
    with pytest.raises(InputError), hook.averaged(runner):
        raise InputError("an image cannot be read")
    assert runner.model.model.weight.item() == 3.0


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops(steps, loss):
    hook, runner = steps(clip=1.0)
    take(hook, runner, 1.0)
    with pytest.raises(
        InputError, match=rf"the loss is {loss} at step 2 of 20 \(epoch 1\); there is no checkpoint yet"
    ) as error:
        take(hook, runner, 1.0, loss)
    assert str(error.value).endswith("Begin in another folder with a lower rate (lr is 0.1)")


def test_weights_that_are_not_finite_are_not_kept(steps, tmp_path):
    hook, runner = steps(save_steps=2)
    take(hook, runner, 1.0)
    take(hook, runner, 1.0)
    take(hook, runner, math.nan)  # seen before anything is kept
    with pytest.raises(InputError, match=r"the weights weight are not finite at step 4 .*step-00000002") as error:
        take(hook, runner, math.nan)
    assert "or a clipped gradient (clip: 1.0); --weights" in str(error.value)
    assert find_latest_checkpoint(RunFolder(tmp_path).checkpoints).name == "step-00000002"


def test_checkpoints_within_an_epoch_are_of_whole_steps(steps, tmp_path):
    hook, runner = steps(save_steps=3, accumulate=2)
    seen = []
    for step in range(1, 21):
        take(hook, runner, 1.0)
        last = find_latest_checkpoint(RunFolder(tmp_path).checkpoints)
        seen += [step] if last and last.name == f"step-{step:08d}" else []
    assert seen == [6, 18]  # of 3, 6, .., 18: the odd ones are half steps, and 12 is the end of an epoch


def test_progress_tells_the_mean_loss_of_the_epoch(steps):
    said = []
    hook, runner = steps(progress=lambda *words: said.append(words))
    for loss in (1.0, 2.0, 6.0):
        take(hook, runner, 1.0, loss)
    means = ["1.0000", "1.5000", "3.0000"]
    assert said == [(f"epoch 1 of 5, loss {mean}", i + 1, 20) for i, mean in enumerate(means)]


def test_images_are_told_between_the_steps(steps):
    said = []
    hook, runner = steps(progress=lambda *words: said.append(words))
    for _ in range(4):
        take(hook, runner, 1.0)
    hook.make_image_progress("validation")(2, 7)
    assert said[-1] == ("epoch 1 of 5, validation image 2 of 7", 4, 20)
    assert steps()[0].make_image_progress("validation") is None


def test_an_epoch_is_noted_kept_and_logged(steps, tmp_path):
    hook, runner = steps(patience=1)
    sroccs = iter([0.5, 0.7, 0.6])
    epochs = Epochs(
        hook.recipe,
        "validation",
        hook.kept,
        hook,
        lambda part: {"srocc": next(sroccs)} if part == "validation" else None,
    )
    for epoch in range(3):
        for _ in range(4):
            take(hook, runner, float(epoch))
        epochs.after_train_epoch(runner)
        assert runner.train_loop.stop_training == (epoch == 2)
        runner.epoch += 1
    history = hook.kept.read("history")
    assert [each["selected"] for each in history] == [False, True, False]
    assert [each["validation"]["srocc"] for each in history] == [0.5, 0.7, 0.6]
    assert [each["test"] for each in history] == [None] * 3
    assert runner.scalars == [(i + 1, {"validation/srocc": srocc}) for i, srocc in enumerate((0.5, 0.7, 0.6))]
    assert find_latest_checkpoint(hook.kept.checkpoints).name == "step-00000012"
    assert hook.losses == []


def history_of(sroccs):
    return [{"validation": {"srocc": srocc}} for srocc in sroccs]


@pytest.mark.slow
@given(st.lists(st.floats(-1, 1) | st.just(math.nan), max_size=8), st.integers(1, 4))
def test_it_stops_when_the_best_is_so_many_epochs_old(sroccs, patience):
    age, best = 0, -math.inf
    for i, srocc in enumerate(sroccs):
        better = srocc > best
        age, best = (0, srocc) if better else (age + (i > 0), best)
    assert should_stop_early(history_of(sroccs), patience) == (bool(sroccs) and age >= patience)
    assert not should_stop_early(history_of(sroccs), None)
