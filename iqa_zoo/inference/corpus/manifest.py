"""What the parts in a folder are of, so that another run goes on with the same or refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iqa_zoo.errors import InputError
from iqa_zoo.identity import identify_libraries
from iqa_zoo.inference.corpus.shards import Shard
from iqa_zoo.inference.score import ScoreMeaning
from iqa_zoo.outputs import write_json
from iqa_zoo.training.run_folder import find_differences

FORMAT = "iqa_zoo scores of a corpus, 1"
NAME = "_manifest.json"  # readers of Parquet folders leave out such names


@dataclass(frozen=True)
class Manifest:
    """What scores depend on, and the shards that they are of.

    Attributes:
        scores: what the scores mean, as JSON takes it; the signature names weights, view and version.
        device: its type: scores of another one differ in the last digits.
        shards: ``source``, ``kind`` and ``identity`` of each.
    """

    scores: dict[str, Any]
    device: str
    shards: list[dict[str, Any]]

    @classmethod
    def make(cls, meaning: ScoreMeaning, device: str, shards: Sequence[Shard]) -> Manifest:
        listed = [dict(source=str(each.source), kind=each.kind, identity=each.identity) for each in shards]
        return cls(meaning.to_dict(), device, listed)

    def claim(self, folder: Path) -> None:
        """Write the manifest into a folder that has none, or check that the one there is the same.

        Raises:
            InputError: the folder holds other files, or parts of another model or other images; says what differs.
        """
        ours = {"format": FORMAT, "scores": self.scores, "device": self.device, "libraries": identify_libraries()}
        file = folder / NAME
        if not file.exists():
            if foreign := [path.name for path in folder.iterdir() if not path.name.startswith((".", "_"))]:
                raise InputError(f"{folder} holds other files ({', '.join(sorted(foreign)[:3])}); give a new folder")
            write_json(file, {**ours, "shards": self.shards})
            return
        theirs = _read(file)
        shards = theirs.pop("shards", [])
        lines = find_differences(theirs, ours)
        if shards != self.shards:
            changed = sum(each not in self.shards for each in shards[:10_000])
            lines.append(
                f"images: {len(shards)} shards there, {len(self.shards)} now; {changed or 'none'} of those there changed"
            )
        if lines:
            raise InputError(
                f"{folder} holds scores of something else:\n"
                + "\n".join(f"  - {line}" for line in lines)
                + "\nGo on as it was begun, or give another output"
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); give another output") from error
    if not isinstance(content, dict):
        raise InputError(f"{file} is no manifest of iqa-zoo score; give another output")
    return content
