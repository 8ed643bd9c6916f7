"""What is sent of a training, and the card that comes with it."""

import hashlib
import json

import pytest
import yaml

from iqa_zoo.errors import CheckpointError, InputError
from iqa_zoo.hub.manifest import read_manifest
from iqa_zoo.hub.package import make_package
from iqa_zoo.inference.load import load

LICENCES = {"licence": "apache-2.0", "data_licence": "own photographs | CC0"}


@pytest.fixture
def run(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = 32
    return write_run(tmp_path / "run", tiny)


def read_front_matter(card):
    _, text, body = card.split("---\n", 2)
    return yaml.safe_load(text), body


def write_result(run, **changes):
    result = {"metrics": {"srocc": 0.75, "plcc": 0.5, "rmse": 3.0}, "predictions": {"a": 1.0, "b": 2.0}}
    (run / "result.json").write_text(json.dumps(result | changes))


def test_the_manifest_names_every_file_with_its_hash(run, tmp_path):
    package = make_package(run, "me/tiny", **LICENCES)
    (tmp_path / "config.json").write_bytes(package.contents["config.json"])
    manifest = read_manifest(tmp_path / "config.json", "here")
    assert manifest == package.manifest
    assert {file.name for file in manifest.files} == set(package.contents) - {"config.json", "README.md"}
    for file in manifest.files:
        content = package.contents[file.name]
        content = content if isinstance(content, bytes) else content.read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert [(name, size) for name, size, _ in package.list_files() if name == "README.md"] == [
        ("README.md", len(package.card.encode()))
    ]


@pytest.mark.slow
def test_what_is_sent_is_a_run_that_scores_the_same(run, tmp_path):
    package = make_package(run, "me/tiny", **LICENCES)
    (tmp_path / "sent").mkdir()
    for name, content in package.contents.items():
        (tmp_path / "sent" / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    image = bytes(range(256)) * 3
    pixels = __import__("numpy").frombuffer(image * 16, "uint8").reshape(64, 64, 3)
    assert load(tmp_path / "sent", "cpu").score(pixels).score == load(run, "cpu").score(pixels).score


def test_the_card_names_licences_data_and_results(run):
    write_result(run)
    front, body = read_front_matter(make_package(run, "me/tiny", **LICENCES).card)
    assert (front["license"], front["library_name"], front["datasets"]) == ("apache-2.0", "iqa_zoo", ["holiday"])
    assert front["metrics"] == ["spearmanr", "pearsonr"]
    assert "base_model" not in front  # of random weights
    (index,) = front["model-index"]
    (result,) = index["results"]
    assert (index["name"], result["task"]["type"], result["dataset"]["type"]) == (
        "tiny",
        "image-quality-assessment",
        "holiday",
    )
    assert {each["type"]: each["value"] for each in result["metrics"]} == {"spearmanr": 0.75, "pearsonr": 0.5}
    assert result["dataset"]["split"] == "test part of split 1, 2 images"
    assert "training data (holiday): own photographs | CC0" in body
    assert "hf://me/tiny" in body


@pytest.mark.slow
def test_results_that_are_undefined_or_flattered_are_not_passed_off(run, tiny, write_run, tmp_path):
    front, body = read_front_matter(make_package(run, "me/tiny", **LICENCES).card)
    assert "model-index" not in front
    assert "No result is given" in body
    write_result(run, metrics={"srocc": None, "plcc": None})
    assert "model-index" not in read_front_matter(make_package(run, "me/tiny", **LICENCES).card)[0]
    peeked = write_run(tmp_path / "peeked", tiny, selection="test-oracle")
    write_result(peeked)
    assert "which chose the epoch too: the numbers flatter it" in make_package(peeked, "me/tiny", **LICENCES).card


@pytest.mark.parametrize(
    ("pretrained", "name", "base"),
    [(True, "test_resnet", "timm/test_resnet.r160_in1k"), (False, "test_resnet", None)],
)
def test_the_base_model_is_the_one_the_training_began_from(pretrained, name, base, tiny, write_run, tmp_path):
    tiny["backbone"] |= {"image_size": 32, "name": name}
    run = write_run(tmp_path / "run", tiny, arguments={"pretrained": pretrained})
    assert read_front_matter(make_package(run, "me/tiny", **LICENCES).card)[0].get("base_model") == base


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("My own terms, 2026", {"license": "other", "license_name": "my-own-terms-2026"}),
        ("CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
    ],
)
def test_a_licence_is_the_hubs_or_named(licence, expected, run):
    front, _ = read_front_matter(make_package(run, "me/tiny", licence=licence, data_licence="CC0").card)
    assert {key: value for key, value in front.items() if key.startswith("license")} == expected


def test_the_licence_of_a_known_release_needs_no_option(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = 32
    about = {"name": "livec", "label": "MOS", "higher_is_better": True, "score_range": [0, 100]}
    run = write_run(tmp_path / "run", tiny, data=about)
    assert "- training data (livec): use, copy, modify and distribute" in make_package(run, "me/t", licence="mit").card


def test_what_cannot_be_sent_says_why(run):
    with pytest.raises(InputError, match="the licence of the weights is not known.*give --licence ID"):
        make_package(run, "me/tiny", data_licence="CC0")
    with pytest.raises(InputError, match="the licence of its data, 'holiday', is not known.*give --data-licence TEXT"):
        make_package(run, "me/tiny", licence="mit", data_licence=" ")
    with pytest.raises(InputError, match="is on a hub already"):
        make_package("hf://me/other", "me/tiny", **LICENCES)
    (run / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="not a plain state dict"):
        make_package(run, "me/tiny", **LICENCES)
    (run / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no epoch was finished"):
        make_package(run, "me/tiny", **LICENCES)
