"""iqa-zoo describe"""

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config, model_config, resolve_config
from iqa_zoo.training.recipe import load_recipe


def cells(out):
    return [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in out.splitlines()]


def test_a_part(capsys):
    assert main(["describe", "moe"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("head: moe (iqa_zoo)\n")
    assert "    num_experts: E.\n" in out
    assert ["num_experts", "int from 1 to 4096", "4"] in cells(out)
    assert ["residual", "one of 'paper', 'released'", "'paper'"] in cells(out)
    assert out.endswith("Handed down, never written in a config: dim\n")


def test_a_required_key_and_a_part_without_keys(capsys):
    main(["describe", "timm_features"])
    assert ["name", "str", "required"] in cells(capsys.readouterr().out)
    main(["describe", "tokens"])
    assert "It has no keys." in capsys.readouterr().out


def test_a_model(capsys):
    assert main(["describe", "deiqt"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("models: deiqt (iqa_zoo)\n\nDEIQT on DeiT III-S")
    assert dump_config(resolve_config(model_config("deiqt"))) in out
    rows = [row[:3] for row in cells(out)]
    assert ["interactions.1", "cross_attention", "iqa_zoo"] in rows
    assert ["losses.0", "smooth_l1", "iqa_zoo"] in rows


def test_a_model_without_memory(capsys):
    assert main(["describe", "linear_probe"]) == 0
    assert ["memory", "none"] in [row[:2] for row in cells(capsys.readouterr().out)]


def test_a_config_file(capsys, tmp_path, tiny):
    dump_config(tiny, tmp_path / "mine.yaml")
    assert main(["describe", str(tmp_path / "mine.yaml")]) == 0
    assert dump_config(resolve_config(tiny)) in capsys.readouterr().out


def test_a_data_set(capsys):
    assert main(["describe", "livec"]) == 0
    assert capsys.readouterr().out.startswith("datasets: livec (iqa_zoo)\n")


def test_a_name_in_two_slots_shows_both(capsys, install, monkeypatch):
    install("two-slots", {"losses": {"moe": "two_slots:moe"}}, two_slots='def moe():\n    """A loss called moe."""\n')
    assert main(["describe", "moe"]) == 0
    out = capsys.readouterr().out
    assert "head: moe (iqa_zoo)" in out
    assert "losses: moe (two-slots 1.0)\n\nA loss called moe." in out


def test_parts_inside_a_part_are_listed(tiny, tmp_path, capsys):
    branches = [tiny["backbone"], {"type": "nss"}]
    tiny["backbone"] = {"type": "multi_backbone", "branches": branches, "stages": [3, 4]}
    dump_config(tiny, tmp_path / "two.yaml")
    assert main(["describe", str(tmp_path / "two.yaml")]) == 0
    rows = [row[:3] for row in cells(capsys.readouterr().out)]
    assert ["backbone", "multi_backbone", "iqa_zoo"] in rows
    assert ["backbone.branches.0", "timm_features", "iqa_zoo"] in rows
    assert ["backbone.branches.1", "nss", "iqa_zoo"] in rows


def test_a_loss_that_needs_a_second_pass(capsys):
    assert main(["describe", "mirror_consistency"]) == 0
    out = capsys.readouterr().out
    assert "Handed down, never written in a config: features\n" in out
    assert out.endswith(
        "Reads the mirrored images: a training step runs the model twice; left out on frozen features.\n"
    )


def test_a_recipe(capsys):
    assert main(["describe", "lifeiqa_authentic"]) == 0
    recipe = load_recipe("lifeiqa_authentic")
    out = capsys.readouterr().out
    assert out.startswith(f"recipes: lifeiqa_authentic (iqa_zoo)\n\n{recipe.summary}\n")
    assert f"\nepochs: {recipe.epochs}\n" in out
    assert f"\nlr: {recipe.lr}\n" in out or "lr: 2.0e-05" in out


def test_a_name_of_a_model_and_a_recipe_shows_both(capsys):
    assert main(["describe", "deiqt"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("models: deiqt (iqa_zoo)")
    assert "\nrecipes: deiqt (iqa_zoo)\n" in out


def test_overrides(capsys):
    assert main(["describe", "deiqt", "--set", "queries.num_queries=12"]) == 0
    assert "num_queries: 12" in capsys.readouterr().out
    assert main(["describe", "moe", "--set", "dim=3"]) == 2
    assert "--set is of a model; moe is none" in capsys.readouterr().err


def test_a_name_that_is_nothing(capsys):
    assert main(["describe", "lifeiqa_autentic"]) == 2
    assert "did you mean 'lifeiqa_authentic'?" in capsys.readouterr().err
