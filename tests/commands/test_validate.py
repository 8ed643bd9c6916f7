"""iqa-zoo validate"""

import pytest

from iqa_zoo.cli import main
from iqa_zoo.config import dump_config
from iqa_zoo.config_hash import config_hash


@pytest.fixture
def mine(tmp_path, tiny):
    def write(**changes):
        dump_config({**tiny, **changes}, tmp_path / "mine.yaml")
        return str(tmp_path / "mine.yaml")

    return write


def test_a_good_config_says_its_hash(capsys, mine, tiny):
    assert main(["validate", mine()]) == 0
    assert capsys.readouterr().out == f"{mine()}: OK, hash {config_hash(tiny)}\n"


def test_the_hash_is_of_the_overridden_config(capsys, mine, tiny):
    assert main(["validate", mine(), "--set", "head.top_k=1"]) == 0
    expected = config_hash({**tiny, "head": {**tiny["head"], "top_k": 1}})
    assert capsys.readouterr().out == f"{mine()}: OK, hash {expected}\n"


def test_all_problems_are_listed_and_the_exit_code_is_1(capsys, mine):
    path = mine(memory={"type": "grid_pol"}, head={"type": "moe", "top_k": 9})
    assert main(["validate", path, "--set", "interactions.*.num_heads=5"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"{path}: 3 problems in the config:\n  - memory.type: unknown memory 'grid_pol'; did you mean"
    )
    assert "\n  - interactions.1: num_heads=5 does not divide dim=32" in err
    assert "\n  - head: top_k=9 is not between 1 and num_experts=4" in err


def test_an_override_that_leads_nowhere_is_a_problem(capsys, mine):
    assert main(["validate", mine(), "--set", "head.topk=1"]) == 1
    assert "head.topk: unknown key 'topk'; did you mean 'top_k'?" in capsys.readouterr().err


def test_a_file_that_holds_no_config(capsys, tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("[1]")
    assert main(["validate", str(path)]) == 1
    assert "expected a mapping of names to values, got list" in capsys.readouterr().err


def test_losses_that_need_a_second_pass_are_named(capsys, mine, tiny):
    losses = [*tiny["losses"], {"type": "mirror_consistency"}]
    assert main(["validate", mine(losses=losses)]) == 0
    ok, said = capsys.readouterr().out.splitlines()
    assert ": OK, hash " in ok
    assert said.startswith("mirror_consistency: a training step runs the model on the mirrored images too")
