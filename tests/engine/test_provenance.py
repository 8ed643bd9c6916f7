"""A result names the source and the versions it was made with."""

import shutil
from pathlib import Path

import torch

import iqa_zoo
from iqa_zoo.engine.provenance import source_hash, versions


def test_the_hash_is_of_the_source(tmp_path, monkeypatch):
    copy = tmp_path / "iqa_zoo"
    shutil.copytree(Path(iqa_zoo.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    before = source_hash.__wrapped__()
    monkeypatch.setattr(iqa_zoo, "__file__", str(copy / "__init__.py"))
    assert source_hash.__wrapped__() == before
    (copy / "notes.txt").write_text("no source")
    assert source_hash.__wrapped__() == before
    (copy / "heads" / "linear.py").write_text("x = 1\n")
    assert source_hash.__wrapped__() != before


def test_versions():
    found = versions()
    assert found["iqa_zoo"] == iqa_zoo.__version__
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert all(isinstance(version, str) and version for version in found.values())
