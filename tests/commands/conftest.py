"""Output as in a pipe, whatever the terminal that runs the tests; small models on one thread."""

import pytest
import torch


@pytest.fixture(autouse=True)
def without_a_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small models on a busy machine are far faster without threads that wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
