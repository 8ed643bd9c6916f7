"""What many tests need: a small config, and plugins that exist for one test."""

import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from iqa_zoo import plugins
from iqa_zoo.registry import REGISTRIES

settings.register_profile("tests", deadline=None)  # the first call imports torch; time is no property of the code
settings.load_profile("tests")

# A shell without job control starts what it runs in the background with interrupts ignored, and every child inherits that.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW_SUITES = (  # they record or count every part
    "test_graph_is_right_on_other_inputs",
    "test_graph_is_right_on_other_images",
    "test_budget_counts_every_operator_as_torch_does",
)


def pytest_collection_modifyitems(items):
    """Mark as slow what is not marked where it is written: whole studies, and contract tests that record or count graphs."""
    for item in items:
        study = item.path.name == "test_study.py" or item.path.is_relative_to(Path(__file__).parent / "benchmarks")
        if study or getattr(item, "originalname", "") in SLOW_SUITES:
            item.add_marker(pytest.mark.slow)


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

    def write(folder, cfg, *, seed=0, spread=20.0, noise=0.0, test_crops=3, **changes):
        import torch
        from safetensors.torch import save_file

        from iqa_zoo.build import build_model
        from iqa_zoo.config import config_hash
        from iqa_zoo.training.run_folder import FORMAT, RunFolder

        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            model = build_model(cfg)
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    if not name.startswith("backbone."):
                        parameter.add_(noise * torch.randn_like(parameter))
        kept = RunFolder(folder)
        kept.path.mkdir(parents=True)
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, kept.weights)
        about = {"name": "holiday", "label": "MOS", "higher_is_better": True, "score_range": [0, 100]}
        run = {
            "format": FORMAT,
            "model": model.config,
            "model_hash": config_hash(model.config),
            "recipe": {"precision": "float32", "test_crops": test_crops},
            "recipe_name": "quick",
            "data": about,
            "split": "1",
            "seed": seed,
            "selection": "last",
            "initial_weights": "none",
            "scale": {"center": 50.0, "spread": spread},
        }
        kept.write("run", run | changes)
        return kept.path

    return write
