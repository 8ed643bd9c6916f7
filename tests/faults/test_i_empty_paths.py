"""Kind I: an empty path, as a shell variable without a value gives, is not taken for the current folder."""

import pytest

from iqa_zoo.cli import main


@pytest.mark.parametrize(
    "words",
    [
        ["score", "", "--run", "run"],
        ["score", "a.png", "--run", ""],
        ["score", "a.png", "--run", "run", "-o", ""],
        ["evaluate", "", "--data", "demo"],
        ["evaluate", "run", "--data", "table", "--root", ""],
        ["data", "check", "table", "--root", ""],
        ["splits", "demo", "-o", ""],
        ["train", "deiqt", "--data", "demo", "--out", ""],
        ["train", "--resume", ""],
        ["report", "", "-o", "a.html"],
        ["explain", "a.png", "--run", ""],
        ["config", "deiqt", "-o", ""],
        ["new-plugin", "a", "--slot", "head", "--folder", ""],
        ["score", "a\0b", "--run", "run"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_an_empty_path_is_refused(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "is not a path; write . for the current folder" in capsys.readouterr().err
