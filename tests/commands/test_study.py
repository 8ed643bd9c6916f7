"""The commands of studies: made from the settings of each study, a plugin's too."""

import json

import pytest

from iqa_zoo.cli import main
from iqa_zoo.commands.study import make_parser, match_study, read_spec
from iqa_zoo.registry import STUDIES

STUDY = '''
from dataclasses import dataclass

from iqa_zoo.reports.table import Table
from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.study import Study


@dataclass(frozen=True)
class Options:
    level: int = setting(3, "how much, in %", metavar="N")
    names: tuple[str, ...] = setting((), "which", metavar="NAME")
    loud: bool = setting(False, "say more", numbers=False)


class Report:
    def make_tables(self, results):
        return [Table("Levels", ["level"], [[str(results["level"])]])]

    def make_sentences(self, results):
        return [f"The level is {results['level']}."]

    def make_figures(self, results):
        return {}


class Levels(Study):
    """Count a level."""

    title = "a study of levels"
    report = Report()
    options = Options
    without = ("backbone", "budget", "training")
    takes_models = (0, 0)

    def run(self, spec, progress):
        progress.log("counting")
        return {"level": spec.options.level, "names": list(spec.options.names)}
'''


@pytest.fixture
def levels(install):
    install("iqa-zoo-levels", {"studies": {"two_levels": "levels_study:Levels"}}, levels_study=STUDY)


def test_a_plugins_study_is_a_command(levels, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["two-levels", "--level", "5", "--names", "a", "b", "--json", "r.json", "--markdown", "r.md"]) == 0
    printed = capsys.readouterr()
    assert "The level is 5." in printed.out
    assert "counting" in printed.err
    values = json.loads((tmp_path / "r.json").read_text())
    assert (values["study"], values["level"], values["names"]) == ("two_levels", 5, ["a", "b"])
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("two-levels-livec-")
    assert main(["two-levels", "--from", str(folder)]) == 0
    assert "The level is 5." in capsys.readouterr().out


def test_it_is_in_the_help_and_takes_what_it_says(levels, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "two-levels" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["two-levels", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "--level N how much, in % (default: 3)" in shown
    assert "--data" in shown
    assert "--import FILE.py" in shown
    assert "--backbone" not in shown
    assert "MODEL" not in shown
    with pytest.raises(SystemExit):
        main(["two-levels", "--level", "much"])
    assert "--level: invalid int value: 'much'" in capsys.readouterr().err


def test_a_study_whose_plugin_does_not_load_breaks_only_itself(install, capsys):
    install("broken-study", {"studies": {"broken": "no_such_module:Study"}})
    assert main(["broken"]) == 2
    assert "broken-study 1.0" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0


@pytest.mark.parametrize("name", STUDIES.built_in())
def test_every_study_has_help(name, capsys):
    with pytest.raises(SystemExit) as done:
        main([name.replace("_", "-"), "--help"])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: iqa-zoo {name.replace('_', '-')}")


def test_a_name_is_written_with_hyphens_or_underscores():
    assert match_study(["data-efficiency"]) == match_study(["data_efficiency", "x"]) == "data_efficiency"
    assert match_study(["train"]) is None
    assert match_study([]) is None


def test_arguments_become_the_spec():
    words = "deiqt --data table --root photos --option image=a mos=b --test livec --test-root r --jobs 3 --pretrained"
    spec = read_spec("compare", make_parser("compare").parse_args(words.split()))
    assert spec.models == {"deiqt": "deiqt"}
    assert spec.data.option == (("image", "a"), ("mos", "b"))
    assert spec.options.test == ("livec",)
    assert spec.resources.jobs == 3
    assert spec.backbone.pretrained


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json", "--csv"], "only one of --json and --csv can go to stdout; give the others a FILE"),
        (["--from", "nowhere"], "nowhere is not a run of a study: it holds no results.json"),
        (["deiqt", "--splits", "0"], "compare: --splits is a positive number, got 0"),
        ([], "compare: name the models, for example lifeiqa deiqt"),
    ],
)
def test_what_cannot_be_is_one_line(words, message, capsys):
    assert main(["compare", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("iqa-zoo: ")
    assert message in err
    assert len(err.splitlines()) == 1
