"""--set, and JSON on stdout."""

import argparse
import json

import pytest

from iqa_zoo.commands.shared import (
    add_json_option,
    add_output_option,
    add_set_option,
    check_outputs,
    print_json,
    show_result,
)
from iqa_zoo.errors import InputError


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


@pytest.fixture
def show(capsys):
    """Show a result with arguments: stdout, stderr."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("names", nargs="*")
    add_json_option(parser)
    add_output_option(parser, "--csv", "CSV")

    def call(*argv):
        args = parser.parse_args(argv)
        check_outputs(args)
        show_result(args, {"a": 1}, lambda: print("text"), csv=lambda: "a\n1\n")
        return capsys.readouterr()

    return call


AS_JSON = '{\n  "a": 1\n}\n'


def test_json_and_csv_are_printed_or_written(show, tmp_path):
    assert show() == ("text\n", "")
    assert show("--json") == show("--json", "-") == (AS_JSON, "")
    assert show("--csv") == ("a\n1\n", "")
    file, table = tmp_path / "a.json", tmp_path / "a.csv"
    assert show("--json", str(file)) == (f"text\nwritten to {file}\n", "")
    assert file.read_text() == AS_JSON
    file.unlink()
    assert show("--json", str(file), "--csv") == ("a\n1\n", f"written to {file}\n")
    assert show("--json", "--csv", str(table)) == (AS_JSON, f"written to {table}\n")
    assert table.read_text() == "a\n1\n"


def test_outputs_that_cannot_be(show, tmp_path):
    (tmp_path / "a.json").touch()
    with pytest.raises(InputError, match=r"a.json: exists already"):
        show("--json", str(tmp_path / "a.json"))
    with pytest.raises(InputError, match="only one of --json and --csv can go to stdout"):
        show("--json", "--csv")
    with pytest.raises(
        argparse.ArgumentError, match=r"'deiqt' does not end in .json \(other arguments go before --json\)"
    ):
        show("--json", "deiqt")
