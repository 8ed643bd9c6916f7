"""Output as in a pipe, whatever the terminal that runs the tests."""

import pytest


@pytest.fixture(autouse=True)
def without_a_terminal(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
