"""The folder of a run: begun once, resumed as it was, and told apart from anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iqa_zoo.errors import CheckpointError, InputError
from iqa_zoo.training.run_folder import FORMAT, FREE, RunFolder, find_differences

RUN = {"seed": 0, "recipe": {"lr": 1e-3, "freeze": ("a",)}, "model": {"interactions": [{"type": "x", "k": 1}]}}

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_it_is_begun_once_and_resumed_as_it_was(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    folder.begin(RUN, resume=True)  # nothing there yet: the same as a beginning
    assert folder.read("run") == {"format": FORMAT, "seed": 0} | {
        "recipe": {"lr": 1e-3, "freeze": ["a"]},
        "model": RUN["model"],
    }
    folder.begin(RUN, resume=True)
    with pytest.raises(InputError, match="holds a run already; go on with --resume"):
        folder.begin(RUN, resume=False)


def test_what_differs_is_listed_by_key_and_the_way_on_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin(RUN, resume=False)
    other = {"seed": 1, "recipe": {"lr": 2e-3, "freeze": ("a",)}, "model": {"interactions": [{"type": "x", "k": 2}]}}
    with pytest.raises(CheckpointError) as error:
        folder.begin(other, resume=True)
    assert str(error.value).splitlines() == [
        f"{tmp_path} holds a run that differs from what was asked for:",
        "  - seed: 0 there, 1 asked for",
        "  - recipe.lr: 0.001 there, 0.002 asked for",
        "  - model.interactions.0.k: 1 there, 2 asked for",
        "Go on as it was begun, or name another folder for the other run "
        f"(--weights {tmp_path / 'weights.safetensors'} starts it from these weights)",
    ]
    assert folder.read("run")["seed"] == 0


def test_where_it_runs_may_differ(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({**RUN, **dict.fromkeys(FREE, "here")}, resume=False)
    folder.begin({**RUN, **dict.fromkeys(FREE, "there")}, resume=True)
    assert {folder.read("run")[key] for key in FREE} == {"here"}  # as it was begun


@pytest.mark.slow
@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
def test_nothing_differs_from_itself(run):
    assert find_differences(run, run) == []


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1), st.sampled_from("abcd"))
def test_a_changed_a_lost_and_a_new_key_are_named(run, key):
    changed = {**run, key: "another value, which none of these is"}
    assert [line.split(":")[0] for line in find_differences(run, changed)] == [key]
    assert [line.split(":")[0] for line in find_differences(changed, run)] == [key]


def test_lists_of_another_length():
    assert find_differences({"a": [1, 2]}, {"a": [1]}) == ["a: [1, 2] there, [1] asked for"]


@pytest.mark.parametrize("content", ["", '{"seed": 0', "\x00"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"run\.json cannot be read"):
        RunFolder(tmp_path).begin(RUN, resume=True)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.write("history", [1])
    with pytest.raises(TypeError):
        folder.write("history", object())
    (tmp_path / "history.json.partial").unlink(missing_ok=True)
    (tmp_path / "history.json.partial").symlink_to("/dev/full")  # a full disk
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\); there is no checkpoint yet"):  # noqa: SIM117
        with folder.writing():
            folder.write("history", list(range(10_000)))
    assert folder.read("history") == [1]


def test_only_failed_writes_are_explained(tmp_path):
    with pytest.raises(KeyError), RunFolder(tmp_path).writing():
        raise KeyError("a bug of ours")
