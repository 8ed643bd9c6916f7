"""What many tests need: a small config, plugins that exist for one test, folders of noise with scores, commands as a user runs them."""

import importlib.util
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import settings
from PIL import Image

from iqa_zoo import plugins
from iqa_zoo.cli import main
from iqa_zoo.registry import REGISTRIES

settings.register_profile("tests", deadline=None)  # the first call imports torch; time is no property of the code
settings.load_profile("tests")

# A shell without job control starts what it runs in the background with interrupts ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW_SUITES = (  # they record, count or trace every part
    "test_graph_is_right_on_other_inputs",
    "test_makes_no_tensor_on_the_cpu",
    "test_graph_is_right_on_other_images",
    "test_budget_counts_every_operator_as_torch_does",
)


SLOWEST = (  # they begin first, so that no worker of pytest-xdist ends on one of them
    "test_runs_killed_at_random_steps_end_as_ones_never_killed",
    "test_two_processes_that_share_a_model_train_it_as_one_does",
    "test_the_example_passes_its_own_tests_and_the_contracts",
    "test_what_is_written_passes_its_own_tests_and_doctests",
    "test_the_markdown_is_what_the_data_and_the_code_say",
    "test_two_processes_give_what_one_gives_at_the_same_global_batch",
    "test_the_cells_of_a_notebook",
)


def pytest_collection_modifyitems(items):
    """Mark as slow what is not marked where it is written: whole studies, contract tests that record or count graphs, and the
    contracts of whole networks.

    Slow tests come first, and the slowest of them before the others.
    """
    tests = Path(__file__).parent
    networks = [tests / "contract" / f"test_{slot}.py" for slot in ("backbones", "models")]
    for item in items:
        study = item.path.name == "test_study.py" or item.path.is_relative_to(tests / "benchmarks")
        if study or item.path in networks or getattr(item, "originalname", "") in SLOW_SUITES:
            item.add_marker(pytest.mark.slow)

    def rank(item):
        if getattr(item, "originalname", "") in SLOWEST:
            return 0
        return 1 if item.get_closest_marker("slow") else 2

    items.sort(key=rank)  # stable: tests that share a fixture of their module stay together


@pytest.fixture
def tiny():
    """A complete config that builds in milliseconds; yours to edit."""
    return {
        "dim": 32,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": [3, 4]},
        "queries": {"type": "guided", "num_queries": 6, "stage": 4},
        "memory": {"type": "grid_pool", "stage": 3, "grid": 3},
        "interactions": [
            {"type": "query_gcn", "hidden": [16, 8]},
            {"type": "cross_attention", "num_heads": 4},
        ],
        "head": {"type": "moe", "num_experts": 4, "top_k": 2, "hidden": 16},
        "losses": [{"type": "l1"}, {"type": "load_balance", "weight": 0.01}, {"type": "router_z", "weight": 0.001}],
    }


@pytest.fixture
def scratch_registry():
    """Forget, after the test, the parts it registered by decorator."""
    before = {name: set(registry.module_dict) for name, registry in REGISTRIES.items()}
    yield
    for name, registry in REGISTRIES.items():
        for part in set(registry.module_dict) - before[name] - set(registry.built_in()):
            del registry.module_dict[part]


