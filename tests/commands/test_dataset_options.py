"""The name, root and options of a dataset, and loading it."""

import argparse
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from iqa_zoo.commands.dataset_options import add_dataset_options, load_dataset
from iqa_zoo.commands.progress import progress_bar
from iqa_zoo.data import livec
from iqa_zoo.data.loading import find_release
from iqa_zoo.errors import InputError, UnknownName


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "holiday"
    root.mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8)).save(root / name)
    (root / "scores.csv").write_text("image,mos\na.png,1\nb.png,4\n")
    return root


def parse(*argv, **changes):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_dataset_options(parser, **changes)
    return parser.parse_args([str(each) for each in argv])


def test_a_dataset_by_position_or_flag(root):
    assert load_dataset(parse("table", "--root", root)).names == ("a.png", "b.png")
    assert load_dataset(parse("--data", "table", "--root", root, flag="--data")).names == ("a.png", "b.png")
    assert parse("--data", "a", "--data", "b", flag="--data", several=True).data == ["a", "b"]


def test_options_reach_the_dataset_as_it_takes_them(root):
    (root / "2024").write_text("image,mos\nb.png,1\na.png,4\n")
    options = ["labels=2024", "higher_is_better=false", "score_range=[0, 10]", "name=mine=yours"]
    data = load_dataset(parse("table", "--root", root, *[part for each in options for part in ("--option", each)]))
    assert data.names == ("b.png", "a.png")
    assert data.label == "DMOS"
    assert data.score_range == (0, 10)
    assert data.name == "mine=yours"
    assert parse("table").option == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("label=x.csv", r"--option label: unknown option 'label'; did you mean 'labels'\? Known: .*\(of the dataset"),
        (
            "root=x",
            r"--option root: unknown option 'root'. Known: deviation, distortion, higher_is_better, image, labels, mos,",
        ),
        ("subset=yess", "--option subset: expected bool, got 'yess'"),
        ("score_range=[1]", r"--option score_range: expected .*, got \[1\]"),
        ("subset=[1", "--option subset: not valid YAML or JSON"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(root, option, message):
    with pytest.raises(InputError, match=message):
        load_dataset(parse("table", "--root", root, "--option", option))


def test_several_options_may_follow_one_flag(root):
    (root / "scores.csv").write_text("file,mean\nb.png,1\na.png,4\n")
    args = parse("table", "--root", root, "--option", "image=file", "mos=mean", "--option", "name=mine")
    assert args.option == [("image", "file"), ("mos", "mean"), ("name", "mine")]
    assert load_dataset(args).names == ("b.png", "a.png")


@pytest.mark.parametrize("text", ["subset", "=true"])
def test_an_option_needs_a_key_and_a_value(text):
    with pytest.raises(argparse.ArgumentError, match=f"'{text}' is not KEY=VALUE, for example higher_is_better=false"):
        parse("table", "--option", text)


def test_an_unknown_name_comes_before_a_missing_root():
    with pytest.raises(UnknownName, match="unknown dataset 'lvec'; did you mean 'livec'?"):
        load_dataset(parse("lvec"))
    with pytest.raises(
        InputError, match="bid: give --root PATH, the folder with the dataset; only demo and livec need none"
    ):
        load_dataset(parse("bid"))


def test_the_demo_needs_no_root(monkeypatch):
    given = []

    def demo(root=None, progress=None):
        given.append((root, progress))
        return SimpleNamespace(box=None)

    monkeypatch.setattr("iqa_zoo.data.loading.DATASETS.get", lambda name: demo)
    load_dataset(parse("demo"))
    assert given == [(None, None)]  # no bar where stderr is no terminal


def test_unreadable_images_are_left_out_and_told(root, capsys):
    (root / "a.png").write_text("no image")
    assert len(load_dataset(parse("table", "--root", root))) == 2
    assert capsys.readouterr().err == ""
    args = parse("table", "--root", root, "--skip-unreadable")
    data = load_dataset(args)
    assert data.names == ("b.png",)
    expected = f"iqa-zoo: left out: {root / 'a.png'} is not an image in one of the formats PNG, "
    assert capsys.readouterr().err.startswith(expected)


def test_skip_unreadable_can_be_left_out_of_a_command():
    assert "skip_unreadable" in parse("table")
    assert "skip_unreadable" not in parse("table", skip_unreadable=False)


def test_the_release_of_a_dataset():
    assert find_release("livec") is livec.RELEASE
    assert find_release("table") is None


def test_a_bar_in_a_terminal_and_nothing_elsewhere(capsys, monkeypatch):
    with progress_bar("reading") as progress:
        assert progress is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("reading") as progress:
        progress(3, 7)
    out, err = capsys.readouterr()
    assert out == ""
    assert "reading" in err
    assert "3/7" in err
