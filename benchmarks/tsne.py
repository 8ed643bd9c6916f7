"""What do the stages of a backbone group images by? t-SNE of each, with numbers of how well the groups separate.

python benchmarks/tsne.py --backbone resnet18 --pretrained --by distortion
python benchmarks/tsne.py --backbone resnet18 --weights r18.safetensors --data livec --root ChallengeDB_release --by quality
python benchmarks/tsne.py --from runs/tsne-nss-demo-1a2b3c4d
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from iqa_zoo.build import build_model
from iqa_zoo.commands.shared import parse_path
from iqa_zoo.commands.study import (
    Bars,
    Bench,
    add_backbone_options,
    add_data_options,
    add_result_options,
    cache_use,
    check_options,
    crops_wanted,
    describe_data,
    load_data,
    run_folder,
    weights_in_words,
)
from iqa_zoo.engine.probe import LevelVectors, full_config, level_vectors, probe_carrier
from iqa_zoo.errors import InputError
from iqa_zoo.identity import describe_origin
from iqa_zoo.randomness import seeded
from iqa_zoo.reports.run import Script
from iqa_zoo.reports.tsne import tsne_figures, tsne_sentences, tsne_tables
from iqa_zoo.stats.separability import assign_quality_bands, embed_tsne, measure_separability

SCRIPT = Script("tsne", tsne_tables, tsne_sentences, tsne_figures)


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)
    return SCRIPT.run(arguments, study, lambda: run_folder(arguments, "tsne", arguments.backbone))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--from", dest="run", type=parse_path, metavar="RUN", help="print a run folder again")
    what = parser.add_argument_group("what is laid out")
    add_backbone_options(what)
    what.add_argument(
        "--every-block", action="store_true", help="every output that timm gives (default: stages 1 to 4)"
    )
    what.add_argument(
        "--by",
        choices=("distortion", "quality"),
        help="what the images are coloured and grouped by (default: distortion where the data names it)",
    )
    add_data_options(what)
    how = parser.add_argument_group("how")
    how.add_argument("--crops", type=int, default=None, help="crops an image, averaged (default: 4; 1 for demo)")
    how.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE (default: %(default)s)")
    how.add_argument("--seed", type=int, default=0, help="of crops, layout and random weights (default: %(default)s)")
    how.add_argument("--device", default=None, help="cpu, cuda or cuda:N (default: cuda where there is one)")
    how.add_argument(
        "--max-cache-gb", type=float, default=50.0, metavar="GB", help="do not start where the features need more disk"
    )
    how.add_argument("--dry-run", action="store_true", help="say what it would cost, and stop")
    add_result_options(parser.add_argument_group("results"))
    arguments = parser.parse_args(argv)
    if arguments.perplexity <= 0:
        parser.error(f"--perplexity is a positive number, got {arguments.perplexity:g}")
    arguments.selection = "last"  # nothing is trained
    arguments.ignore_look_alikes = True  # nothing is split
    check_options(parser, arguments)
    return arguments


def study(arguments: argparse.Namespace, console: Console) -> dict[str, Any] | None:
    started = time.perf_counter()
    with Bars(console) as report:
        data = load_data(arguments, report)
        by = arguments.by or ("distortion" if data.distortions else "quality")
        if by == "distortion" and data.distortions is None:
            raise InputError(f"{data.name} names no distortions; use --by quality")
        config = full_config(arguments.backbone)
        with seeded(arguments.seed):
            carrier = build_model(probe_carrier(config), pretrained=arguments.pretrained, weights=arguments.weights)
        levels = LevelVectors(carrier.backbone, every_block=arguments.every_block)
        bench = Bench(arguments, report, console, levels, config)
        bench.feature_cost(data)
        if arguments.dry_run:
            return None
        bank = bench.bank(data)
        bands = assign_quality_bands(data.mos, data.higher_is_better)
        classes = list(data.distortions) if by == "distortion" and data.distortions else bands
        tick = report("laying out")
        found = []
        for done, (level, info) in enumerate(levels.spec.stages.items(), start=1):
            vectors_IC = level_vectors(bank, level)
            try:
                numbers = measure_separability(vectors_IC, classes, data.contents, seed=arguments.seed)
            except ValueError as error:
                raise InputError(f"{data.name}: {error}") from error
            placed = embed_tsne(vectors_IC, seed=arguments.seed, perplexity=arguments.perplexity)
            found.append(
                {
                    "level": levels.names[level],
                    "channels": info.channels,
                    **asdict(numbers),
                    "layout": placed.round(3).tolist(),
                }
            )
            tick(done, len(levels.spec.stages))
    return {
        "command": [Path(sys.argv[0]).name, *(Path(word).name if "/" in word else word for word in sys.argv[1:])],
        **describe_origin(["iqa_zoo.stats.separability", "iqa_zoo.engine.probe"]),
        **cache_use([], bench),
        "data": describe_data(data),
        "backbone": arguments.backbone,
        "weights": weights_in_words(arguments),
        "crops": crops_wanted(arguments),
        "perplexity": arguments.perplexity,
        "seed": arguments.seed,
        "by": by,
        "classes": classes,
        "levels": found,
        "features": bank.key,
        "seconds": time.perf_counter() - started,
    }


if __name__ == "__main__":
    sys.exit(main())
