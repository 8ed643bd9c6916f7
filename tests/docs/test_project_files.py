"""Files around the code: versions agree, and what forms and workflows name is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import iqa_zoo

ROOT = Path(__file__).resolve().parents[2]
YAML = sorted([*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "CITATION.cff"])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("file", YAML, ids=lambda file: file.name)
def test_every_file_is_yaml_with_keys(file):
    assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == iqa_zoo.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [{"name": "The iqa_zoo developers"}]


def test_the_tested_versions_of_python_are_those_that_the_package_claims():
    tests = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
    tested = tests["jobs"]["all"]["strategy"]["matrix"]["python"]
    claimed = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert tested == claimed
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_workflows_install_extras_that_exist():
    for file in ROOT.glob(".github/workflows/*.yml"):
        for extras in re.findall(r"\.\[([\w,]+)\]", file.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_every_module_that_the_documentation_imports_is_in_its_extra():
    extra = PROJECT["optional-dependencies"]["docs"]
    named = {re.split(r"[\[>=<]", each)[0] for each in extra}
    assert named == {"sphinx", "myst-parser", "furo", "sphinx-copybutton", "sphinx-design"}
    assert any("docs" in each for each in PROJECT["optional-dependencies"]["test"])
