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


@pytest.mark.slow
def test_every_slot_the_decoder_and_the_whole_of_every_model(capsys, files):
    assert main(["budget", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    parts = [row for row in cells if len(row) == 6]  # model, part, parameters, trainable, active, MACs
    assert [row[0] for row in parts if row[0]] == list(files)
    assert [row[1] for row in parts] == [
        *("backbone", "queries", "memory", "interactions", "head", "decoder", "whole"),
        *("backbone", "queries", "memory", "interactions", "head", "decoder", "whole"),
    ]
    for name, whole in zip(files, [row for row in parts if row[1] == "whole"], strict=True):
        params = sum(parameter.numel() for parameter in iqa_zoo.build_model(name).parameters())
        assert whole[2] == f"{params / 1e6:.3f}"
    assert "convolution" in [row[0] for row in cells]


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_front(capsys, files):
    grid = ["--grid", "head.num_experts=[2, 4, 8]", "interactions.*.hidden=[16]"]
    assert main(["budget", files[0], "--front", "params", "macs", *grid]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    assert [row[:2] for row in rows] == [["2", "16"], ["4", "16"], ["8", "16"]]
    assert [row[-1] for row in rows] == ["", "as it is", ""]

    at = ["--at", "params=[0, 100000]", "--json"]
    assert main(["budget", files[0], "--front", "params", "macs", *grid, *at]) == 0
    front = json.loads(capsys.readouterr().out)[files[0]]
    assert [point["values"]["head.num_experts"] for point in front] == [2, 4, 8]
    for point in front:
        assert iqa_zoo.measure_budget(point["config"]).params == point["budget"]["params"]


def test_front_options_alone_say_where_they_belong(capsys, files):
    assert main(["budget", files[0], "--grid", "depth=[1, 2]"]) == 2
    assert "--grid and --at belong to --front" in capsys.readouterr().err
    assert main(["budget", files[0], "--front", "params", "mac"]) == 2
    assert "unknown cost 'mac'; did you mean 'macs'" in capsys.readouterr().err
