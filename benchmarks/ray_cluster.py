"""Score a corpus, and train a study, on a Ray cluster of two nodes on this machine; a node is killed half-way, then all is.

    python benchmarks/ray_cluster.py --images 2000 --shards 40

Prints what came out and its rate, and fails unless every row is there once with the score of one process, and the records of the
study are those of one process.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

STUDY = ("compare", "linear_probe", "--splits", "5", "--epochs", "2", "--no-latency", "--jobs", "1")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--side", type=int, default=64, help="pixels of each image")
    parser.add_argument("--only", choices=["corpus", "study"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.only != "study":
            show_corpus(Path(folder), args.images, args.shards, args.side)
        if args.only != "corpus":
            show_study(Path(folder))
    return 0


def show_corpus(folder: Path, images: int, shards: int, side: int) -> None:
    import pyarrow.parquet as pq

    tars = folder / "tars"
    write_shards(tars, images, shards, side)
    began = time.perf_counter()
    run("score", tars, "-o", folder / "one.parquet").wait()
    alone = images / (time.perf_counter() - began)
    print(
        f"one process: {images} images of {side} x {side} in {shards} shards, {alone:.1f} images a second with its start"
    )

    output = folder / "ray.parquet"
    parts = folder / "ray.parquet.parts"

    def count() -> int:
        return len(list(parts.glob("part-*.parquet")))

    with cluster() as (address, second):
        driver = run("score", tars, "-o", output, "--ray", address)
        await_(lambda: count() >= 1, driver)
        first, began = count(), time.perf_counter()
        await_(lambda: count() >= shards // 3, driver)
        rate = (count() - first) * images / shards / (time.perf_counter() - began)
        print(f"two nodes, a core each: {rate:.1f} images a second after the first shard")
        second.kill()
        print(f"killed one node at {count()} shards")
        await_(lambda: count() >= 2 * shards // 3, driver)
        driver.kill()
        driver.wait()
    kept = count()
    print(f"killed the command and the cluster at {kept} shards")
    with cluster() as (address, _):
        driver = run("score", tars, "-o", output, "--ray", address)
        assert driver.wait() == 0, "the second run failed"
    one, ray = (pq.read_table(path) for path in (folder / "one.parquet", output))
    keys = list(zip(ray["source"].to_pylist(), ray["row"].to_pylist(), strict=True))
    assert len(keys) == len(set(keys)) == images, "a row is lost or doubled"
    assert ray.equals(one), "the rows differ from those of one process"
    print(
        f"started again, {kept} shards kept: {len(keys)} rows, each once, equal to those of one process to the last bit"
    )


def show_study(folder: Path) -> None:
    run(*STUDY, "--out", folder / "one", cache=folder / "cache-one").wait()
    kept = folder / "cache-ray" / "runs"
    with cluster() as (address, second):
        driver = run(*STUDY, "--out", folder / "ray", "--ray", address, cache=folder / "cache-ray")
        await_(lambda: len(list(kept.glob("*.json"))) >= 2, driver)
        second.kill()
        print(f"study: killed one node at {len(list(kept.glob('*.json')))} trainings")
        assert driver.wait() == 0, "the study failed"
    run(*STUDY, "--out", folder / "slurm", "--slurm", "local", cache=folder / "cache-slurm").wait()
    one, ray, slurm = (read_records(folder / f"cache-{name}" / "runs") for name in ("one", "ray", "slurm"))
    assert one, "there are no records"
    assert ray == one, "records on Ray differ"
    assert slurm == one, "records of Slurm's local executor differ"
    print(
        f"study: {len(one)} trainings; records on Ray and of Slurm's local executor equal those of one process to the last bit"
    )


def read_records(folder: Path) -> dict[str, Any]:
    """Read the records of trainings by their key, without the seconds that each took."""
    records = {}
    for file in folder.glob("*.json"):
        record = json.loads(file.read_text())
        record.pop("seconds")
        records[file.stem] = record
    return records


def write_shards(folder: Path, images: int, shards: int, side: int) -> None:
    """Write tar files of noisy JPEG images, each of another strength."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:05d}.tar", "w") as archive:
            for i in range(shard * images // shards, (shard + 1) * images // shards):
                pixels = rng.normal(128, 1 + i % 60, (side, side, 3)).clip(0, 255).astype(np.uint8)
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "JPEG", quality=90)
                header = tarfile.TarInfo(f"{i:08d}.jpg")
                header.size = file.tell()
                file.seek(0)
                archive.addfile(header, file)


class Node:
    """A node of a cluster that can be killed."""

    def __init__(self, cluster_: Any, node: Any):
        self.cluster, self.node = cluster_, node

    def kill(self) -> None:
        self.cluster.remove_node(self.node, allow_graceful=False)


@contextmanager
def cluster() -> Iterator[tuple[str, Node]]:
    """Start two nodes of a core each; yield the address and the second node. What is left of them is killed at the end."""
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = started.add_node(num_cpus=1)
        started.wait_for_nodes()
        yield started.address, Node(started, second)
    finally:
        started.shutdown()


def run(*words: object, cache: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a command of iqa-zoo."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"IQA_ZOO_CACHE": str(cache)} if cache else {})
    return subprocess.Popen(
        [sys.executable, "-m", "iqa_zoo.cli", *map(str, words)], env=environment, stdout=subprocess.DEVNULL
    )


def await_(met: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    """Return when a condition is met; fail where the command ends before."""
    while not met():
        assert driver.poll() is None, f"the command ended early with exit code {driver.returncode}"
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
