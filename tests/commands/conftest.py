"""Output as in a pipe, whatever the terminal that runs the tests; small models on one thread."""

import pytest


@pytest.fixture(autouse=True)
def without_a_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module", autouse=True)
def on_one_thread(one_thread):
    pass


@pytest.fixture(scope="module")
def small():
    """The smallest model that can be trained, as a config."""
    return {
        "dim": 16,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": [4], "image_size": 32},
        "queries": {"type": "learned", "num_queries": 2},
        "memory": {"type": "tokens"},
        "interactions": [{"type": "cross_attention", "num_heads": 2}],
        "head": {"type": "linear"},
        "losses": [{"type": "l1"}],
    }
