"""new_plugin: what it writes passes its own tests, is tidy, and takes no name and no folder that is somebody's."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from iqa_zoo import plugins
from iqa_zoo.check_plugin import check_plugin
from iqa_zoo.cli import main
from iqa_zoo.errors import ConfigError, InputError, UnknownName
from iqa_zoo.new_plugin import KINDS, TEMPLATES, new_plugin
from iqa_zoo.registry import REGISTRIES, registry_of

REPOSITORY = Path(__file__).resolve().parents[1]


def put_metadata(folder):
    """What an installation would leave beside the package: its name, version and entry points."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", *(f"{key.title()}: {project[key]}" for key in ("name", "version"))]
    lines += [f"Summary: {project['description']}", *(f"Requires-Dist: {each}" for each in project["dependencies"])]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    groups = project["entry-points"].items()
    entries = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups]
    (info / "entry_points.txt").write_text("\n".join(entries))
    return info


@pytest.fixture(scope="module")
def one_a_slot(tmp_path_factory):
    """A plugin for each slot, with its metadata: slot -> what was written."""
    root = tmp_path_factory.mktemp("new")
    written = {}
    for slot in KINDS:
        written[slot] = new_plugin(f"try-{slot}", [slot], folder=root / slot)
        put_metadata(written[slot].folder)
    return written


def test_every_slot_has_a_template():
    assert set(KINDS) == set(REGISTRIES) - {"released", "studies"}
    named = {"pyproject.toml", "README.md", "__init__.py"} | {
        f"{kind}{slot}.py" for slot in KINDS for kind in ("", "test_")
    }
    assert {path.name for path in TEMPLATES.iterdir()} == {f"{name}.template" for name in named}


@pytest.mark.parametrize("slot", sorted(set(REGISTRIES) - set(KINDS)))
def test_a_slot_without_a_template_is_refused(slot, tmp_path):
    with pytest.raises(UnknownName, match=f"there is no template for {slot}; new-plugin writes backbone, "):
        new_plugin("worst", [slot], folder=tmp_path / "worst")
    assert not (tmp_path / "worst").exists()


