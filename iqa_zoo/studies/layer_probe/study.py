"""Which stages of a backbone carry quality? A linear head and a ridge on each one's mean, beside random weights and all stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from iqa_zoo.data.boxed import find_named_box
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.studies.layer_probe import report
from iqa_zoo.studies.layer_probe.options import BACKBONES, HEADS, Options, Settings
from iqa_zoo.studies.layer_probe.probing import (
    LINEAR_RATE,
    build_probed,
    compare_probes,
    make_baseline_rows,
    make_rows,
    run_probe,
)
from iqa_zoo.studies.protocol import describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import FrozenRunner, Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.weights import check_named_weights


@register_study("layer_probe")
class LayerProbe(Settings, Study):
    """Read quality from each stage of a backbone with a linear head and a ridge."""

    title = "a probe of layers"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("backbone", "control", "level", "head", *Study.columns[2:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        options: Options = spec.options
        if spec.data.boxed and options.backbones == BACKBONES and not options.weights:  # what there are features of
            name = find_named_box(spec.data.data).backbone["name"]
            spec = replace(spec, options=replace(options, backbones=(name,), pretrained=True))
        check_named_weights(dict(spec.options.weights), spec.options.backbones)
        if wrong := set(spec.options.heads) - set(HEADS):
            raise InputError(f"--heads: {', '.join(sorted(wrong))} is none of {', '.join(HEADS)}")
        return replace(spec, backbone=replace(spec.backbone, backbone=", ".join(spec.options.backbones)))

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        options: Options = spec.options
        probed, refused = build_probed(spec)
        for row in refused:
            progress.log(f"left out: {row['backbone']}: {row['reason']}")
        if spec.data.boxed and not options.no_control:
            progress.log("left out: random weights as a control, which need the photographs (--root)")
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data)
        runners = {
            each.label: FrozenRunner(spec.on_backbone(each.name), progress, each.levels, each.config) for each in probed
        }
        for label, runner in runners.items():
            progress.log(f"{label}:")
            runner.log_feature_cost(data)
        if spec.resources.dry_run:
            return None
        records: list[Record] = []
        for each in probed:
            records += run_probe(each, runners[each.label], data, splits)
        done = select_succeeded(records)
        differences = compare_probes(probed, records, options.heads, data, splits, spec.statistics.margin)
        return {
            **describe_conditions(spec, data, splits),
            **describe_cache_use(records, *runners.values()),
            "weights": "; ".join(f"{each.label}: {each.weights}" for each in probed),
            "baseline": BASELINE,
            "baseline_reads": ["every level"],
            "linear_lr": LINEAR_RATE * spec.training.lr,
            "heads": list(options.heads),
            "every_block": options.every_block,
            "probed": [
                {
                    "backbone": each.name,
                    "control": each.control,
                    "weights": each.weights,
                    "config": each.config,
                    "levels": [
                        {"level": level, "name": each.levels.names[level], "channels": info.channels}
                        for level, info in each.levels.spec.stages.items()
                    ],
                    "features": runners[each.label].load_bank(data).key,
                }
                for each in probed
            ],
            "refused": refused,
            "rows": make_rows(probed, done, options.heads),
            "baseline_rows": make_baseline_rows(probed, done),
            "differences": differences,
            "possible_pairs": max((pair["pairs"] for pair in differences), default=0),
            "runs": records,
        }
