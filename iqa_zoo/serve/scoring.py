"""Score photographs in threads, a few at a time, while the server goes on answering."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from iqa_zoo.data.images import decode_image
from iqa_zoo.errors import InputError, UnknownName, not_one_of
from iqa_zoo.explain.score_map import compute_score_map
from iqa_zoo.inference.load import load
from iqa_zoo.inference.scorer import Scorer
from iqa_zoo.inference.workers import choose_workers, use_one_thread
from iqa_zoo.serve.answers import MapAnswer, PhotographAnswer, ScoreAnswer
from iqa_zoo.serve.limits import LONGEST_NAME, Limits

Result = TypeVar("Result")
MOST_CROPS = 100  # of a photograph; a model of a hub says itself how many it takes


def load_models(named: Mapping[str, str | Path], device: str | None = None) -> dict[str, Scorer]:
    """Load models, each a name, the folder of a training, or an address on a hub; by the names of the server.

    Raises:
        UnknownName: there is no such model.
        HubError: a model cannot be fetched.
        InputError: a model takes so many crops of a photograph that one request would hold the server up.
    """
    scorers = {name: load(given, device) for name, given in named.items()}
    for name, scorer in scorers.items():
        if scorer.meaning.crops > MOST_CROPS:
            raise InputError(
                f"{name} takes {scorer.meaning.crops} crops of a photograph; a server takes at most {MOST_CROPS}"
            )
    return scorers


class ScoringPool:
    """The models of a server and the threads in which they score.

    Args:
        scorers: by name; the first is the default.
        limits: of the server.
    """

    def __init__(self, scorers: Mapping[str, Scorer], limits: Limits):
        if not scorers:
            raise InputError("give at least one model")
        self.scorers, self.limits = dict(scorers), limits
        workers = choose_workers(next(iter(self.scorers.values())).model.device)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="score", initializer=use_one_thread)

    def select(self, names: Sequence[str] | None) -> list[str]:
        """Return the models of these names, each once; the default where none is named.

        Raises:
            UnknownName: no such model is loaded.
        """
        chosen = list(dict.fromkeys(names or [next(iter(self.scorers))]))
        for name in chosen:
            if name not in self.scorers:
                raise UnknownName(not_one_of(name[:LONGEST_NAME], self.scorers, "model"))
        return chosen

    async def score(self, content: bytes, name: str, models: Sequence[str]) -> PhotographAnswer:
        """Score a photograph by each of these models; what cannot be scored has an ``error``."""
        try:
            return await self._compute(lambda: self._score(content, name, models), name)
        except InputError as problem:
            return PhotographAnswer(name, error=str(problem))

    async def map(self, content: bytes, name: str, model: str) -> MapAnswer:
        """Return the score map of a photograph.

        Raises:
            InputError: it cannot be scored.
        """
        return await self._compute(lambda: self._map(content, name, model), name)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _compute(self, work: Callable[[], Result], name: str) -> Result:
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.wait_for(running, self.limits.score_seconds)
        except TimeoutError:
            seconds = self.limits.score_seconds
            raise InputError(f"{name} was not scored within {seconds:g} seconds; the server is busy") from None

    def _score(self, content: bytes, name: str, models: Sequence[str]) -> PhotographAnswer:
        self.limits.check_photograph(content, name)
        image_HWC = decode_image(content, name)
        scores = [ScoreAnswer.convert(model, self.scorers[model].score([image_HWC])[0]) for model in models]
        height, width = image_HWC.shape[:2]
        return PhotographAnswer(name, height, width, scores)

    def _map(self, content: bytes, name: str, model: str) -> MapAnswer:
        self.limits.check_photograph(content, name)
        image_HWC = decode_image(content, name)
        found = compute_score_map(self.scorers[model], image_HWC, most=self.limits.regions)
        return MapAnswer.convert(name, model, found)
