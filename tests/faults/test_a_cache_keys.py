"""A number that comes from the cache is that of the same inputs: each input in turn changes the keys, and nothing else does."""

import copy
import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import iqa_zoo
from iqa_zoo import identity, source_files
from iqa_zoo.build import build_model
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import Split, make_splits
from iqa_zoo.identity import identify_images
from iqa_zoo.progress import Silent
from iqa_zoo.randomness import seeded
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.spec import BackboneSpec, StudySpec
from iqa_zoo.training.frozen import extraction
from iqa_zoo.training.frozen.trainings import ExtraTestSet, Identities, Training
from iqa_zoo.training.recipe import FrozenRecipe

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(iqa_zoo.__file__).parent

HELPER = "def twice(x):\n    return 2 * x\n"
HEAD = """
from torch import nn
from iqa_zoo.contracts import HeadOutput
from head_helper import twice

class Doubled(nn.Module):
    def __init__(self, *, dim: int):
        super().__init__()
        self.linear = nn.Linear(dim, 1)

    def forward(self, queries_BND):
        score_BN = twice(self.linear(queries_BND)).squeeze(2)
        return HeadOutput(score_BN.mean(1), score_BN)
"""
WRAPPED = """
from iqa_zoo.backbones.timm_features import TimmFeatures

class Wrapped(TimmFeatures):
    '''A backbone of a plugin.'''
"""


def rated(folder: Path, name: str = "set", count: int = 12) -> RatedImages:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    return RatedImages(
        name,
        tuple(paths),
        np.linspace(1, 9, count),
        score_range=(0, 10),
        licence="CC0",
        source="drawn",
        references=tuple(f"r{i // 2}" for i in range(count)),
        distortions=tuple(("blur", "noise")[i % 2] for i in range(count)),
    )


@dataclass
class Study:
    """Everything that one training of a study depends on."""

    folder: Path
    zoo: Path
    plugin: Path
    data: RatedImages
    other: RatedImages
    cfg: dict
    split: Split
    recipe: FrozenRecipe
    seed: int = 0
    crops: int = 1
    rule: str = "last"
    device: str = "cpu"
    model: str = "mine"
    other_name: str = "other"
    weight: float = 0.0

    def features(self, data: RatedImages) -> str:
        with seeded(self.seed):
            model = build_model(self.cfg)
        with torch.no_grad():
            next(model.backbone.parameters()).view(-1)[0] += self.weight
        config = model.config["backbone"]
        images = identify_images(data)
        return extraction._make_key(model.backbone, config, images, self.crops, self.seed, self.recipe.precision)

    def key(self) -> str:
        banks = [Bank(self.features(data)) for data in (self.data, self.other)]
        others = {self.other_name: ExtraTestSet(self.other, banks[1])}
        training = Training(
            self.model, self.cfg, self.split, self.recipe, self.seed, self.rule, device=self.device
        )  # fmt: skip
        return Identities(banks[0], self.data, others).identify(training)


@dataclass
class Bank:
    key: str


@pytest.fixture(scope="module")
def zoo_copy(tmp_path_factory):
    """A copy of the package, whose sources are parsed once for all tests."""
    zoo = tmp_path_factory.mktemp("copy") / "iqa_zoo"
    shutil.copytree(PACKAGE, zoo, ignore=shutil.ignore_patterns("__pycache__"))
    return zoo


@pytest.fixture
def zoo(zoo_copy):
    """The copy of the package, for a test to edit."""
    yield zoo_copy
    for path in zoo_copy.rglob("*.py"):
        original = PACKAGE / path.relative_to(zoo_copy)
        if path.read_bytes() != original.read_bytes():
            shutil.copy2(original, path)


