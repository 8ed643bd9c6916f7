"""--set, and JSON on stdout."""

import argparse
import json

import pytest

from iqa_zoo.commands.shared import add_set_option, print_json


@pytest.fixture
def parse():
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("config")
    add_set_option(parser)
    return lambda *argv: parser.parse_args(argv)


def test_overrides_are_yaml_and_add_up(parse):
    args = parse("deiqt", "--set", "head.num_experts=8", "head.gamma=1e-3", "--set", "a=[1, 2]", "b=x=y", "c={d: null}")
    assert dict(args.set) == {"head.num_experts": 8, "head.gamma": 1e-3, "a": [1, 2], "b": "x=y", "c": {"d": None}}


def test_one_call_leaves_nothing_for_the_next(parse):
    parse("deiqt", "--set", "a=1")
    assert parse("deiqt").set == []


def test_an_argument_after_set_is_told_to_go_before(parse):
    with pytest.raises(argparse.ArgumentError, match=r"'deiqt' is not KEY=VALUE.*other arguments go before --set"):
        parse("--set", "a=1", "deiqt")


def test_json(capsys):
    print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
