"""What it costs to score a corpus: hours, machine-hours and money, from measured rates and a simulation of stragglers and failures.

    python benchmarks/corpus_cost.py --images 1e9 --rate 40 --workers 64 256 1024 --price 0.04

A worker is a core or a GPU. ``--rate`` is what one scores a second, measured on your photographs:
``iqa-zoo score SHARD.tar -o test.parquet`` with ``OMP_NUM_THREADS=1``, whose images divided by its seconds are the rate.

The work is cut into shards, each done by one worker from the start to the end, as ``iqa-zoo score --ray`` does. The simulation gives each
worker a speed (log-normal: some machines are slow), and each shard a size of its own (log-normal: photographs differ). Workers
fail at random (exponential, one failure in ``--mtbf`` hours of work); a failure loses what was done of its shard, which another worker takes,
and the worker comes back after ``--restart`` seconds. What is printed:

* ideal: images / (rate x workers), without any loss.
* hours: until the last shard is done, mean and the worst of the simulations.
* lost: work that was done twice, in percent of the work.
* idle: workers that wait for the last shards, in percent of worker-hours. Smaller shards mean less of both; each shard costs a start.
* cost: worker-hours, from the first to the last, times the price.

The storage of photographs, and what it costs to read them from another place, are not in it.
"""

from __future__ import annotations

import argparse
import heapq
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MOST_SHARDS = 20_000  # that are simulated; of more, so many times fewer workers and shards stand for all
ROW_BYTES = 42  # of a row of scores in Parquet, measured on 10,000 rows of drawn scores


@dataclass(frozen=True)
class Plan:
    """How a corpus is scored.

    Attributes:
        images: in all.
        rate: images a second of one worker.
        workers: cores or GPUs.
        shard: images of one shard.
        start: seconds that each shard costs besides its images.
        spread_workers, spread_shards: standard deviation of the logarithm of a worker's speed and of a shard's work.
        mtbf: hours of work between two failures of a worker; ``inf`` for none.
        restart: seconds until a worker that failed is back.
    """

    images: float
    rate: float
    workers: int
    shard: int = 10_000
    start: float = 1.0
    spread_workers: float = 0.15
    spread_shards: float = 0.2
    mtbf: float = 500.0
    restart: float = 120.0

    @property
    def ideal_hours(self) -> float:
        """Hours without any loss."""
        return self.images / self.rate / self.workers / 3600


@dataclass(frozen=True)
class Outcome:
    """What one simulation gave: hours until all is done, and shares of worker-hours that were lost to failures or idle at the end."""

    hours: float
    lost: float
    idle: float


def simulate(plan: Plan, seed: int = 0) -> Outcome:
    """Give shards to workers as they become free, with stragglers and failures.

    >>> even = Plan(images=8000, rate=10, workers=4, shard=100, start=0, spread_workers=0, spread_shards=0, mtbf=math.inf)
    >>> bool(simulate(even).hours == even.ideal_hours)
    True
    """
    shards = math.ceil(plan.images / plan.shard)
    # Shards per worker, which decide what stragglers cost, stay the same.
    fewer = max(1.0, shards / MOST_SHARDS)
    workers = max(1, min(round(plan.workers / fewer), shards))
    shards = max(1, round(shards * workers / plan.workers)) if fewer > 1 else shards
    rng = np.random.default_rng(seed)
    # The mean of both is 1, so that the rate is that of the average worker.
    speeds = rng.lognormal(-(plan.spread_workers**2) / 2, plan.spread_workers, workers)
    factors = rng.lognormal(-(plan.spread_shards**2) / 2, plan.spread_shards, shards)
    full = min(plan.shard, plan.images) / plan.rate
    waiting = [plan.start + full * factor for factor in factors][::-1]  # seconds of a worker of speed 1
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    running: list[tuple[float, float]] = []  # (when it fails, its work), of shards whose worker fails
    end = lost = busy = 0.0
    while waiting or running:
        now, worker = heapq.heappop(free)
        while running and (not waiting or running[0][0] <= now):  # a lost shard waits again
            failed_at, work = heapq.heappop(running)
            now = max(now, failed_at)
            waiting.append(work)
        work = waiting.pop()
        seconds = work / speeds[worker]
        until_failure = rng.exponential(plan.mtbf * 3600) if math.isfinite(plan.mtbf) else math.inf
        if until_failure < seconds:
            lost += until_failure
            busy += until_failure
            heapq.heappush(running, (now + until_failure, work))
            heapq.heappush(free, (now + until_failure + plan.restart, worker))
            continue
        busy += seconds
        end = max(end, now + seconds)
        heapq.heappush(free, (now + seconds, worker))
    return Outcome(end / 3600, lost / busy, 1 - busy / (end * workers))


def describe(plan: Plan, price: float, repeats: int) -> str:
    """Format the row of a plan, from several simulations."""
    outcomes = [simulate(plan, seed) for seed in range(repeats)]
    mean = float(np.mean([each.hours for each in outcomes]))
    worst = max(each.hours for each in outcomes)
    lost, idle = (100 * float(np.mean([getattr(each, name) for each in outcomes])) for name in ("lost", "idle"))
    hours = mean * plan.workers
    cells = [
        f"{plan.workers:,}", f"{plan.ideal_hours:,.1f}", f"{mean:,.1f}", f"{worst:,.1f}", f"{lost:.2f} %", f"{idle:.1f} %",
        f"{hours:,.0f}", f"{hours * price:,.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    defaults = Plan(1, 1, 1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=float, default=1e9)
    parser.add_argument("--rate", type=float, required=True, help="images a second of one worker, measured")
    parser.add_argument("--workers", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--price", type=float, required=True, help="of one worker for an hour, in any currency")
    parser.add_argument("--shard", type=int, default=defaults.shard, help="images of one shard")
    parser.add_argument(
        "--start", type=float, default=defaults.start, help="seconds that a shard costs besides its images"
    )
    parser.add_argument("--spread-workers", type=float, default=defaults.spread_workers)
    parser.add_argument("--spread-shards", type=float, default=defaults.spread_shards)
    parser.add_argument(
        "--mtbf", type=float, default=defaults.mtbf, help="hours of work between two failures of a worker"
    )
    parser.add_argument("--restart", type=float, default=defaults.restart, help="seconds until a worker is back")
    parser.add_argument("--repeats", type=int, default=5)
    args = vars(parser.parse_args(arguments))
    price, repeats, workers = (args.pop(name) for name in ("price", "repeats", "workers"))
    if min(args["images"], args["rate"], args["shard"], *workers, repeats) <= 0:
        parser.error("images, rate, shard, workers and repeats are above 0")
    print(
        f"{args['images']:,.0f} images at {args['rate']:g} a second and worker, in shards of {args['shard']:,}; a failure in "
        f"{args['mtbf']:g} hours of a worker; {repeats} simulations. The scores take "
        f"{args['images'] * ROW_BYTES / 1e9:,.0f} GB.\n"
    )
    print("| workers | ideal hours | hours | worst | lost | idle | worker-hours | cost |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for count in workers:
        print(describe(Plan(workers=count, **args), price, repeats))
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
