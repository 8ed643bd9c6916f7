"""Where caches lie."""

from pathlib import Path

from iqa_zoo.cache import cache_folder


def test_the_environment_decides(monkeypatch, tmp_path):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("IQA_ZOO_CACHE", "~/x")
    assert cache_folder() == Path.home() / "x"
    monkeypatch.delenv("IQA_ZOO_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "iqa_zoo"
