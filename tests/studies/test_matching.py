"""Decoders are brought to one budget; the baseline is not, and a model without sizes to change sets no budget."""

import pytest

from iqa_zoo.config import model_config
from iqa_zoo.placing import make_backbone_config
from iqa_zoo.progress import Silent
from iqa_zoo.studies.baseline import make_baseline
from iqa_zoo.studies.matching import choose_owner, match_models
from iqa_zoo.studies.spec import BudgetSpec


@pytest.mark.slow
def test_the_baseline_and_a_model_without_sizes_stay_as_they_are() -> None:
    small = {**model_config("deiqt"), "dim": 48}
    configs = {"small": small, "linear_probe": model_config("linear_probe"), "ridge_baseline": make_baseline([small])}
    backbone = make_backbone_config("test_resnet", list(configs.values()))
    placed = {name: {**cfg, "backbone": backbone} for name, cfg in configs.items()}
    matched = match_models(placed, ["small", "linear_probe"], BudgetSpec(), Silent())
    assert matched.target == "small's decoder"
    assert matched.configs == placed
    assert list(matched.unmatched) == ["linear_probe"]
    assert matched.budgets["ridge_baseline"].decoder.params == matched.budgets["linear_probe"].decoder.params


@pytest.mark.parametrize(
    ("sizes", "movable", "owner"),
    [
        ({"a": 3, "b": 2, "c": 1}, {"a", "b"}, "b"),
        ({"a": 3, "b": 2}, set(), "b"),
        ({}, set(), "ridge_baseline"),
    ],
)
def test_the_smallest_model_with_a_size_to_change_sets_the_budget(sizes, movable, owner) -> None:
    assert choose_owner("smallest", sizes, movable) == choose_owner(None, sizes, movable) == owner
