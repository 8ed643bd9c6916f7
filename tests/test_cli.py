"""The command: exit codes, and one clear message in the place of a traceback."""

import os
import subprocess
import sys
import warnings

import pytest

import iqa_zoo
from iqa_zoo.cli import COMMANDS, main
from iqa_zoo.commands.shared import console
from iqa_zoo.registry import STUDIES

STUDY_NAMES = [name.replace("_", "-") for name in STUDIES.names()]
NAMES = [name for command in COMMANDS for name in (STUDY_NAMES if command == "study" else [command])]


@pytest.fixture
def run(capsys):
    """Run ``iqa-zoo`` in this process: exit code, stdout, stderr."""

    def call(*argv):
        try:
            code = main(argv)
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_help_shows_every_command_and_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    shown = [line.split()[0] for line in out.splitlines() if line.startswith("    ") and line[4] != " "]
    assert shown == NAMES
    assert "iqa-zoo validate mine.yaml" in out


@pytest.mark.parametrize("command", NAMES)
def test_every_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.startswith(f"usage: iqa-zoo {command}")


def test_version(run):
    assert run("--version") == (0, f"iqa-zoo {iqa_zoo.__version__}\n", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["list", "haeds"], "iqa-zoo: unknown slot 'haeds'; did you mean 'head'? Known: backbone, "),
        (["describe", "corss_attention"], "did you mean 'cross_attention'?"),
        (["describe", "mien.yaml"], "there is no such file"),
        (["validate", "liefiqa"], "iqa-zoo: unknown model 'liefiqa'; did you mean 'lifeiqa'?"),
        (["config", "liefiqa"], "did you mean 'lifeiqa'?"),
        (["config", "deiqt", "--set", "head.bais=true"], "head.bais: unknown key 'bais'; did you mean 'bias'?"),
        (["config", "deiqt", "--set", "head.bias=yess"], "head.bias: expected bool, got 'yess'"),
        (["config", "deiqt", "--set", "head.bias"], "'head.bias' is not KEY=VALUE, for example head.num_experts=8"),
        (["config", "deiqt", "--set", "=3"], "'=3' is not KEY=VALUE"),
        (["config", "deiqt", "--set", "dim=[1"], "dim: not valid YAML or JSON"),
        (["budget", "liefiqa"], "did you mean 'lifeiqa'?"),
        (["lst"], "invalid choice: 'lst'"),
        (["list", "--jsno"], "unrecognized arguments: --jsno"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_a_typo_is_one_message_on_stderr(run, argv, message):
    code, out, err = run(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_bug_is_not_hidden(monkeypatch):
    def broken(slot):
        raise RuntimeError("a bug")

    monkeypatch.setattr("iqa_zoo.commands.list.registry_of", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["list", "heads"])


def test_a_warning_is_one_line(run, monkeypatch):
    def warn(slot):
        warnings.warn("look out", stacklevel=2)
        raise iqa_zoo.errors.UnknownName("and stop")

    monkeypatch.setattr("iqa_zoo.commands.list.registry_of", warn)
    shown = warnings.showwarning
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _, _, err = run("list", "heads")
    assert err == "iqa-zoo: warning: look out\niqa-zoo: and stop\n"
    assert warnings.showwarning is shown


def test_text_is_printed_as_it_is_and_wide_into_a_pipe(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    text = "[red]x[/red] :smile: " + "word " * 25
    console().print(text)
    assert capsys.readouterr().out == text + "\n"


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_gets_no_traceback():
    """``iqa-zoo list | head -1``, where head is already gone."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "iqa_zoo.cli", "list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
