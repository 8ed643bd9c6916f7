"""The files that modules run: followed through imports of every kind, of this package file by file."""

import sys

import pytest

from iqa_zoo import source_files
from iqa_zoo.source_files import find_sources

SHOWS = ("reports", "commands", "explain", "cli")


@pytest.mark.parametrize(
    "module", ["frozen.trainings", "frozen.extraction", "end_to_end.train", "frozen.decoder", "end_to_end.trainings"]
)
def test_nothing_that_only_shows_is_part_of_what_computes(module):
    files = find_sources([f"iqa_zoo.training.{module}"]).files
    assert f"iqa_zoo.training.{module}" in files
    assert [name for name in files if name.split(".")[1:2] and name.split(".")[1] in SHOWS] == []


def test_what_trains_on_frozen_features_is_there_and_no_part_that_is_not_named():
    files = find_sources(["iqa_zoo.training.frozen.trainings"]).files
    training = ("training.frozen.decoder", "training.selection", "inference.evaluation")
    for name in (*training, "stats.metrics", "build", "quality_model"):
        assert f"iqa_zoo.{name}" in files
    assert [name for name in files if name.startswith(("iqa_zoo.heads", "iqa_zoo.backbones", "iqa_zoo.losses"))] == []


@pytest.fixture
def package(tmp_path, monkeypatch):
    def write(**files):
        root = tmp_path / "users_package"
        for name, text in files.items():
            path = root.joinpath(*name.split("__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (root / "__init__.py").touch()
        return root

    monkeypatch.syspath_prepend(tmp_path)
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] in ("users_package", "users_module")]:
        del sys.modules[name]


def test_a_package_counts_as_a_whole_with_what_it_imports_anywhere(package, tmp_path):
    root = package(
        part="from . import helper\nfrom .deep.more import x\nimport json",
        helper="def late():\n    import users_module\n",
        deep__more="from ..helper import late\nimport scipy.stats\nx = 1",
        unused="",
        broken="def (",
        typed="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas_of_nobody\n",
    )
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "part.py").touch()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "part.py").touch()
    (root / "notes.json").touch()  # of a package that is no plugin only code counts
    (tmp_path / "users_module.py").write_text("from iqa_zoo.stats.metrics import something")
    found = find_sources(["users_package.part"])
    own = {name for name in found.files if not name.startswith("iqa_zoo")}
    inside = ("part", "helper", "deep.more", "unused", "broken", "typed")
    assert own == {"users_package", "users_module", *(f"users_package.{name}" for name in inside)}
    assert "iqa_zoo.stats.metrics" in found.files
    assert "scipy" in found.libraries
    assert "json" not in found.libraries
    assert "pandas_of_nobody" not in found.libraries


def test_what_is_not_installed_is_a_library_that_is_missing(package):
    package(part="try:\n    import users_extra\nexcept ImportError:\n    pass\n")
    assert "users_extra" in find_sources(["users_package.part"]).libraries


def test_packages_of_another_environment_are_libraries(tmp_path, monkeypatch):
    """PYTHONPATH or a .pth file may add the packages of another environment; following their imports takes minutes."""
    folder = tmp_path / "site-packages"
    (folder / "elsewhere_installed").mkdir(parents=True)
    (folder / "elsewhere_installed" / "__init__.py").write_text("import numpy\n")
    user = tmp_path / "own_script_of_a_test.py"
    user.write_text("import elsewhere_installed\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder), str(tmp_path)])
    source_files._list_site_folders.cache_clear()
    try:
        found = find_sources(["own_script_of_a_test"])
    finally:
        source_files._list_site_folders.cache_clear()
    assert found.libraries == {"elsewhere_installed"}
    assert set(found.files) == {"own_script_of_a_test"}
