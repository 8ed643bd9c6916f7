"""Several trainings end to end: one that fails loses no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.splits import Split
from iqa_zoo.errors import IqaZooError
from iqa_zoo.training.end_to_end import trainings as end_to_end
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.recipe import load_recipe


@pytest.fixture(autouse=True)
def named_by_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Folders named by the model in the place of an identity, and locks in a cache of the test."""
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(end_to_end, "identify_run", lambda training, *_: training.model)


def test_a_training_that_fails_has_a_record_with_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny
) -> None:
    def train(cfg, data, split, recipe, folder, **_):
        if folder.name == "a":
            raise IqaZooError("the loss is nan at step 3\nlower the rate")
        if folder.name == "b":
            raise ZeroDivisionError("a bug")
        folder.mkdir(parents=True)
        (folder / "history.json").write_text('[{"loss": 2.0, "selected": true}, {"loss": 0.25, "selected": false}]')
        return {"metrics": {"srocc": 0.5}, "predictions": {}, "epoch": 1, "epochs": 1, "every_rule": {}, "seconds": 1.0}

    monkeypatch.setattr(end_to_end, "train_model", train)
    split = Split(np.arange(5), np.arange(5, 10), np.arange(0), "s")
    trainings = [end_to_end.EndToEnd(name, tiny, split, load_recipe("quick"), 0) for name in ("a", "b", "c")]
    records = dict(end_to_end.train_all_end_to_end(trainings, None, TrainingOptions()))  # type: ignore[arg-type]
    assert records[0] == {"model": "a", "split": "s", "error": "IqaZooError: the loss is nan at step 3", "trace": ""}
    assert "ZeroDivisionError: a bug" in records[1]["trace"]
    assert (records[2]["srocc"], records[2]["last_loss"], records[2]["run"]) == (0.5, 0.25, "c")
    assert (tmp_path / "cache" / "end_to_end" / "c" / "history.json").is_file()


def test_an_interrupt_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny) -> None:
    def train(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(end_to_end, "train_model", train)
    split = Split(np.arange(5), np.arange(5, 10), np.arange(0), "s")
    training = end_to_end.EndToEnd("a", tiny, split, load_recipe("quick"), 0)
    with pytest.raises(KeyboardInterrupt):
        list(end_to_end.train_all_end_to_end([training], None, TrainingOptions()))  # type: ignore[arg-type]
