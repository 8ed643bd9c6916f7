"""Random configs and overrides: every one trains a step or is a ConfigError.

IQA_ZOO_FUZZ=10000 pytest tests/test_random_configs.py -s     # more of them; installed plugins are drawn from too
IQA_ZOO_FUZZ_FROM=5000 starts at another seed.
"""

import collections
import copy
import math
import os
import random
import time
import traceback
import typing
import warnings

import pytest
import torch

import iqa_zoo
from iqa_zoo import allocation
from iqa_zoo.config import check_config, part_parameters
from iqa_zoo.config_overrides import apply_overrides
from iqa_zoo.contracts import HANDED_DOWN
from iqa_zoo.errors import ConfigError
from iqa_zoo.registry import SLOTS
from iqa_zoo.testing.suite import examples_of
from iqa_zoo.values import Range, slot_inside

COUNT = int(os.environ.get("IQA_ZOO_FUZZ", "150"))
START = int(os.environ.get("IQA_ZOO_FUZZ_FROM", "0"))
LARGEST_IMAGE = 256  # pixels a side; a model of larger images is built and not trained
PROGRESS = 500  # configs between two lines of progress

NAMES = ("test_resnet", "test_vit", "test_efficientnet")
EXTREMES = (
    *(0, -1, 1, 2, 3, 7, 10**6, 2**31, 2**63, 2**64, 10**400, 0.5, 1.0, 1.5, -0.1, 1e-300, 1e300, math.nan, math.inf),
    *(
        -math.inf,
        None,
        True,
        False,
        "",
        "x",
        "1",
        [],
        [0],
        [-1],
        [2**64],
        [None],
        [[]],
        {},
        {"type": "linear"},
        {"a": 1},
    ),
)
SMALL = {  # arguments with which a part is small
    "timm_features": {"name": "test_resnet", "stages": [1, 2, 3, 4], "image_size": 64},
    "timm_with_classifier": {"name": "test_resnet", "stages": [3, 4], "image_size": 64, "classes": 5},
    "efficientnet_endpoints": {"name": "test_efficientnet", "stages": [1, 2, 5], "image_size": 64},
    "clip_windows": {"name": "test_vit", "width": 16, "crops": 2},
    "nss": {"stages": [1, 2, 3, 4], "image_size": 64},
    "joint_prompts": {"text_width": 16, "text_layers": 1, "scenes": ["night"]},
    "hyper_network": {"trunk": [16], "channels": 8, "hidden": [6, 4]},
    "scale_swin": {"hidden": 8, "window": 2},
    "grid_tokens": {"grid": 4},
    "token_projection": {"share": 0.5},
    "multi_backbone": {"branches": [{"type": "nss", "image_size": 64}], "image_size": 64},
}


def plain(value):
    return [plain(item) for item in value] if isinstance(value, list | tuple) else copy.deepcopy(value)