@pytest.fixture
def install(tmp_path, monkeypatch, scratch_registry):
    """Install a distribution for one test: metadata, entry points ({group: {name: target}}) and modules."""
    monkeypatch.delenv("IQA_ZOO_DISABLE_PLUGINS", raising=False)
    modules_before = set(sys.modules)

    def put(distribution, entry_points, version="1.0", metadata=True, requires=(), **modules):
        root = tmp_path / "site" / distribution
        info = root / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        if metadata:
            text = (
                f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: what {distribution} adds\n"
            )
            text += "".join(f"Requires-Dist: {line}\n" for line in requires)
            (info / "METADATA").write_text(text)
        lines = []
        for group, entries in entry_points.items():
            lines += [f"[iqa_zoo.{group}]", *(f"{name} = {target}" for name, target in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, source in modules.items():
            (root / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(root)
        plugins.refresh()
        return root

    yield put
    plugins.refresh()
    for name in set(sys.modules) - modules_before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(scope="module")
def one_thread():
    """Small models on a busy machine are far faster without threads that wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def write_run():
    """Write the folder of a training that never was: a config, its random weights, labels from 0 to 100."""
    from iqa_zoo.testing.random_run import write_random_run

    return write_random_run


@pytest.fixture(scope="session")
def whole_run(write_run, tmp_path_factory):
    """The folder of a model that sees whole photographs, from 64 pixels a side."""
    cfg = dict(
        dim=16,
        backbone=dict(type="timm_cells", name="test_efficientnet", stages=[4], cells=2),
        queries=dict(type="learned", num_queries=2),
        memory=dict(type="tokens"),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=dict(type="linear"),
        losses=[dict(type="l1")],
    )
    return write_run(tmp_path_factory.mktemp("runs") / "whole", cfg, noise=0.5)


@pytest.fixture(scope="module")
def noise_folder(tmp_path_factory):
    """Two data sets of noise whose scores fall (photos, MOS) and rise (others, DMOS) with it, sharing one file; two models."""
    root = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for name, sign in (("photos", -1), ("others", 1)):
        (root / name).mkdir()
        lines = ["image,mos"]
        for i in range(30):
            noise = rng.normal(128, 3 * (i + 1), (224, 224, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(root / name / f"{name}{i}.png")
            lines.append(f"{name}{i}.png,{100 + sign * 3 * i}")
        (root / name / "labels.csv").write_text("\n".join(lines) + "\n")
    (root / "others" / "others7.png").write_bytes((root / "photos" / "photos7.png").read_bytes())
    small = dict(
        dim=24,
        backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4]),
        queries=dict(type="guided"),
        memory=dict(type="grid_pool", grid=2),
        interactions=[dict(type="query_gcn", hidden=[8]), dict(type="cross_attention", num_heads=2)],
        head=dict(type="moe", hidden=64),
        losses=[dict(type="l1")],
    )
    (root / "gcn.yaml").write_text(yaml.safe_dump(small))
    small["interactions"][0] = dict(type="self_attention", num_heads=2)
    small["head"] = dict(type="ffn", hidden=16)
    small["losses"] = [dict(type="l1"), dict(type="mirror_consistency", weight=0.1)]
    (root / "attention.json").write_text(json.dumps(small))
    return root


@pytest.fixture
def exit_code():
    """The exit code of a command line, whether a study or argparse refuses it."""

    def run(*words):
        try:
            return main([str(word) for word in words])
        except SystemExit as stopped:
            return stopped.code

    return run


@dataclass
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


SMALL = ["--splits", 2, "--epochs", 2, "--crops", 1, "--batch-size", 8, "--validation-fraction", 0.25, "--jobs", 1]


@pytest.fixture
def run_study(monkeypatch, capsys):
    """Run a command of iqa-zoo in a folder, in this process, with the cache there and options that keep it small."""

    def run(study, folder, *arguments, small=True):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("IQA_ZOO_CACHE", str(folder / "cache"))
        capsys.readouterr()
        try:
            code = main([study, *(str(word) for word in [*arguments, *(SMALL if small else [])])])
        except SystemExit as exit:  # of argparse
            code = exit.code
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture(scope="session")
def plan_command():
    """Return the spec that a command line of a study means: ``plan_command("compare", "lifeiqa", "--seed", 1)``."""
    from iqa_zoo.commands.study import make_parser, read_spec

    return lambda study, *words: read_spec(study, make_parser(study).parse_args([str(word) for word in words]))


@pytest.fixture(scope="session")
def load_script():
    """Import a script of benchmarks/ as a module, for tests of its functions."""

    def load(name):
        file = Path(__file__).resolve().parents[1] / "benchmarks" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses search their module
        spec.loader.exec_module(module)
        return module

    return load


@dataclass(frozen=True)
class Released:
    """The trained model ``tiny.noise``: the folder of its files, its description, and what it was trained on."""

    folder: Path
    entry: Any
    bank: Any
    backbone: Any
    data: Any


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """Train a small model on noise, the stronger the lower its rating, and give it a name."""
    import torch

    from iqa_zoo.build import build_backbone
    from iqa_zoo.data.duplicates import compute_perceptual_hash
    from iqa_zoo.data.images import read_image
    from iqa_zoo.data.rated import RatedImages
    from iqa_zoo.data.splits import make_splits
    from iqa_zoo.trained.make import Release, write_trained
    from iqa_zoo.training.frozen.extraction import extract_features
    from iqa_zoo.training.recipe import FrozenRecipe

    root, rng = tmp_path_factory.mktemp("released"), np.random.default_rng(0)
    paths = [root / f"{i}.png" for i in range(60)]
    for i, path in enumerate(paths):
        Image.fromarray(rng.normal(128, 2 + i, (40, 42, 3)).clip(0, 255).astype(np.uint8)).save(path)
    data = RatedImages(
        "noise", tuple(paths), np.linspace(90, 10, 60), score_range=(0, 100), licence="CC0", source="drawn"
    )
    cfg = dict(
        dim=16,
        backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=32),
        queries=dict(type="learned", num_queries=2),
        memory=dict(type="tokens"),
        interactions=[dict(type="cross_attention", num_heads=2)],
        head=dict(type="linear"),
        losses=[dict(type="l1")],
    )
    release = Release(
        name="tiny.noise",
        cfg=cfg,
        recipe=FrozenRecipe(epochs=20, batch_size=16, lr=3e-3, ema=None, precision="float32"),
        crops=2,
        licences={"code": "Apache-2.0", "weights": "Apache-2.0", "training data": "CC0"},
    )
    hashes_NB = np.stack([np.packbits(compute_perceptual_hash(read_image(path))) for path in paths])
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        backbone = build_backbone(cfg).eval()
    bank = extract_features(backbone, cfg["backbone"], data, crops=2, cache=root / "cache")
    shown = {name: rng.normal(128, 20, (40, 50, 3)).clip(0, 255).astype(np.uint8) for name in ("one", "two")}
    keep = dict(backbone=backbone, hashes_NB=hashes_NB, photographs=shown, folder=root / "models")
    entry = write_trained(release, bank, data, make_splits(data, 4), **keep)
    torch.set_num_threads(before)
    return Released(root / "models", entry, bank, backbone, data)


BROWSER_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium with its logs; without one the test is skipped."""
    binary, driver_file = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver_file):
        pytest.skip("needs Chromium with its driver (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*BROWSER_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_file))
    driver.set_script_timeout(20)
    driver.get("about:blank")  # leaves the browser's start page
    yield driver
    driver.quit()
