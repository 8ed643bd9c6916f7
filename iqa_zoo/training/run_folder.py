"""The folder of a training: its description, its progress and its result.

run.json             what the numbers depend on: config, recipe, data, split, seed, code, versions of libraries
split.json           the split, as a file that others can use
history.json         each epoch: loss, validation metrics, rate, seconds
checkpoints/         the state to resume from (iqa_zoo.training.state)
weights.safetensors  the weights of the selected epoch
result.json          test metrics and predictions of a finished training
log/                 scalars that mmengine's backends write
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from iqa_zoo.cache import cache_folder, hold_lock
from iqa_zoo.errors import CheckpointError, InputError
from iqa_zoo.identity import digest
from iqa_zoo.jsonio import to_json
from iqa_zoo.training.checkpoints import make_write_error

FORMAT = "iqa_zoo run, version 1"
# Keys that may differ between a run and its resumption: where it is computed, names, arguments, and a key of older runs.
FREE = ("device", "world", "sharded", "recipe_name", "arguments", "source")
MEANINGS = {
    "data.images_hash": "the images to train on or to validate with, or their names, changed",
    "data.test_images_hash": "the test images, or their names, changed",
    "data.labels_hash": "labels, references, distortions or the scale changed",
    "initial_weights": "the weights that training starts from changed",
}


@contextmanager
def hold_run(folder: str | Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a run's folder: two processes that train there would remove each other's files.

    The lock is a file in the cache. If the cache cannot be written, nothing is locked.

    Args:
        folder: of the run; it need not exist.
        wait: wait for another process that trains there, instead of raising an error.

    Raises:
        InputError: another process trains there.
    """
    with ExitStack() as stack:
        held = True
        with suppress(InputError):
            name = f"run-{digest(str(Path(folder).resolve()))}"
            held = stack.enter_context(hold_lock(cache_folder(), name, wait=wait))
        if not held:
            raise InputError(f"another process trains in {folder}; wait until it ends, or name another folder")
        yield


class RunFolder:
    """The files of one training.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    def exists(self) -> bool:
        return (self.path / "run.json").is_file()

    def begin(self, run: Mapping[str, Any], *, resume: bool) -> None:
        """Write ``run.json``, or check that the existing one describes the same run.

        Raises:
            InputError: a run exists and ``resume`` is False, or the folder cannot be written.
            CheckpointError: the existing run differs; names the keys.
        """
        with self.writing():
            if not self.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                self.write("run", {"format": FORMAT, **run})
                return
        if not resume:
            raise InputError(f"{self.path} holds a run already; go on with --resume, or name another folder")
        begun = self.read("run")
        if differing := find_differences(begun, {"format": FORMAT, **run}):
            if self._has_repaired_test_images(begun, differing):
                with self.writing():
                    self.write("run", {"format": FORMAT, **run})
                return
            lines = "\n".join(f"  - {line}" for line in differing)
            raise CheckpointError(
                f"{self.path} holds a run that differs from what was asked for:\n{lines}\n"
                "Go on as it was begun, or name another folder for the other run"
                f" (--weights {self.weights} starts it from these weights)"
            )

    def _has_repaired_test_images(self, begun: Mapping[str, Any], differing: Sequence[str]) -> bool:
        """Return whether only the test images differ and no number depends on them yet, as after a damaged one is replaced."""
        measured = begun.get("peek") or (self.path / "result.json").is_file()
        return not measured and all(line.startswith("data.test_images_hash:") for line in differing)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn a full disk or a missing permission into an error that names the checkpoint to resume from.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            yield
        except (OSError, SafetensorError) as error:
            raise make_write_error(self.path, error, self.checkpoints) from error

    def read(self, name: str) -> Any:
        """Read ``name.json``.

        Raises:
            CheckpointError: the file is missing, damaged or of another version; lists the files of the folder.
        """
        file = self.path / f"{name}.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            there = ", ".join(sorted(path.name for path in self.path.glob("*"))) if self.path.is_dir() else ""
            content = f"it holds {there}" if there else "there is nothing"
            raise CheckpointError(f"{self.path} is not a run of iqa-zoo train: no {file.name}; {content}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
        if name == "run":
            written = content.get("format", FORMAT) if isinstance(content, dict) else type(content).__name__
            if written != FORMAT:
                raise CheckpointError(
                    f"{file} is of another version: it holds {written!r}, and this iqa_zoo reads {FORMAT!r}"
                )
        return content

    def write(self, name: str, content: Any) -> None:
        """Write ``name.json`` atomically."""
        partial = self.path / f"{name}.json.partial"
        partial.write_text(to_json(content, indent=1), encoding="utf-8")
        os.replace(partial, self.path / f"{name}.json")


def find_differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[str]:
    """Return one line for each key in which two runs differ.

    >>> find_differences({"recipe": {"lr": 1.0, "epochs": 3}}, {"recipe": {"lr": 2.0, "epochs": 3}})
    ['recipe.lr: 1.0 there, 2.0 asked for']
    """
    lines = []
    for key in dict.fromkeys([*before, *now]):
        if not path and key in FREE:
            continue
        there, requested = before.get(key, "nothing"), now.get(key, "nothing")
        if isinstance(there, Mapping) and isinstance(requested, Mapping):
            lines += find_differences(there, requested, f"{path}{key}.")
        elif isinstance(there, list) and isinstance(requested, list | tuple) and len(there) == len(requested):
            lines += find_differences(_number_items(there), _number_items(requested), f"{path}{key}.")
        elif _to_plain(there) != _to_plain(requested):
            there, requested = (
                "a value" if isinstance(value, Mapping) else repr(value) for value in (there, requested)
            )
            meaning = "its source changed" if path.startswith("code.") else MEANINGS.get(f"{path}{key}")
            lines.append(f"{path}{key}: {there} there, {requested} asked for{f' ({meaning})' if meaning else ''}")
    return lines


def _number_items(values: Sequence[Any]) -> dict[str, Any]:
    return {str(i): _to_plain(value) for i, value in enumerate(values)}


def _to_plain(value: Any) -> Any:
    """Return a value as JSON reads it back: tuples become lists."""
    return json.loads(json.dumps(value, default=str))