@pytest.fixture
def study(install, tmp_path, zoo, monkeypatch):
    plugin = install(
        "cache-plugin",
        {"heads": {"doubled": "doubled_head:Doubled"}, "backbones": {"wrapped": "wrapped_backbone:Wrapped"}},
        doubled_head=HEAD,
        head_helper=HELPER,
        wrapped_backbone=WRAPPED,
    )
    monkeypatch.setattr(source_files, "PACKAGE", zoo)
    monkeypatch.setattr(identity, "_WHEN_IMPORTED", {})
    cfg = dict(
        dim=16,
        backbone=dict(type="wrapped", name="test_resnet", stages=[3, 4], image_size=32),
        queries=dict(type="guided", num_queries=2, stage=4),
        memory=dict(type="grid_pool", stage=3, grid=2),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=dict(type="doubled"),
        losses=[dict(type="l1")],
    )
    data = rated(tmp_path / "data")
    other = rated(tmp_path / "other", "other")
    split = make_splits(data, 1, validation_fraction=0.25)[0]
    recipe = FrozenRecipe(epochs=2, precision="float32")
    return Study(tmp_path, zoo, plugin, data, other, cfg, split, recipe)


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "\nEDITED = True\n")


def swap_pixels(path: Path) -> None:
    """Other bytes of the same length at the same time."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def with_part(study: Study, part: str) -> Split:
    """The same id and images, one of them in another part."""
    moved = {name: getattr(study.split, name) for name in ("train", "test", "validation")}
    moved[part], moved["train"] = np.append(moved[part], moved["train"][-1]), moved["train"][:-1]
    return Split(**moved, id=study.split.id)


def last_bit(mos: np.ndarray) -> np.ndarray:
    changed = mos.copy()
    changed[3] = np.nextafter(changed[3], 10)
    return changed


def configured(cfg: dict, slot: str, **values) -> dict:
    changed = copy.deepcopy(cfg)
    changed[slot] |= values
    return changed


def relabelled(data: RatedImages, **values) -> RatedImages:
    return replace(data, **values)


CHANGES = {
    "a label, by its last bit": lambda s: setattr(s, "data", relabelled(s.data, mos=last_bit(s.data.mos))),
    "a distortion": lambda s: setattr(s, "data", relabelled(s.data, distortions=("x", *s.data.distortions[1:]))),
    "no distortions": lambda s: setattr(s, "data", relabelled(s.data, distortions=None)),
    "a reference": lambda s: setattr(s, "data", relabelled(s.data, references=("x", *s.data.references[1:]))),
    "the direction": lambda s: setattr(s, "data", relabelled(s.data, higher_is_better=False)),
    "what labels are called": lambda s: setattr(s, "data", relabelled(s.data, label="DMOS")),
    "an image, by one bit, at the same size and time": lambda s: swap_pixels(s.data.paths[0]),
    "the name of an image": lambda s: setattr(s, "data", renamed(s)),
    "the order of the images": lambda s: setattr(s, "data", s.data.select(range(len(s.data))[::-1])),
    "a label of the other set": lambda s: setattr(s, "other", relabelled(s.other, mos=last_bit(s.other.mos))),
    "the direction of the other set": lambda s: setattr(s, "other", relabelled(s.other, higher_is_better=False)),
    "an image of the other set": lambda s: swap_pixels(s.other.paths[5]),
    "the name of the other set": lambda s: setattr(s, "other_name", "another"),
    "a part's argument": lambda s: setattr(s, "cfg", configured(s.cfg, "memory", grid=3)),
    "a backbone's argument": lambda s: setattr(s, "cfg", configured(s.cfg, "backbone", image_size=36)),
    "a weight of the backbone": lambda s: setattr(s, "weight", 1e-3),
    "a plugin's head": lambda s: edit(s.plugin / "doubled_head.py"),
    "a module that a plugin's head imports": lambda s: edit(s.plugin / "head_helper.py"),
    "a plugin's backbone": lambda s: edit(s.plugin / "wrapped_backbone.py"),
    "a part of the zoo": lambda s: edit(s.zoo / "memories" / "grid_pool.py"),
    "what a part of the zoo imports": lambda s: edit(s.zoo / "layers" / "attention.py"),
    "the training loop": lambda s: edit(s.zoo / "training" / "frozen" / "decoder.py"),
    "a metric": lambda s: edit(s.zoo / "stats" / "metrics.py"),
    "how crops are cut": lambda s: edit(s.zoo / "data" / "crops.py"),
    "how features are computed": lambda s: edit(s.zoo / "training" / "frozen" / "extraction.py"),
    "how a backbone is run": lambda s: edit(s.zoo / "training" / "frozen" / "forward.py"),
    "the recipe": lambda s: setattr(s, "recipe", replace(s.recipe, weight_decay=0.06)),
    "the precision": lambda s: setattr(s, "recipe", replace(s.recipe, precision="bfloat16")),
    "the seed": lambda s: setattr(s, "seed", 1),
    "the crops": lambda s: setattr(s, "crops", 2),
    "the rule": lambda s: setattr(s, "rule", "validation"),
    "the kind of device": lambda s: setattr(s, "device", "cuda"),
    "the split's id": lambda s: setattr(s, "split", replace(s.split, id="another")),
    "the test part": lambda s: setattr(s, "split", with_part(s, "test")),
    "the validation part": lambda s: setattr(s, "split", with_part(s, "validation")),
}


def renamed(study: Study) -> RatedImages:
    first = study.data.paths[0]
    new = first.with_name("renamed.png")
    shutil.copy(first, new)
    return replace(study.data, paths=(new, *study.data.paths[1:]))


@pytest.mark.slow
@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_input_changes_the_key(what, study):
    before = study.key()
    assert study.key() == before
    CHANGES[what](study)
    assert study.key() != before


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torch", "timm", "numpy", "scipy", "Pillow"])
def test_another_version_of_a_library_changes_the_keys_of_features_and_of_trainings(library, study, monkeypatch):
    before = study.features(study.data), study.key()
    real = identity.importlib.metadata.version
    monkeypatch.setattr(identity.importlib.metadata, "version", lambda n: "0.0.1" if n == library else real(n))
    assert study.features(study.data) != before[0]
    assert study.key() != before[1]


@pytest.mark.slow
def test_another_decoder_of_images_changes_the_key_of_features(study, monkeypatch):
    from PIL import features

    before, real = study.features(study.data), features.version
    monkeypatch.setattr(features, "version", lambda name: "0.0" if name == "jpg" else real(name))
    assert study.features(study.data) != before


def moved(study: Study) -> RatedImages:
    shutil.copytree(study.folder / "data", study.folder / "moved")
    return replace(study.data, paths=tuple(study.folder / "moved" / path.name for path in study.data.paths))


def touch(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))


NO_CHANGES = {
    "a table": lambda s: edit(s.zoo / "studies" / "compare" / "report.py"),
    "an HTML page": lambda s: edit(s.zoo / "reports" / "html" / "study.py"),
    "a study": lambda s: edit(s.zoo / "studies" / "compare" / "study.py"),
    "a command": lambda s: edit(s.zoo / "commands" / "study.py"),
    "an explanation": lambda s: edit(s.zoo / "explain" / "image.py"),
    "the message of an error": lambda s: edit(s.zoo / "errors.py"),
    "a part that the config does not name": lambda s: edit(s.zoo / "heads" / "moe.py"),
    "a reader of label tables": lambda s: edit(s.zoo / "data" / "table.py"),
    "end-to-end training": lambda s: edit(s.zoo / "training" / "end_to_end" / "train.py"),
    "a license and a source": lambda s: setattr(s, "data", replace(s.data, licence="MIT", source="a page")),
    "the place of the images": lambda s: setattr(s, "data", moved(s)),
    "the times of the images": lambda s: touch(s.folder / "data"),
    "the times of the code": lambda s: touch(s.zoo),
    "the name of the model": lambda s: setattr(s, "model", "another name"),
    "a default that is written out": lambda s: setattr(s, "cfg", configured(s.cfg, "memory", grid=2)),
    "an edit that was undone": lambda s: (edit(s.plugin / "doubled_head.py"), s.key(), restore(s)),
    "the cache": lambda s: os.environ.__setitem__("IQA_ZOO_CACHE", str(s.folder / "another")),
}


def restore(study: Study) -> None:
    (study.plugin / "doubled_head.py").write_text(HEAD)


@pytest.mark.slow
@pytest.mark.parametrize("what", NO_CHANGES)
def test_what_changes_no_number_changes_no_key(what, study, monkeypatch):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(study.folder / "cache"))
    before = study.key()
    NO_CHANGES[what](study)
    assert study.key() == before


@pytest.mark.slow
def test_a_module_edited_after_its_import_is_neither_what_it_was_nor_what_it_is(study, monkeypatch):
    imported = study.key()
    edit(study.plugin / "doubled_head.py")
    edited = study.key()  # what is in memory is the old code, whatever the file says
    monkeypatch.setattr(identity, "_WHEN_IMPORTED", {})  # as in a new process, which imports the file as it is now
    anew = study.key()
    assert len({imported, edited, anew}) == 3


@pytest.mark.slow
def test_an_edit_while_features_are_computed_is_not_kept_as_the_code_that_ran(study, monkeypatch):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(study.folder / "cache"))
    FrozenRunner.build(StudySpec("compare", {}, backbone=BackboneSpec("test_resnet")), [study.cfg], Silent())
    edit(study.plugin / "head_helper.py")  # what is in memory is the code before
    edited = study.key()
    monkeypatch.setattr(identity, "_WHEN_IMPORTED", {})  # as in a new process, which imports the file as it is now
    assert study.key() != edited


def test_data_that_a_plugin_reads_counts_and_its_documents_do_not(install, tmp_path):
    root = install("packaged", {"heads": {"packed": "packed:Packed"}})
    package = root / "packed"
    package.mkdir()
    (package / "__init__.py").write_text("from packed.head import Packed\n")
    (package / "head.py").write_text(HEAD.replace("from head_helper import twice", "").replace("Doubled", "Packed"))
    (package / "table.json").write_text("[1]")
    for document in ("README.md", "card.yaml"):
        (package / document).write_text("text")
    before = identity.identify_code(["packed.head"])
    assert {"packed.head", "packed", "packed/table.json"} <= before.keys()
    assert not [name for name in before if "README" in name or "card" in name]
    (package / "table.json").write_text("[2]")
    assert identity.identify_code(["packed.head"]) != before


def test_a_part_counts_by_its_source_even_where_it_is_installed_as_a_library_is(tmp_path, monkeypatch):
    for name, text in (("users_parts", "import users_library\n"), ("users_library", "")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(source_files, "_list_site_folders", lambda: (tmp_path,))
    before = identity.identify_code([], ["users_parts"])
    assert before["users_library"] == "missing"  # no distribution says its version
    edit(tmp_path / "users_parts.py")
    after = identity.identify_code([], ["users_parts"])
    assert before.keys() == after.keys()
    assert before["users_parts"] != after["users_parts"]


def test_code_without_a_file_is_never_the_same_twice(monkeypatch):
    main = sys.modules["__main__"]  # an import would make it a module that this file runs

    monkeypatch.delattr(main, "__file__", raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    assert identity.identify_code(["__main__"]) != identity.identify_code(["__main__"])


# --- as a user meets it ----------------------------------------------------------------------------------------------


def make_table(folder: Path, count: int = 30) -> Path:
    folder.mkdir(parents=True)
    with (folder / "s.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "mos"])
        for i in range(count):
            rng = np.random.default_rng(i)
            wave = 128 + 60 * np.sin(np.arange(230) / (5 + i % 7)) + rng.normal(0, 2 + 4 * (i % 10), (230, 230))
            Image.fromarray(np.clip(np.stack([wave] * 3, 2), 0, 255).astype(np.uint8)).save(folder / f"{i:03d}.png")
            writer.writerow([f"{i:03d}.png", 10 - i % 10 + i / 100])
    return folder


OPTIONS = [
    "--splits", "2", "--epochs", "2", "--batch-size", "8", "--crops", "1", "--jobs", "1", "--selection", "last",
    "--no-latency",
]  # fmt: skip


@pytest.fixture
def compare(monkeypatch, tmp_path, run_study):
    """Run a comparison here; return what results.json holds."""

    def run(*arguments: str) -> tuple[dict, str]:
        data = ["--data", "table", "--root", "d", "--out", "run"]
        done = run_study("compare", tmp_path, *arguments, *data, *OPTIONS, small=False)
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "run" / "results.json").read_text()), done.stderr

    return run


def sroccs(results: dict) -> list[float]:
    return [run["srocc"] for run in results["runs"]]


def resumed(results: dict) -> list[bool]:
    return [run["resumed"] for run in results["runs"]]


@pytest.mark.slow
def test_shuffled_labels_give_other_numbers_those_of_fresh(compare, tmp_path):
    table = make_table(tmp_path / "d") / "s.csv"
    first, _ = compare("ridge_baseline")
    again, told = compare("ridge_baseline")
    assert resumed(again) == [True, True]
    assert sroccs(again) == sroccs(first)
    assert "2 of 2 trained before" in told
    assert again["from_cache"] == dict(trainings=2, of=2, features=1, of_features=1)
    assert "2 of 2 trained before; features from the cache." in (tmp_path / "run" / "tables.md").read_text()
    header, *rows = [line.split(",") for line in table.read_text().splitlines()]
    labels = np.random.default_rng(0).permutation([row[1] for row in rows])
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([header, *([row[0], label] for row, label in zip(rows, labels, strict=True))])
    shuffled, _ = compare("ridge_baseline")
    assert resumed(shuffled) == [False, False]
    fresh, _ = compare("ridge_baseline", "--fresh")
    assert sroccs(shuffled) == sroccs(fresh) != sroccs(first)


IN_A_NEW_PROCESS = """
import json, sys
from iqa_zoo.cli import main