@pytest.mark.slow
def test_what_is_written_passes_its_own_tests_and_doctests(one_a_slot):
    folders = [written.folder for written in one_a_slot.values()]
    path = os.pathsep.join([str(REPOSITORY), *map(str, folders)])
    environment = {**os.environ, "PYTHONPATH": path, "IQA_ZOO_DISABLE_PLUGINS": "0", "OMP_NUM_THREADS": "1"}
    tests = [str(part) for folder in folders for part in (folder / "tests", *folder.glob("iqa_zoo_try_*[a-z]"))]
    options = ["-c", str(folders[0] / "pyproject.toml"), "--rootdir", str(folders[0].parent), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-v", *options, *tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, cwd=folders[0].parent)
    assert done.returncode == 0, done.stdout + done.stderr
    for slot, written in one_a_slot.items():
        (part,) = written.parts.values()
        assert f"test_{part}.py::test_is_listed_with_its_origin PASSED" in done.stdout, slot
        if slot != "models":
            assert f"iqa_zoo_{part}.{part}." in done.stdout, f"no doctest of {slot}"


@pytest.mark.parametrize("name", ["q", "a-rather-long-name-of-mine"])
def test_what_is_written_is_tidy(tmp_path, name):
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    folders = [new_plugin(name, [slot], folder=tmp_path / slot).folder for slot in KINDS]
    for command in (["check", "--no-cache"], ["format", "--no-cache", "--check"]):
        done = subprocess.run([ruff, *command, *map(str, folders)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_a_plugin_of_several_slots_passes_the_check(install, tmp_path, monkeypatch, one_thread):
    install("nothing", {})  # so that plugins are read again afterwards
    written = new_plugin("my-own", ["heads", "loss", "queries", "head"], folder=tmp_path / "new")
    assert written.parts == {"head": "my_own_head", "losses": "my_own_loss", "queries": "my_own_queries"}
    put_metadata(written.folder)
    monkeypatch.syspath_prepend(written.folder)
    plugins.refresh()
    checks = check_plugin("iqa-zoo-my-own")
    assert {(check.slot, check.name) for check in checks} == set(written.parts.items())
    assert [check for check in checks if check.passed is False] == []
    assert len(checks) > 60


def test_the_command_says_what_it_wrote_and_what_comes_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new-plugin", "worst", "--slot", "head"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("iqa-zoo-worst: a plugin that adds head worst\n")
    for line in ("cd iqa-zoo-worst", 'pip install -e ".[test]"', "pytest", "iqa-zoo describe worst"):
        assert f"\n  {line}\n" in out
    assert out.endswith("  iqa-zoo check-plugin iqa-zoo-worst\n")
    files = {str(path.relative_to(tmp_path / "iqa-zoo-worst")) for path in tmp_path.rglob("*") if path.is_file()}
    package = "iqa_zoo_worst"
    assert files == {
        "pyproject.toml",
        "README.md",
        *(f"{package}/{name}" for name in ("__init__.py", "py.typed", "worst.py")),
        "tests/test_worst.py",
    }
    assert all(f"  {name}\n" in out for name in files)
    project = tomllib.loads((tmp_path / "iqa-zoo-worst" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"iqa_zoo.heads": {"worst": "iqa_zoo_worst.worst:WorstHead"}}
    assert "$" not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_nothing_is_overwritten(tmp_path):
    new_plugin("worst", ["head"], folder=tmp_path / "a")
    before = (tmp_path / "a" / "README.md").read_text()
    with pytest.raises(InputError, match=r"a exists and is not an empty folder; .*--folder"):
        new_plugin("worst", ["loss"], folder=tmp_path / "a")
    assert (tmp_path / "a" / "README.md").read_text() == before
    (tmp_path / "b").mkdir()
    (tmp_path / "c").write_text("a file")
    new_plugin("worst", ["head"], folder=tmp_path / "b")
    with pytest.raises(InputError, match="c exists"):
        new_plugin("worst", ["head"], folder=tmp_path / "c")


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("My_Head", {}, r"'My_Head' is no name of a plugin: .*; take 'my-head'"),
        ("-", {}, "take 'mine'"),
        ("example", {"part": "Worst"}, "'Worst' is no name of a part: .*; take --part worst"),
        ("good", {"part": "class"}, "'class' is no name of a part: .*; take --part my_class"),
        ("3d", {}, "'3d' is no name of a part: .*; take --part my_3d"),
        ("moe", {}, "head 'moe' is taken by iqa_zoo; take --part my_moe"),
        ("good", {"part": "ffn"}, "head 'ffn' is taken by iqa_zoo; take --part my_ffn"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_one_that_can(tmp_path, name, options, problem):
    with pytest.raises(ConfigError, match=problem):
        new_plugin(name, ["head"], folder=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_the_name_of_an_installed_plugin_is_taken(install, tmp_path):
    install("iqa-zoo-theirs", {"heads": {"theirs": "iqa_zoo_theirs:Head"}}, iqa_zoo_theirs="")
    with pytest.raises(ConfigError) as caught:
        new_plugin("theirs", ["head"], folder=tmp_path / "new")
    assert caught.value.problems == [
        "'theirs': a package iqa_zoo_theirs is installed already; take 'my-theirs'",
        "head 'theirs' is taken by iqa-zoo-theirs 1.0; take --part my_theirs",
    ]


def test_a_mistyped_slot_says_the_closest(tmp_path, capsys):
    with pytest.raises(UnknownName, match="unknown slot 'haeds'; did you mean 'head'?"):
        new_plugin("worst", ["haeds"], folder=tmp_path / "new")
    assert main(["new-plugin", "worst", "--slot", "hed", "--folder", str(tmp_path / "new")]) == 2
    assert "did you mean 'head'?" in capsys.readouterr().err
    assert registry_of("heads").slot == "head"
