"""Score a corpus shard by shard, in one process or on Ray; what was stopped goes on where it stopped."""

from __future__ import annotations

import functools
import secrets
import shutil
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from iqa_zoo.data.listing import escape_path
from iqa_zoo.errors import InputError
from iqa_zoo.inference.corpus.items import Item, read_items
from iqa_zoo.inference.corpus.manifest import Manifest
from iqa_zoo.inference.corpus.parquet import import_pyarrow
from iqa_zoo.inference.corpus.parts import PARTIAL, count_rows, merge_parts, name_part, write_part
from iqa_zoo.inference.corpus.shards import Shard
from iqa_zoo.inference.load import load
from iqa_zoo.inference.score import Score
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.jsonio import to_json
from iqa_zoo.outputs import check_folder_writable, make_folder
from iqa_zoo.progress import Progress
from iqa_zoo.training.workers import Failure, describe_failure, run_all

MOST_FAILURES = 10  # shards in a row: then it is not the shards
LOCK = ".lock"


@dataclass(frozen=True)
class Model:
    """Which model scores, so that another process loads the same: arguments of :func:`iqa_zoo.load` and ``with_crops``."""

    name: str | Path
    device: str | None = None
    crops: int | None = None

    def load(self) -> Scorer:
        """Load it.

        Raises:
            UnknownName, CheckpointError: no such model, or its weights are missing.
            InputError: a number of crops that the model does not take.
        """
        return load(self.name, self.device).with_crops(self.crops)


@dataclass(frozen=True)
class CorpusResult:
    """What :func:`score_corpus` did.

    Attributes:
        output: the file or folder.
        rows: of all shards that are done.
        errors: rows without a score.
        shards: in all.
        kept: shards that were done before.
        failed: one line for each shard that is not done.
    """

    output: Path
    rows: int
    errors: int
    shards: int
    kept: int
    failed: tuple[str, ...] = ()


def find_parts_folder(output: Path) -> Path:
    """Return the folder of the parts: the output itself, or one beside it where the output is a ``.parquet`` file."""
    return output.with_name(f"{output.name}.parts") if output.suffix.lower() == ".parquet" else output


def score_corpus(
    model: Model,
    shards: Sequence[Shard],
    output: Path,
    *,
    scorer: Scorer | None = None,
    ray: str | None = None,
    progress: Progress | None = None,
) -> CorpusResult:
    """Score all shards into Parquet: each is one part file, written at once, and a part that is there is not scored again.

    Memory does not grow with the corpus, besides the list of its shards. An image that has no score is a row with an ``error``.
    The rows are the same in one process and on Ray.

    Args:
        model: what scores.
        shards: of :func:`iqa_zoo.inference.corpus.shards.find_shards`.
        output: a ``.parquet`` file, which is written from the parts when all are done, or a folder that keeps the parts.
        scorer: the model, where it is loaded already.
        ray: address of a Ray cluster (``auto``, ``local`` or as ``ray.init`` takes it); its machines need this environment, and the
            images and the output under the same paths. A task takes a GPU where ``model.device`` is ``cuda``, otherwise a core.
        progress: called with (shards done, shards in all).

    Raises:
        InputError: the output is of other images or another model, is being written by another process, or cannot be written;
            :data:`MOST_FAILURES` shards in a row fail.
    """
    import_pyarrow()
    scorer = scorer or model.load()
    scores = to_json(scorer.meaning.to_dict())
    folder = find_parts_folder(output)
    check_folder_writable(folder)
    make_folder(folder)
    with _holding(folder):
        Manifest.make(scorer.meaning, scorer.model.device.type, shards).claim(folder)
        for partial in folder.glob(f".*{PARTIAL}"):  # of a process that was killed
            partial.unlink(missing_ok=True)
        parts = [name_part(folder, number) for number in range(len(shards))]
        left = [number for number, part in enumerate(parts) if not part.exists()]
        calls = [(model, shards[number], parts[number], scores) for number in left]
        if ray is None:
            done = _run_here(scorer, calls)
        else:
            on_gpu = scorer.model.device.type == "cuda"
            done = run_all(score_shard, calls, ray=ray, gpus=int(on_gpu))
        failed = _follow(done, [shards[number] for number in left], len(shards), progress)
        counts = [count_rows(part) for part in parts if part.exists()]
        rows, errors = (sum(count) for count in zip(*counts, strict=True)) if counts else (0, 0)
        result = CorpusResult(output, rows, errors, len(shards), len(shards) - len(left), tuple(failed))
        if output != folder and not failed:
            merge_parts(parts, output, scores, errors)
    if output != folder and not failed:
        _remove(folder)
    return result


