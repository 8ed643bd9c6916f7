"""What a study must hold to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.progress import Silent
from iqa_zoo.registry import STUDIES
from iqa_zoo.studies.make_spec import list_settings
from iqa_zoo.studies.page import write_html
from iqa_zoo.studies.results import load_result
from iqa_zoo.studies.study import Study, plan_study, run_study
from iqa_zoo.testing.suite import Suite

IMAGES = 30
SMALL = {"splits": 2, "epochs": 1, "crops": 1, "batch_size": 8, "jobs": 1, "selection": "last"}


class StudyContract(Suite):
    """Studies: a spec -> results with tables, sentences, figures and a page."""

    slot = "studies"

    def test_is_a_study_with_a_title(self, name: str) -> None:
        study = STUDIES.get(name)
        assert isinstance(study, type), f"{study!r} is not a class"
        assert issubclass(study, Study), f"{study.__name__} does not derive from iqa_zoo.studies.study.Study"
        assert study.title != Study.title, "it has no title"
        assert is_dataclass(study.options), f"options is {study.options!r}, not a dataclass"

    def test_report_has_its_three_functions(self, name: str) -> None:
        report = STUDIES.get(name).report
        for function in ("make_tables", "make_sentences", "make_figures"):
            assert callable(getattr(report, function, None)), f"the report has no function {function}"

    def test_a_small_run_has_tables_figures_and_a_page(
        self, name: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
        study = STUDIES.get(name)
        known = {each.name for _, each, _ in list_settings(study.options, study.without)}
        small: dict[str, Any] = {"data": "table", "root": make_images(tmp_path / "images"), **SMALL}
        given = {key: value for key, value in small.items() if key in known} | dict(arguments)
        models: Any = given.pop("models", study.models or ("lifeiqa_tiny", "deiqt")[: int(study.takes_models[0])])
        result = run_study(plan_study(name, models, **given), Silent())
        assert result is not None
        assert result.tables(), "it has no table"
        assert isinstance(result.figures(), Mapping)
        assert load_result(result.save(tmp_path / "run"), name).verdict() == result.verdict()
        assert write_html(result, tmp_path / "page.html", tmp_path / "run", ()) > 0


def make_images(folder: Path) -> Path:
    """Write images of more and more noise, and labels that fall with it."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(IMAGES):
        noise = rng.normal(128, 3 * (i + 1), (224, 224, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
        lines.append(f"{i}.png,{100 - 3 * i}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
