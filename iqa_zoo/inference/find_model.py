"""Find a trained model by its name or by the folder of its training. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from iqa_zoo.errors import UnknownName, not_one_of
from iqa_zoo.hub.address import HOW_TO_WRITE, is_address
from iqa_zoo.hub.manifest import TRAINED
from iqa_zoo.inference.run import TrainedRun, read_run
from iqa_zoo.trained.entry import TrainedModel, read_trained
from iqa_zoo.trained.names import list_trained

if TYPE_CHECKING:
    from iqa_zoo.hub.download import FetchedModel


def find_model(name_or_run: str | Path, folder: Path | None = None) -> TrainedModel | TrainedRun:
    """Read the description of a trained model; a name wins over a folder that is called the same.

    Args:
        name_or_run: name of a trained model, the folder of a training, or an address on a hub.
        folder: of the trained models with names; that of the package where it is left out.

    Raises:
        UnknownName: neither; names the closest.
        CheckpointError: the description is damaged, or the folder is not that of a training.
        HubError: the model cannot be fetched.
    """
    if is_address(name_or_run):
        from iqa_zoo.hub.download import fetch_model

        return describe_fetched(fetch_model(name_or_run))
    names = list_trained(folder)
    if str(name_or_run) in names:
        return read_trained(str(name_or_run), folder)
    try:
        return read_run(name_or_run)
    except UnknownName:
        if str(name_or_run).casefold().startswith("hf:"):
            raise UnknownName(f"{name_or_run}: {HOW_TO_WRITE}") from None
        parent = Path(name_or_run).parent
        beside = [each.name for each in parent.iterdir() if (each / "run.json").is_file()] if parent.is_dir() else []
        known = [*names, *beside]
        raise UnknownName(
            f"{not_one_of(Path(name_or_run).name, known, 'trained model')}; give one of these names or the folder of a training"
        ) from None


def describe_fetched(fetched: FetchedModel) -> TrainedModel | TrainedRun:
    """Read the description of a model that was fetched from a hub.

    Raises:
        CheckpointError: the description is damaged.
    """
    if fetched.manifest.kind == TRAINED:
        return read_trained(fetched.manifest.name, fetched.folder)
    return replace(read_run(fetched.folder), address=str(fetched.address))
