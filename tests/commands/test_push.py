"""``iqa-zoo push`` before it sends: the dry run and what it refuses. What it sends is in tests/hub."""

import json

import pytest

from iqa_zoo.cli import main

LICENCES = ["--licence", "apache-2.0", "--data-licence", "CC0"]


@pytest.fixture
def run(small, write_run, tmp_path):
    return write_run(tmp_path / "run", small)


@pytest.fixture(autouse=True)
def without_token(monkeypatch):
    monkeypatch.setattr("iqa_zoo.hub.upload.get_token", lambda: None)


def test_a_dry_run_needs_no_token_and_shows_files_and_card(run, capsys):
    assert main(["push", str(run), "me/tiny", "--dry-run", "--private", *LICENCES]) == 0
    out = capsys.readouterr().out
    size = (run / "weights.safetensors").stat().st_size
    assert f"{size / 1e6:.3g} MB" in out
    for text in (
        "README.md",
        "config.json",
        "private repository",
        "/me/tiny; nothing was sent",
        "license: apache-2.0",
        "# tiny",
    ):
        assert text in out


def test_a_dry_run_as_json_counts_the_bytes(run, capsys):
    assert main(["push", str(run), "hf://me/tiny", "--dry-run", "--json", *LICENCES]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["repository"], plan["private"]) == ("me/tiny", False)
    sizes = {each["name"]: each["bytes"] for each in plan["files"]}
    assert set(sizes) == {"README.md", "config.json", "run.json", "weights.safetensors"}
    assert sizes["README.md"] == len(plan["card"].encode())
    assert sizes["weights.safetensors"] == (run / "weights.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["me/tiny", *LICENCES], "hf auth login, or set HF_TOKEN"),
        (["tiny", *LICENCES, "--dry-run"], "tiny: is not a user and a name"),
        (["me/tiny", "--dry-run"], "give --licence ID"),
    ],
)
def test_what_is_missing_is_said(run, words, message, capsys):
    assert main(["push", str(run), *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_a_run_that_is_none_says_the_closest(run, capsys):
    assert main(["push", str(run.with_name("rum")), "me/tiny", "--dry-run", *LICENCES]) == 2
    assert "did you mean 'run'?" in capsys.readouterr().err
