"""What a data set must hold to, as far as can be seen without its files."""

import inspect
from pathlib import Path

import pytest

from iqa_zoo.errors import InputError
from iqa_zoo.registry import DATASETS
from iqa_zoo.testing.suite import Suite


class DatasetContract(Suite):
    """Data sets: a folder -> RatedImages, or an InputError that names the folder."""

    slot = "datasets"

    def test_takes_a_root_and_keywords(self, name: str) -> None:
        root, *others = inspect.signature(DATASETS.get(name)).parameters.values()
        assert root.name == "root"
        assert root.kind is root.POSITIONAL_OR_KEYWORD
        for parameter in others:
            assert parameter.kind is parameter.KEYWORD_ONLY, f"{parameter.name} is not keyword-only"
            assert parameter.default is not parameter.empty, f"{parameter.name} has no default"

    def test_has_a_docstring(self, name: str) -> None:
        assert inspect.getdoc(DATASETS.get(name)), f"{name} has no docstring"

    def test_a_folder_that_is_not_there_is_named(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            DATASETS.get(name)(tmp_path / "nowhere")
        assert "nowhere" in str(caught.value)

    def test_an_empty_folder_is_named(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(InputError) as caught:
            DATASETS.get(name)(tmp_path)
        assert tmp_path.name in str(caught.value)
