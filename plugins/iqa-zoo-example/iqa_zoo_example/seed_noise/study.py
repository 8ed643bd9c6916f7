"""How far SROCC moves when only the seed of a training changes."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass

from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.stats.summary import is_defined, summarize_values
from iqa_zoo.studies.baseline import describe_baseline
from iqa_zoo.studies.matching import match_models
from iqa_zoo.studies.models import fit_to_frozen_features, load_with_baseline
from iqa_zoo.studies.protocol import describe_conditions, load_data, make_study_splits
from iqa_zoo.studies.runner import FrozenRunner, describe_cache_use, select_succeeded
from iqa_zoo.studies.settings import setting
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.studies.study import Results, Study
from iqa_zoo_example.seed_noise import report


@dataclass(frozen=True)
class Options:
    """The settings of this study. Each is an option of the command and a keyword in Python."""

    seeds: int = setting(5, "trainings of each model, which differ in their seed alone", metavar="N")


class SeedNoise(Study):
    """Train each decoder several times on one split with different seeds."""

    title = "a study of seeds"
    report = report
    options = Options
    without = ("splits", "protocol")
    examples = ({"seeds": 2},)  # what iqa-zoo check-plugin runs it with

    def prepare(self, spec: StudySpec) -> StudySpec:
        if spec.options.seeds < 2:
            raise InputError(f"--seeds {spec.options.seeds}: a standard deviation needs 2 or more")
        return spec

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        seeds = range(spec.options.seeds)
        configs, compared = load_with_baseline(spec)
        fitted, left_out = fit_to_frozen_features(configs, progress)
        runner = FrozenRunner.build(spec, list(fitted.values()), progress)
        placed = {name: runner.place(cfg) for name, cfg in fitted.items()}
        data = load_data(spec.data, progress)
        splits = make_study_splits(spec, data, 1)[:1]
        matched = match_models(placed, compared, spec.budget, progress)
        runner.log_cost(matched.configs, data, len(seeds))
        if spec.resources.dry_run:
            return None
        trainings = [
            runner.make_training(name, cfg, splits[0], number)  # the number goes into the seed
            for number in seeds
            for name, cfg in matched.configs.items()
        ]
        records = runner.train(trainings, data)
        done = [record for record in select_succeeded(records) if is_defined(record["srocc"])]
        sroccs = {name: [r["srocc"] for r in done if r["model"] == name] for name in matched.configs}
        rows = [
            {"model": name, "deviation": statistics.stdev(values), **asdict(summarize_values(values))}
            for name, values in sroccs.items()
            if len(values) > 1  # notes name the trainings that failed and the scores without an SROCC
        ]
        return {
            **describe_conditions(spec, data, splits, left_out),
            **describe_cache_use(records, runner),
            **matched.describe(),
            "compared": compared,
            **describe_baseline(configs[BASELINE], runner.features),
            "match": spec.budget.match,
            "seeds": len(seeds),
            "by_seed": rows,
            "runs": records,
        }
