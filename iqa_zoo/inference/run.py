"""Read from ``run.json`` of a training what scoring needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iqa_zoo.errors import CheckpointError, UnknownName, not_one_of
from iqa_zoo.hub.address import SCHEME, is_address
from iqa_zoo.training.run_folder import FORMAT, RunFolder

Number = (int, float)


@dataclass(frozen=True)
class TrainedOn:
    """The dataset of a training: its name, what its labels are, their range and direction."""

    name: str
    label: str
    score_range: tuple[float, float]
    higher_is_better: bool


@dataclass(frozen=True)
class TrainedRun:
    """A training, as its folder describes it.

    Attributes:
        folder: of the training.
        model: the config of the model.
        model_hash: of that config.
        data: what it was trained on.
        split: the id of the split.
        selection: the rule that chose the epoch.
        seed: of the training.
        initial_weights: the hash of the weights that the training began from; None where it is not known.
        recipe_name: None for a recipe without a name.
        test_crops: crops per image in its test.
        center, spread: score * spread + center is on the labels' scale.
        address: of the commit on a hub that it was fetched from; empty for a folder.
    """

    folder: Path
    model: Mapping[str, Any]
    model_hash: str
    data: TrainedOn
    split: str
    selection: str
    seed: int
    initial_weights: str | None
    recipe_name: str | None
    test_crops: int
    center: float
    spread: float
    address: str = ""

    @property
    def shown(self) -> str:
        """The run in output: its address on a hub, or its folder."""
        return self.address or str(self.folder)

    @property
    def name(self) -> str:
        """The run in figures: its repository on a hub, or the name of its folder."""
        return self.address.removeprefix(SCHEME).partition("@")[0] or self.folder.name


def read_run(folder: str | Path) -> TrainedRun:
    """Read the description of a training from its folder, or from a hub (``hf://user/name``). Imports no torch.

    Raises:
        UnknownName: there is no such folder; names the closest one.
        HubError: it cannot be fetched.
        CheckpointError: not a folder of ``iqa-zoo train``, or ``run.json`` lacks a value; names what to give.
    """
    if is_address(folder):
        return _fetch_run(folder)
    folder = Path(folder)
    if not folder.exists():
        beside = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
        raise UnknownName(not_one_of(folder.name, beside, "run") + f" (folders of {folder.parent})")
    if not folder.is_dir():
        raise CheckpointError(
            f"{folder} is a file; give the folder that iqa-zoo train wrote: scores need its run.json as well, which says "
            "what the weights are of and on which scale their scores are"
        )
    content = RunFolder(folder).read("run")
    if content.get("format") != FORMAT:  # another version is refused by the reader
        raise CheckpointError(f"{folder} is not a run of iqa-zoo train: run.json does not say {FORMAT!r} as its format")
    values = _Values(folder / "run.json", content)
    test_crops = values.get("recipe.test_crops", int)
    if test_crops < 1:
        raise CheckpointError(f"{values.file}: recipe.test_crops is {test_crops}; it must be at least 1")
    return TrainedRun(
        folder=folder,
        model=values.get("model", dict),
        model_hash=values.get("model_hash", str),
        data=TrainedOn(
            values.get("data.name", str),
            values.get("data.label", str),
            (values.get("data.score_range.0", Number), values.get("data.score_range.1", Number)),
            values.get("data.higher_is_better", bool),
        ),
        split=values.get("split", str),
        selection=values.get("selection", str),
        seed=values.get("seed", int),
        initial_weights=content.get("initial_weights"),
        recipe_name=content.get("recipe_name"),
        test_crops=test_crops,
        center=values.get("scale.center", Number),
        spread=values.get("scale.spread", Number),
    )


def _fetch_run(address: str | Path) -> TrainedRun:
    from iqa_zoo.hub.download import fetch_model
    from iqa_zoo.hub.manifest import RUN

    fetched = fetch_model(address)
    if fetched.manifest.kind != RUN:
        raise CheckpointError(
            f"{fetched.address} is the trained model {fetched.manifest.name}, which scores images (iqa-zoo score --run {address}); "
            "the folder of a training is needed here"
        )
    return replace(read_run(fetched.folder), address=str(fetched.address))


class _Values:
    """The values of a JSON file by dotted path, each of a type that is checked."""

    def __init__(self, file: Path, content: Any):
        self.file, self.content = file, content

    def get(self, path: str, kind: Any) -> Any:
        value = self.content
        for key in path.split("."):
            try:
                value = value[int(key) if isinstance(value, list) else key]
            except (KeyError, IndexError, TypeError, ValueError):
                raise CheckpointError(
                    f"{self.file}: {path} is missing; the file is damaged or of another version of iqa_zoo"
                ) from None
        finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, kind) or not finite or (isinstance(value, bool) and kind is not bool):
            raise CheckpointError(
                f"{self.file}: {path} is {value!r:.60}; the file is damaged or of another version of iqa_zoo"
            )
        return value
