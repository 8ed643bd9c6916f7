"""An old spelling of an option means the new one, and says so."""

import argparse

import pytest

from iqa_zoo.commands.deprecated import add_deprecated


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--set", nargs="+", action="extend", default=[])
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--csv", action="store_true")
    for old, new in (("--work-dir", "--out"), ("--folder", "--out"), ("--change", "--set"), ("--as-json", "--json")):
        add_deprecated(parser, old, new)
    return parser


def test_an_old_spelling_means_the_new_one(parser, capsys):
    args = parser.parse_args(["--work-dir", "run", "--change", "a", "b", "--set", "c", "--as-json"])
    assert (args.out, args.set, args.json, args.csv) == ("run", ["a", "b", "c"], True, False)
    assert capsys.readouterr().err.splitlines() == [
        "iqa-zoo: warning: --work-dir is deprecated; write --out",
        "iqa-zoo: warning: --change is deprecated; write --set",
        "iqa-zoo: warning: --as-json is deprecated; write --json",
    ]


def test_two_old_spellings_of_one_option(parser, capsys):
    assert parser.parse_args(["--folder=run"]).out == "run"
    assert capsys.readouterr().err == "iqa-zoo: warning: --folder is deprecated; write --out\n"


def test_the_new_spelling_has_no_warning_and_is_the_one_that_help_shows(parser, capsys):
    parser.parse_args(["--out", "run", "--set", "a", "--json"])
    assert capsys.readouterr().err == ""
    assert "--work-dir" not in parser.format_help()


@pytest.mark.parametrize("argv", [[], ["--work-dir"], ["--work-dir", "run", "--as-json", "--csv"]])
def test_what_the_new_spelling_refuses_the_old_one_refuses(parser, argv):
    with pytest.raises(SystemExit):
        parser.parse_args(argv)
