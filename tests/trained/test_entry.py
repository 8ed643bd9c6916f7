"""Descriptions of trained models: what is not one, and files that are not theirs."""

import json
import shutil

import pytest

from iqa_zoo.errors import CheckpointError, UnknownName
from iqa_zoo.trained.entry import check_file, read_trained
from iqa_zoo.trained.names import list_trained


@pytest.fixture
def folder(released, tmp_path):
    return shutil.copytree(released.folder, tmp_path / "models")


def test_names_are_those_of_the_descriptions(folder):
    assert list_trained(folder) == ["tiny.noise"]
    with pytest.raises(UnknownName, match=r"unknown trained model 'tiny.nose'; did you mean 'tiny.noise'\?"):
        read_trained("tiny.nose", folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("center"), r"TrainedModel lacks \['center'\]"),
        (lambda content: content.update(more=1), r"unknown \['more'\]"),
        (lambda content: content["measured"].pop("plcc"), r"measured: damaged .* Measured lacks \['plcc'\]"),
        (lambda content: content.update(data=[]), "data: damaged"),
        (lambda content: content.update(format="other"), "its format is 'other'"),
    ],
)
def test_a_damaged_description_is_named(folder, change, message):
    path = folder / "tiny.noise.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=message) as caught:
        read_trained("tiny.noise", folder)
    assert str(path) in str(caught.value)


def test_a_description_that_is_no_json(folder):
    (folder / "tiny.noise.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tiny\.noise\.json: damaged"):
        read_trained("tiny.noise", folder)


def test_a_file_of_another_hash_is_refused_with_both_hashes(folder):
    entry = read_trained("tiny.noise", folder)
    path = folder / entry.file
    assert check_file(entry, folder) == path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"its SHA-256 is [0-9a-f]{{64}}, expected {entry.sha256}"):
        check_file(entry, folder)
    path.unlink()
    with pytest.raises(CheckpointError, match="is missing; reinstall iqa_zoo"):
        check_file(entry, folder)
