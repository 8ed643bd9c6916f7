"""Every old spelling of an option goes on working, with one line on stderr."""

import pytest

from iqa_zoo.cli import make_parser

TRAIN = ["train", "deiqt", "--data", "demo"]


@pytest.mark.parametrize(
    ("argv", "old", "new", "key"),
    [
        ([*TRAIN, "--work-dir", "run"], "--work-dir", "--out", "out"),
        ([*TRAIN, "--splits", "s.json"], "--splits", "--split-file", "split_file"),
        (["evaluate", "run", "--data", "demo", "--splits", "s.json"], "--splits", "--split-file", "split_file"),
        (["score", "a.png", "--weights", "run"], "--weights", "--run", "trained"),
        (["explain", "a.png", "--weights", "run"], "--weights", "--run", "trained"),
        (["splits", "demo", "-o", "s.json", "--count", "3"], "--count", "--splits", "splits"),
    ],
)
def test_an_old_spelling_is_the_new_one_with_a_warning(argv, old, new, key, capsys):
    found = getattr(make_parser().parse_args(argv), key)
    assert capsys.readouterr().err == f"iqa-zoo: warning: {old} is deprecated; write {new}\n"
    assert found == getattr(make_parser().parse_args([new if each == old else each for each in argv]), key)
    assert capsys.readouterr().err == ""
