"""Time a model's forward pass in multiples of its backbone's alone, in turn in one run.

    python benchmarks/inference.py                       # Life-IQA on Swin-B, four images, eval and inference mode
    python benchmarks/inference.py deiqt --batch 1 --threads 4
    python benchmarks/inference.py lifeiqa --compile     # both also compiled (needs what torch.compile needs)

The backbone alone is timm's own ``forward_features``, without this package's wrapper (the wrapper where a backbone is
not timm's). Every round times the backbone and the model one after the other; the figure is the median over the rounds
of model / backbone with a 95 % interval of that median, so that a machine which slows down for a while slows both.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from scipy.stats import quantile_test
from torch import Tensor

from iqa_zoo.backbones.timm_features import TimmFeatures
from iqa_zoo.budgets.timing import CLOCKS, time_in_turn
from iqa_zoo.build import build_model
from iqa_zoo.commands.shared import add_set_option, console, parse_count, parse_path, print_json
from iqa_zoo.errors import InputError
from iqa_zoo.identity import describe_origin, find_part_modules
from iqa_zoo.outputs import write_json
from iqa_zoo.program import run_program
from iqa_zoo.progress import Terminal
from iqa_zoo.quality_model import QualityModel
from iqa_zoo.reports.table import Table
from iqa_zoo.training.devices import select_device


def list_ways(model: QualityModel, compiled: bool = False) -> dict[str, Callable[[Tensor], Any]]:
    """Return the backbone alone and the model, and both compiled on request, in the order in which they take turns."""
    backbone = model.backbone
    alone: Callable[[Tensor], Any] = backbone.model.forward_features if isinstance(backbone, TimmFeatures) else backbone
    ways = {"backbone": alone, "model": model}
    if compiled:
        ways |= {"backbone, compiled": torch.compile(alone), "model, compiled": torch.compile(model)}
    return ways


def compute_ratio(seconds: Mapping[str, list[float]], way: str, to: str) -> dict[str, float]:
    """Return the median over the rounds of one way's time in multiples of another's, and its 95 % interval."""
    paired = np.array(seconds[way]) / np.array(seconds[to])
    interval = quantile_test(paired, q=1, p=0.5).confidence_interval()
    low, high = (float(paired.min()), float(paired.max())) if len(paired) < 6 else (interval.low, interval.high)
    return {"median": float(np.median(paired)), "low": float(low), "high": float(high)}


def count_graph_breaks(model: QualityModel, image_BCHW: Tensor) -> int:
    """Return how often torch.compile leaves the graph of a forward pass."""
    torch.compiler.reset()
    with torch.inference_mode():
        return int(torch._dynamo.explain(model)(image_BCHW).graph_break_count)


def _run(way: Callable[[Tensor], Any], image_BCHW: Tensor) -> None:
    way(image_BCHW)
    if image_BCHW.is_cuda:
        torch.cuda.synchronize()


def benchmark(options: argparse.Namespace) -> dict[str, Any]:
    """Return everything that is printed or saved."""
    torch.set_num_threads(options.threads)
    device = select_device(options.device)
    torch.manual_seed(0)
    model = build_model(options.model, overrides=dict(options.set)).eval().to(device)
    size = model.spec.image_size
    image_BCHW = torch.randn(options.batch, 3, size, size, device=device)
    try:
        breaks = count_graph_breaks(model, image_BCHW) if options.compile else None
        ways = list_ways(model, options.compile)
        with Terminal().running() as terminal, torch.inference_mode():
            stage = terminal.start("compiling, warming up, timing" if options.compile else "timing")
            jobs = [functools.partial(_run, way, image_BCHW) for way in ways.values()]
            times = time_in_turn(jobs, options.rounds, warm_up=2, clock=CLOCKS[options.clock], progress=stage)
        seconds = dict(zip(ways, times, strict=True))
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"torch.compile: {reason}; leave --compile out") from error
    pairs = [name for name in ways if name.startswith("model")]
    return {
        "model": str(options.model),
        "set": dict(options.set),
        "backbone": model.config["backbone"].get("name", model.config["backbone"]["type"]),
        "image_size": size,
        **{name: getattr(options, name) for name in ("batch", "rounds", "threads", "clock")},
        "device": str(device),
        **describe_origin(["iqa_zoo.build", *find_part_modules(model.config)]),
        "graph_breaks": breaks,
        "ratios": {name: compute_ratio(seconds, name, name.replace("model", "backbone")) for name in pairs},
        "seconds": seconds,
    }


def make_table(results: Mapping[str, Any]) -> Table:
    """Return the results as a table."""
    rows = []
    for name, times in results["seconds"].items():
        found = results["ratios"].get(name)
        times_backbone = f"{found['median']:.3f}  ({found['low']:.3f} to {found['high']:.3f})" if found else "1"
        rows.append([name, f"{1000 * statistics.median(times):.1f}", f"{1000 * min(times):.1f}", times_backbone])
    notes = ["Median of the rounds' ratios and its 95 % interval (all rounds' range where they are fewer than 6)."]
    if results["graph_breaks"] is not None:
        notes.append(f"Graph breaks in the model's forward pass: {results['graph_breaks']}.")
    size = results["image_size"]
    return Table(
        f"{results['model']} on {results['backbone']}: {results['batch']} images of {size}x{size}, "
        f"{results['device']}, {results['threads']} thread(s), {results['rounds']} rounds, {results['clock']} clock",
        ["forward pass", "ms, median", "ms, least", "times its backbone"],
        rows,
        notes,
        left=["forward pass"],
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="lifeiqa", help="a zoo name, or a .yaml or .json file")
    parser.add_argument("--batch", type=parse_count, default=4, help="images a forward pass")
    parser.add_argument("--rounds", type=parse_count, default=21, help="more for a noisy machine")
    parser.add_argument("--threads", type=parse_count, default=torch.get_num_threads(), help="of torch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: the time of this process alone")
    parser.add_argument("--compile", action="store_true", help="time both compiled by torch.compile as well")
    parser.add_argument("--json", action="store_true", help="print JSON, with the seconds of every round")
    parser.add_argument("--out", type=parse_path, metavar="FILE", help="write the same JSON to a file")
    add_set_option(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)

    def work() -> int:
        results = benchmark(options)
        if options.out:
            write_json(options.out, results)
        if options.json:
            print_json(results)
        else:
            console().print(make_table(results).rich())
        return 0

    return run_program(work, lambda message: print(f"inference: {message}", file=sys.stderr))


if __name__ == "__main__":
    sys.exit(main())
