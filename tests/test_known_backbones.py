"""The file of known backbones against counting again, and what a search for a budget imports and builds."""

import json
import subprocess
import sys

import pytest

from iqa_zoo import known_backbones, model_config
from iqa_zoo.blank import backbone_key, declared_spec, empty_backbone
from iqa_zoo.budgets import measure
from iqa_zoo.budgets.write_known import USUAL, count_usual
from iqa_zoo.contracts import spec_of
from iqa_zoo.known_backbones import find_known, write_known
from iqa_zoo.registry import list_models

FAST = [("resnet18", True), ("deit_tiny_patch16_224", True)]


def make_part(name, **more):
    return {"type": "timm_features", "name": name, **more}


@pytest.mark.parametrize(
    ("name", "final_norm"),
    [each if each in FAST else pytest.param(*each, marks=pytest.mark.slow) for each in USUAL],
)
@pytest.mark.parametrize("stages", [[], [4, 2]])
def test_the_file_holds_what_counting_finds(name, final_norm, stages):
    known = find_known(make_part(name, final_norm=final_norm, stages=stages))
    assert known == count_usual(name, final_norm, stages)
    assert list(known.maps) == list(known.spec.stages) == stages


@pytest.mark.slow
def test_a_known_backbone_is_measured_as_a_counted_one(monkeypatch):
    text = json.dumps(make_part("resnet18", stages=[3]))
    counted = measure.count_backbone(text, None)
    monkeypatch.setattr(measure, "_COUNTED", {})
    monkeypatch.setattr(measure, "count_backbone", lambda *_: pytest.fail("counted"))
    cfg = {**model_config("pooled_mlp"), "backbone": json.loads(text)}
    assert measure.measure_backbone(cfg) == counted
    assert (
        counted.budget.macs == 1_813_561_344
    )  # 1.8 G, as torchvision's page says of ResNet-18, without its classifier


def test_a_declared_spec_is_that_of_the_backbone():
    key = backbone_key(model_config("pooled_mlp"))
    assert declared_spec(*key) == spec_of(empty_backbone(*key))


@pytest.mark.parametrize(
    "part",
    [
        make_part("resnet18", stages=[5]),
        make_part("resnet18", stages=[True]),
        make_part("resnet18", final_norm=False),
        make_part("resnet18", image_size=256),
        make_part("deit_tiny_patch16_224", stages=[3], stage_blocks=[6]),
        make_part("resnet18", model_args={"drop_path_rate": 0.1}),
        make_part("resnet18.tv_in1k"),
        {"type": "timm_cells", "name": "resnet18"},
        {"type": "nss"},
    ],
)
def test_anything_else_is_not_known(part):
    assert find_known(make_part("resnet18")) is not None
    assert find_known(part) is None


def test_another_image_size_is_not_known():
    assert find_known(make_part("resnet18"), 256) is None


def test_a_file_of_another_version_of_timm_is_not_read(monkeypatch, tmp_path):
    monkeypatch.setattr(known_backbones, "FILE", tmp_path / "known.json")
    known = find_known(make_part("resnet18", stages=[1, 2, 3, 4]))
    for version, expected in (("0.0.1", None), (json.loads(_read_shipped())["timm"], known)):
        write_known({("resnet18", True): known}, version)
        known_backbones._read_file.cache_clear()
        assert find_known(make_part("resnet18", stages=[1, 2, 3, 4])) == expected
    known_backbones._read_file.cache_clear()


def _read_shipped():
    return (known_backbones.Path(known_backbones.__file__).with_suffix(".json")).read_text(encoding="utf-8")


def test_every_backbone_of_a_zoo_model_is_known():
    built_in = [name for name in list_models() if not _comes_from_a_plugin(name)]
    assert "lifeiqa" in built_in
    assert [name for name in built_in if find_known(model_config(name)["backbone"]) is None] == []


def _comes_from_a_plugin(name):
    from iqa_zoo.registry import MODELS

    return MODELS.origin(name) != "iqa_zoo"


MATCH = """
import sys
import torch
from iqa_zoo import match_budget, model_config
cfg, budget = match_budget(model_config("lifeiqa"), 60e6)
assert 59.4e6 < budget.decoder.params < 60.6e6, budget.decoder.params
assert budget.by_slot["backbone"].params == 86_741_176
slow = {"timm", "torchvision", "torch._dynamo", "sympy", "triton", "scipy", "sklearn", "matplotlib"}
loaded = slow & set(sys.modules)
assert not loaded, loaded
"""


@pytest.mark.slow
def test_a_match_of_a_swin_b_model_imports_no_timm_and_builds_no_backbone():
    done = subprocess.run([sys.executable, "-c", MATCH], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
