"""What a user waits for: commands in processes of their own."""

from __future__ import annotations

import itertools
import json

from benchmarks.speed_rows.photographs import make_photographs
from benchmarks.speed_rows.row import Row, Setup, Timed, run_cli, run_python
from iqa_zoo.errors import InputError

IMPORTS = "import torch, timm"
MATCH = """
import time
started = time.perf_counter()
import torch
imported = time.perf_counter()
import iqa_zoo
iqa_zoo.match_budget("vanilla_decoder", to="lifeiqa")
print(time.perf_counter() - imported, imported - started)
"""
SMALL = ["--splits", "1", "--epochs", "1", "--images", "120", "--no-latency"]


def measure_start(setup: Setup, word: str) -> Timed:
    """Time a command that computes nothing, and Python alone."""
    jobs = [lambda: run_cli(word), lambda: run_python("-c", "pass")]
    return Timed(*setup.time(f"start.{word.strip('-')}", jobs, rounds=15))


def measure_matching(setup: Setup) -> Timed:
    """Time ``match_budget`` for two decoders of Swin-B in a process that has imported torch, and that import."""
    pairs: list[list[float]] = []

    def match() -> None:
        pairs.append([float(value) for value in run_python("-c", MATCH).split()])

    setup.time("matching", [match], rounds=7)
    ours, reference = zip(*pairs[1:], strict=True)
    return Timed(list(ours), list(reference))


def measure_scores(setup: Setup) -> Timed:
    """Time ``iqa-zoo score`` of three photographs, and the import of torch and timm."""
    data = make_photographs(setup.scratch / "three", 3, height=384, width=512)
    paths = [str(path) for path in data.paths]
    return Timed(*setup.time("scoring.three", [lambda: run_cli("score", *paths), lambda: run_python("-c", IMPORTS)], 7))


def measure_compare(setup: Setup) -> Timed:
    """Time the first command of the README with an empty cache, and the import of torch and timm."""
    caches = (setup.scratch / f"compare-{number}" for number in itertools.count())
    small = SMALL if setup.quick else ["--splits", "10"]
    found: list[str] = []

    def compare() -> None:
        found.append(run_cli("compare", "lifeiqa", "deiqt", *small, "--json", cache=next(caches)))

    times = setup.time("compare.box", [compare, lambda: run_python("-c", IMPORTS)], rounds=3, warm_up=0)
    return Timed(*times, _list_sroccs(found[-1]))


def measure_compare_cached(setup: Setup) -> Timed:
    """Time ten splits on features of ResNet-18 that are in the cache.

    Raises:
        InputError: there is no folder of LIVEC.
    """
    if setup.root is None:
        raise InputError("compare.livec: give --root FOLDER, the folder of LIVEC with its photographs")
    words = ["compare", "lifeiqa", "deiqt", "--data", "livec", "--root", str(setup.root), "--backbone", "resnet18"]
    cache, found = setup.scratch / "livec", list[str]()
    run_cli(*words, "--splits", "1", "--epochs", "1", "--no-latency", cache=cache)
    small = ["--splits", "1", "--epochs", "1", "--no-latency"] if setup.quick else ["--splits", "10"]

    def compare() -> None:
        found.append(run_cli(*words, *small, "--fresh", "--json", cache=cache))

    times = setup.time("compare.livec", [compare, lambda: run_python("-c", IMPORTS)], rounds=3, warm_up=0)
    return Timed(*times, _list_sroccs(found[-1]))


def _list_sroccs(text: str) -> dict[str, float | str]:
    """Return the median SROCC of each model of a comparison that was printed as JSON."""
    by_model: dict[str, list[float]] = {}
    for record in json.loads(text)["runs"]:
        by_model.setdefault(record["model"], []).append(record["srocc"])
    return {f"SROCC of {model}": round(sorted(each)[len(each) // 2], 4) for model, each in by_model.items()}


ROWS = [
    Row(
        "start.list", "iqa-zoo list", "python -c pass", "seconds", 0.4, 0.3, lambda setup: measure_start(setup, "list")
    ),
    Row(
        "start.help",
        "iqa-zoo --help",
        "python -c pass",
        "seconds",
        0.4,
        0.3,
        lambda setup: measure_start(setup, "--help"),
    ),
    Row(
        "matching",
        "match_budget of two decoders on Swin-B, torch imported before",
        "the import of torch",
        "seconds",
        2,
        1,
        measure_matching,
    ),
    Row(
        "scoring.three",
        "iqa-zoo score of three photographs",
        "the import of torch and timm",
        "cost",
        None,
        1.5,
        measure_scores,
    ),
    Row(
        "compare.box",
        "compare lifeiqa deiqt, ten splits, empty cache",
        "the import of torch and timm",
        "seconds",
        60,
        4,
        measure_compare,
    ),
    Row(
        "compare.livec",
        "compare lifeiqa deiqt, ten splits, cached features of ResNet-18 (with --root)",
        "the import of torch and timm",
        "seconds",
        100,
        8,
        measure_compare_cached,
    ),
]
