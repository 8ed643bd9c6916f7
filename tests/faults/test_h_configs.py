"""Kind H, configs: a file or value that cannot be a config is a ConfigError at once, whatever it holds."""

import os

import pytest

import iqa_zoo
from iqa_zoo.config_file import parse_value, read_mapping
from iqa_zoo.errors import ConfigError

ALIASES = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
TOO_DEEP = "lists or mappings are nested more than 50 deep, or hold themselves"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("list.yaml", "a: &a [*a]", TOO_DEEP),
        ("mapping.yaml", "a: &a\n  b: *a\n", TOO_DEEP),
        ("deep.yaml", "a: " + "[" * 3000 + "]" * 3000, TOO_DEEP),
        ("deep.json", "[" * 100_000 + "]" * 100_000, TOO_DEEP),
        ("aliases.yaml", ALIASES, "it holds more than 10000 values (an alias in YAML counts as what it repeats)"),
        ("digits.yaml", "dim: " + "9" * 5000, "not valid YAML or JSON: Exceeds the limit"),
        ("digits.json", '{"dim": ' + "9" * 5000 + "}", "not valid JSON: Exceeds the limit"),
        ("large.yaml", "dim: 8  #" + "x" * 10**6, "it has 1000009 bytes, and a config has at most 1000000"),
        ("twice.yaml", "dim: 1\ndim: 2\n", "not valid YAML or JSON: the key 'dim' is given twice"),
        ("twice.json", '{"head": {"dim": 1, "dim": 2}}', "the key 'dim' is given twice"),
    ],
)
def test_a_file_that_cannot_be_a_config(tmp_path, name, text, reason):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_mapping(tmp_path / name)
    (problem,) = caught.value.problems
    assert problem.startswith(reason)
    assert str(tmp_path / name) in str(caught.value)


def test_a_pipe_is_no_config(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="it is no regular file"):
        read_mapping(tmp_path / "a.yaml")


def test_a_dict_that_holds_itself(tiny):
    tiny["head"]["hidden"] = tiny
    with pytest.raises(ConfigError, match=TOO_DEEP):
        iqa_zoo.build_model(tiny)


def test_an_alias_used_as_it_is_meant():
    assert parse_value("a: &a [1, 2]\nb: *a\nc: {<<: {d: 3}}") == {"a": [1, 2], "b": [1, 2], "c": {"d": 3}}
