"""Equal models have equal hashes, and other models others."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iqa_zoo.config import model_config, resolve_config
from iqa_zoo.config_hash import config_hash
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.errors import ConfigError
from iqa_zoo.registry import SLOTS


def test_a_config_with_problems_has_no_hash(tiny):
    tiny["head"]["type"] = "mo"
    with pytest.raises(ConfigError, match=r"head\.type: unknown head 'mo'; did you mean 'moe'"):
        config_hash(tiny)


def _shuffled(value, rng):
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: _shuffled(item, rng) for key, item in items}
    if isinstance(value, list):
        make = rng.choice([list, tuple])
        return make(_shuffled(item, rng) for item in value)
    return value


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_the_hash_is_stable_under_key_order_and_tuples(seed):
    cfg = model_config("lifeiqa")
    assert config_hash(_shuffled(cfg, random.Random(seed))) == config_hash(cfg)


@pytest.mark.slow
@settings(max_examples=30)
@given(data=st.data())
def test_the_hash_is_equal_for_defaults_written_out(data):
    cfg = model_config("lifeiqa")
    resolved = resolve_config(cfg)
    for slot in SLOTS:
        parts = cfg[slot] if isinstance(cfg[slot], list) else [cfg[slot]]
        full = resolved[slot] if isinstance(resolved[slot], list) else [resolved[slot]]
        for part, complete in zip(parts, full, strict=True):
            left_out = sorted(set(complete) - set(part))
            for key in data.draw(st.lists(st.sampled_from(left_out), unique=True)) if left_out else []:
                part[key] = complete[key]
    assert config_hash(cfg) == config_hash(model_config("lifeiqa"))


@given(gamma=st.integers(-5, 5))
def test_the_hash_of_a_whole_number_is_that_of_its_float(gamma):
    hashes = {config_hash(apply_overrides(model_config("lifeiqa"), {"head.gamma": g})) for g in (gamma, float(gamma))}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "override",
    [
        {"dim": 192},
        {"head.top_k": 1},
        {"head.gamma": 0.1},
        {"backbone.final_norm": True},
        {"losses.1.weight": 0.1},
        {"interactions.3.num_heads": 3},
        {"interactions.0.hidden": [96, 192]},
    ],
)
def test_another_model_has_another_hash(override):
    cfg = model_config("lifeiqa")
    assert config_hash(apply_overrides(cfg, override)) != config_hash(cfg)


def test_the_hash_is_twelve_hexadecimal_digits():
    assert len(config_hash(model_config("deiqt"))) == 12
    int(config_hash(model_config("deiqt")), 16)
