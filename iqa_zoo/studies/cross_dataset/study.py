"""Does a decoder hold on other datasets? Train on each dataset that is on disk, test on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from iqa_zoo.data.boxed import find_named_box
from iqa_zoo.data.loading import check_root
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.release import MissingImages
from iqa_zoo.data.shared_images import find_shared_images
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.registry import register_study
from iqa_zoo.studies.baseline import describe_baseline, list_judged_pairs
from iqa_zoo.studies.cross_dataset import report
from iqa_zoo.studies.cross_dataset.cells import compare_models, make_cells, summarize_cells
from iqa_zoo.studies.cross_dataset.options import Settings, parse_source
from iqa_zoo.studies.matching import match_models
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.protocol import (
    choose_distinct_name,
    compute_parts_ratio,
    describe_conditions,
    describe_data,
    describe_parts,
    load_data,
    make_study_splits,
)
from iqa_zoo.studies.runner import Record, describe_cache_use, select_succeeded
from iqa_zoo.studies.runners import build_runner, fit_to_protocol, make_trainings, refuse_box
from iqa_zoo.studies.spec import BASELINE, DataSpec, StudySpec
from iqa_zoo.studies.study import Report, Results, Study


@register_study("cross_dataset")
class CrossDataset(Settings, Study):
    """Train on each of several datasets and test on all of them."""

    title = "a comparison across datasets"
    report: ClassVar[Report] = report
    columns: ClassVar[Sequence[str]] = ("model", "train", "test", *Study.columns[1:])

    def prepare(self, spec: StudySpec) -> StudySpec:
        sources = tuple(parse_source(each) if isinstance(each, str) else each for each in spec.options.data)
        if len(sources) < 2:
            raise InputError("give two datasets or more, each as --data NAME=ROOT, or --from RUN")
        spec = replace(spec, options=replace(spec.options, data=sources))
        boxed = [source.name for source in sources if DataSpec(source.name, source.root).boxed]
        if boxed and spec.protocol.end_to_end:
            refuse_box(boxed[0])
        if boxed and spec.backbone.backbone is None:
            name = find_named_box(boxed[0]).backbone["name"]
            spec = replace(spec, backbone=replace(spec.backbone, backbone=name, pretrained=not spec.backbone.weights))
        return spec.on_data("-".join(source.name for source in sources))

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        configs, compared = load_with_baseline(spec)
        configs, left_out = fit_to_protocol(configs, spec, progress)
        sets, skipped = load_all(spec, progress)
        for row in skipped:
            progress.log(f"left out: {row['dataset']}: {row['reason']}")
        splits = {name: make_study_splits(spec.on_data(name), data) for name, data in sets.items()}
        runner = build_runner(spec, list(configs.values()), progress)
        placed = {name: runner.place(cfg) for name, cfg in configs.items()}
        matched = match_models(placed, compared, spec.budget, progress)
        for name, data in sets.items():
            progress.log(f"{name} (the predictions of other datasets come on top):")
            runner.log_cost(matched.configs, data, len(splits[name]))
        if spec.resources.dry_run:
            return None
        records: list[Record] = []
        found: list[Record] = []
        pairs = list_judged_pairs(matched.configs)
        for name, data in sets.items():
            others = {other: sets[other] for other in sets if other != name}
            trainings = make_trainings(runner, matched.configs, splits[name])
            mine = runner.train(trainings, data, test_sets=others, stage=f"training on {name}")
            records += mine
            ratio = compute_parts_ratio(splits[name][0])
            found += compare_models(name, mine, sets, ratio, spec.statistics.margin, pairs)
        select_succeeded(records)  # an error where none did; where all of one dataset failed, the others stand
        runs = make_cells(records, {split.id: name for name, some in splits.items() for split in some})
        first = next(iter(sets))
        conditions = describe_conditions(spec, sets[first], splits[first], left_out)
        return {
            **{key: value for key, value in conditions.items() if key not in ("data", "parts", "splits")},
            **describe_cache_use(records, runner),
            "datasets": [
                {**describe_data(spec.data, data), **describe_parts(splits[name])} for name, data in sets.items()
            ],
            "skipped": skipped,
            "leaks": find_shared_images(sets),
            **describe_baseline(configs[BASELINE], runner.features),
            "compared": compared,
            "match": spec.budget.match,
            **matched.describe(),
            "runs": runs,
            "rows": summarize_cells(runs),
            "differences": found,
            "features": {name: runner.identify_features(data) for name, data in sets.items()},
        }


def load_all(spec: StudySpec, progress: Reporter) -> tuple[dict[str, RatedImages], list[dict[str, Any]]]:
    """Return the datasets by name, and those that are not on disk with the reason; the second of one name is called -2.

    Raises:
        UnknownName: no such dataset.
        InputError: files of a dataset that is there cannot be used, or fewer than two are there.
    """
    sets: dict[str, RatedImages] = {}
    skipped: list[dict[str, Any]] = []
    for source in spec.options.data:
        source = replace(source, skip_unreadable=spec.data.skip_unreadable)
        try:
            check_root(source)
        except InputError as error:
            raise InputError(f"--data {source.name}: give the folder with the dataset, {source.name}=ROOT") from error
        if source.root is not None and not source.root.exists():
            skipped.append({"dataset": source.name, "reason": f"there is no {source.root.name} where --data says"})
            continue
        try:
            data = load_data(spec.data, progress, source)
        except MissingImages as error:
            skipped.append({"dataset": source.name, "reason": str(error).replace(f"{source.root}/", "")})
            continue
        name = choose_distinct_name(data.name, sets)
        sets[name] = replace(data, name=name)
    if len(sets) < 2:
        reasons = "; ".join(f"{row['dataset']}: {row['reason']}" for row in skipped)
        raise InputError(
            f"{len(sets)} datasets are there, and two are needed to train on one and test on another ({reasons})"
        )
    return sets, skipped