for name, options in json.loads(sys.argv[1]).items():
    assert main(["compare", *options, "--out", name]) == 0
"""


@pytest.mark.slow
def test_an_edited_plugin_gives_other_numbers_those_of_fresh(compare, install, tmp_path):
    """The plugin is edited between two processes; the second trains with the new code, then anew without the cache."""
    make_table(tmp_path / "d")
    entry_points = {"heads": {"doubled": "doubled_head:Doubled"}}
    plugin = install("mine", entry_points, doubled_head=HEAD, head_helper=HELPER)
    cfg = dict(
        dim=8,
        backbone=dict(type="nss"),
        queries=dict(type="guided", num_queries=2, stage=4),
        memory=dict(type="grid_pool", stage=3, grid=2),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=dict(type="doubled"),
        losses=[dict(type="l1")],
    )
    (tmp_path / "mine.json").write_text(json.dumps(cfg))
    first, _ = compare("mine.json")
    (plugin / "head_helper.py").write_text(HELPER.replace("2 * x", "-30 * x.tanh()"))
    words = ["mine.json", "--data", "table", "--root", "d", *OPTIONS]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), str(plugin)])}
    code = [sys.executable, "-c", IN_A_NEW_PROCESS, json.dumps({"edited": words, "fresh": [*words, "--fresh"]})]
    done = subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    edited, fresh = (json.loads((tmp_path / name / "results.json").read_text()) for name in ("edited", "fresh"))
    mine = [run for run in edited["runs"] if run["model"] == "mine"]
    assert [run["resumed"] for run in mine] == [False, False]
    assert [run["resumed"] for run in edited["runs"] if run["model"] == "ridge_baseline"] == [True, True]
    assert sroccs(edited) == sroccs(fresh) != sroccs(first)
