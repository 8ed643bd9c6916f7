"""iqa-zoo budget"""

import json

import pytest

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.config import dump_config


@pytest.fixture
def files(tmp_path, tiny):
    one, two = str(tmp_path / "one.yaml"), str(tmp_path / "two.json")
    dump_config(tiny, one)
    dump_config({**tiny, "head": {"type": "linear"}, "losses": []}, two)
    return one, two


def test_a_table_per_model_with_every_slot_the_decoder_and_the_whole(capsys, files):
    assert main(["budget", *files]) == 0
    out = capsys.readouterr().out
    for name in files:
        model = iqa_zoo.build_model(name)
        params = sum(parameter.numel() for parameter in model.parameters())
        backbone = sum(parameter.numel() for parameter in model.backbone.parameters())
        for size in (params, backbone, params - backbone):
            assert f" {size:,} " in out
    rows = [line.strip("│").split("│")[0].strip() for line in out.splitlines() if line.startswith("│")]
    assert rows == ["backbone", "queries", "memory", "interactions", "head", "decoder", "whole"] * 2
    assert "MACs of convolution" in out


def test_json_overrides_and_image_size(capsys, files):
    assert main(["budget", *files, "--set", "queries.num_queries=3", "--image-size", "192", "--json"]) == 0
    budgets = json.loads(capsys.readouterr().out)
    assert list(budgets) == list(files)
    linear = budgets[files[1]]
    assert linear["image_size"] == 192
    assert linear["by_slot"]["head"]["macs"] == 3 * 32
    assert linear["macs"] == linear["decoder"]["macs"] + linear["by_slot"]["backbone"]["macs"]


def test_an_override_that_does_not_fit_names_the_model(capsys, files):
    assert main(["budget", *files, "--set", "head.num_experts=8"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"iqa-zoo: 1 problem in {files[1]}, the overrides:\n  - head.num_experts: unknown key")
