"""What the tests of reports share: importing the helpers that lie beside them."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def made():
    """The module ``html_results``: tests are imported by path, so that none is on the import path."""
    spec = importlib.util.spec_from_file_location("html_results", Path(__file__).parent / "html_results.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