def suited(rng, hint, key=""):
    """A value that the annotation allows, most often."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if slot := slot_inside(hint):
        return [random_part(rng, slot) for _ in range(rng.choice([0, 1, 1, 2, 2, 3]))]
    if key == "name":
        return rng.choice(NAMES)
    if key == "image_size":
        return rng.choice([32, 48, 64, 65, 96])
    if key == "model_args":
        return rng.choice([None, {}, {"drop_rate": 0.1}, {"embed_dim": 30}, {"embed_dim": 0}, {"foo": 1}, {"depth": 1}])
    if origin is typing.Annotated:
        (span,) = [mark for mark in hint.__metadata__ if isinstance(mark, Range)] or [Range(-5, 5)]
        if arguments[0] is int:
            near = [n for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 40) if n in span]
            return rng.choice([*near, span.low])
        return rng.choice([span.low, 0.5 if 0.5 in span else span.high, 0.1 if 0.1 in span else span.low])
    if origin in (typing.Union, type(int | None)):
        return suited(rng, rng.choice(arguments), key)
    if origin is typing.Literal:
        return rng.choice(arguments)
    if hint is type(None):
        return None
    if hint is bool:
        return rng.random() < 0.5
    if hint is int:
        return rng.choice([1, 2, 3, 4, 5, 11, 14])
    if hint is float:
        return rng.choice([0.0, 0.1, 0.5, 1.0, 2.0])
    if hint is str:
        return rng.choice(["x", "", "blur", "night"])
    if arguments:
        return [suited(rng, arguments[0]) for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4]))]
    return rng.choice(EXTREMES)


def random_value(rng, hint, key):
    return suited(rng, hint, key) if rng.random() < 0.7 else copy.deepcopy(rng.choice(EXTREMES))


def random_part(rng, slot, change=0.06):
    """A part of the slot with small arguments, some of which are changed."""
    if rng.random() < 0.01:
        return copy.deepcopy(
            rng.choice([None, {}, [], "linear", {"type": None}, {"type": "no_such_part"}, {"type": [1]}])
        )
    name = rng.choice(SLOTS[slot].names())
    arguments = SMALL.get(name) or rng.choice(examples_of(slot, name))
    part = {"type": name, **{key: plain(value) for key, value in arguments.items()}}
    for key, parameter in part_parameters(slot, name).items():
        if rng.random() < change:
            part[key] = random_value(rng, parameter.annotation, key)
    if rng.random() < 0.01:
        part[rng.choice(["hiden", "dim", *HANDED_DOWN[slot]])] = rng.choice(EXTREMES)
    return part


def sound_config(rng):
    """A config that works, of built-in parts."""
    return {
        "dim": 24,
        "backbone": {"type": "timm_features", "name": rng.choice(NAMES), "stages": [1, 2, 3, 4], "image_size": 64},
        "queries": {"type": "guided", "num_queries": 4, "stage": 4},
        "memory": {"type": "grid_pool", "stage": 3, "grid": 3},
        "interactions": [
            {"type": "query_gcn", "hidden": [8]},
            {"type": "cross_attention", "num_heads": 4},
            {"type": "moe_feed_forward", "hidden": 8},
        ],
        "head": {"type": "moe", "hidden": 8},
        "losses": [{"type": "l1"}, {"type": "load_balance", "weight": 0.1}, {"type": "plcc"}],
    }


def random_config(rng):
    """Some slots of a sound config drawn anew."""
    cfg = sound_config(rng)
    if rng.random() < 0.1:
        cfg["dim"] = rng.choice([None, 8, 12, 16, 32, 36, 48, 7, 1, *EXTREMES])
    for slot in SLOTS:
        if rng.random() < 0.3:
            if slot in ("interactions", "losses"):
                cfg[slot] = [random_part(rng, slot) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
            else:
                cfg[slot] = random_part(rng, slot)
    if rng.random() < 0.05:
        cfg["memory"] = None
    if rng.random() < 0.02:
        cfg[rng.choice([*SLOTS, "dim", "optimizer"])] = copy.deepcopy(rng.choice(EXTREMES))
    if rng.random() < 0.02:
        del cfg[rng.choice(list(cfg))]
    return cfg


def random_overrides(rng, cfg):
    """Values by config path: mostly keys that exist, of any value."""
    overrides = {}
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        slot = rng.choice([*SLOTS, *SLOTS, "dim", "haed"])
        path, keys = slot, {}
        parts = cfg.get(slot)
        if isinstance(parts, list):
            index = rng.choice([*map(str, range(len(parts))), "*", "-1", "9"])
            path = f"{slot}.{index}"
            parts = parts[int(index)] if index.isdecimal() and int(index) < len(parts) else (parts or [None])[0]
        if slot in SLOTS and isinstance(parts, dict) and parts.get("type") in SLOTS[slot].names():
            keys = part_parameters(slot, parts["type"])
        if keys and rng.random() < 0.9:
            key = rng.choice(list(keys))
            overrides[f"{path}.{key}"] = random_value(rng, keys[key].annotation, key)
        elif slot in SLOTS and rng.random() < 0.5:
            overrides[path] = random_part(rng, slot)
        else:
            overrides[f"{path}.{rng.choice(['type', 'x', '', '0.num_heads'])}"] = copy.deepcopy(rng.choice(EXTREMES))
    return overrides


def train_a_step(seed):
    """What became of the config of a seed: ``trained``, ``built`` or ``refused``; anything else is raised."""
    rng = random.Random(seed)
    cfg = random_config(rng)
    overrides = random_overrides(rng, cfg)
    torch.manual_seed(seed)
    try:
        problems = check_config(apply_overrides(cfg, overrides))
        model = iqa_zoo.build_model(cfg, overrides=overrides).train()
    except ConfigError as error:
        return "refused" if error.problems else "refused without a problem"
    assert not problems
    size = model.spec.image_size
    if size > LARGEST_IMAGE:
        return "built"
    total = model.loss(torch.randn(4, 3, size, size), torch.tensor([1.0, 2.0, 3.0, 5.0]))["total"]
    assert total.shape == ()
    if total.requires_grad:
        total.backward()
    return "trained"


def described(seed):
    rng = random.Random(seed)
    cfg = random_config(rng)
    return f"{cfg} overrides={random_overrides(rng, cfg)}"


@pytest.mark.slow
def test_random_configs_train_a_step_or_are_refused(monkeypatch, one_thread):
    monkeypatch.setattr(allocation, "UNSUSPICIOUS", 100 * 10**6)
    monkeypatch.setattr(allocation, "machine_memory", lambda: 400 * 10**6)
    ends, failures, slowest = collections.Counter(), [], (0.0, -1)
    began = time.monotonic()
    for seed in range(START, START + COUNT):
        start = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                ends[train_a_step(seed)] += 1
        except Exception as error:
            ends["failed"] += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            failures.append(
                f"seed {seed}: {type(error).__name__}: {str(error)[:300]} ({where.filename}:{where.lineno})\n    {described(seed)}"
            )
            if COUNT > PROGRESS:
                print(failures[-1], flush=True)
        slowest = max(slowest, (time.monotonic() - start, seed))
        if (seed - START + 1) % PROGRESS == 0:
            print(
                f"{seed - START + 1} in {time.monotonic() - began:.0f} s: {dict(ends)}, slowest {slowest}", flush=True
            )
    print(f"{COUNT} configs in {time.monotonic() - began:.0f} s: {dict(ends)}, slowest {slowest}")
    assert not failures, f"{len(failures)} of {COUNT}:\n" + "\n".join(failures[:20])
    assert set(ends) <= {"trained", "built", "refused"}
    assert ends["trained"] > COUNT / 5, dict(ends)