def _remove(folder: Path) -> None:
    """Remove a folder so that a killed process leaves it whole, or hidden under another name."""
    removed = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}{PARTIAL}")
    folder.rename(removed)
    shutil.rmtree(removed)


def score_shard(model: Model, shard: Shard, part: Path, scores: str) -> None:
    """Score a shard into its part, in any process; the model is loaded once in each.

    Raises:
        InputError: the part cannot be written.
        OSError: the images cannot be read for now.
    """
    _write_shard(_load_once(model), shard, part, scores)


_load_once = functools.lru_cache(maxsize=1)(Model.load)


def _write_shard(scorer: Scorer, shard: Shard, part: Path, scores: str) -> None:
    check_folder_writable(part.parent)  # before the work
    source = escape_path(shard.source)
    with closing(score_items(scorer, read_items(shard))) as scored:
        write_part(part, (_make_row(source, item, score) for item, score in scored), scores)


def score_items(scorer: Scorer, items: Iterable[Item]) -> Generator[tuple[Item, Score], None, None]:
    """Yield each item with its score, in order; an item that cannot be read has a score with its error."""
    waiting: deque[Item] = deque()  # read, and not yet yielded

    def take_images() -> Iterator[Path | bytes]:
        for item in items:
            waiting.append(item)
            if item.image is not None:
                yield item.image

    def take_errors() -> Iterator[tuple[Item, Score]]:
        while waiting and waiting[0].image is None:
            item = waiting.popleft()
            yield item, Score(None, error=item.error)

    for score in scorer.score_each(take_images()):
        yield from take_errors()
        yield waiting.popleft(), score
    yield from take_errors()


def _make_row(source: str, item: Item, score: Score) -> dict[str, Any]:
    values = score.to_dict()
    del values["path"]
    return {"source": source, "row": item.row, "image": item.name, **values}


def _run_here(scorer: Scorer, calls: Sequence[tuple[Model, Shard, Path, str]]) -> Iterator[tuple[int, Failure | None]]:
    """Score the shards in this process, with all threads of torch. Unlike an input that fails, a full disk ends the work."""
    for position, (_, shard, part, scores) in enumerate(calls):
        try:
            _write_shard(scorer, shard, part, scores)
        except OSError as error:
            yield position, describe_failure(error)
        else:
            yield position, None


def _follow(
    done: Iterator[tuple[int, Any]], shards: Sequence[Shard], total: int, progress: Progress | None
) -> list[str]:
    """Report progress until all is done; return one line for each shard that failed."""
    failed: list[str] = []
    in_a_row = 0
    for count, (position, result) in enumerate(done, start=1):
        if isinstance(result, Failure):
            failed.append(f"{shards[position].describe()}: {result.error}")
            in_a_row += 1
            if in_a_row == MOST_FAILURES:
                raise InputError(f"shards that failed in a row: {in_a_row}, the last with: {failed[-1]}")
        else:
            in_a_row = 0
        if progress:
            progress(total - len(shards) + count, total)
    return failed


@contextmanager
def _holding(folder: Path) -> Iterator[None]:
    """Hold a folder of parts, which one run at a time may write; the lock ends with the process."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another process writes to {folder}; wait for it, or give another output") from None
    except (OSError, NotImplementedError) as error:
        raise InputError(f"{folder} cannot be locked ({error}); give an output on another disk") from error
    try:
        yield
    finally:
        lock.release()
