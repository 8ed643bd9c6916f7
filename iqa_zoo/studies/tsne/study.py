"""What do the stages of a backbone group images by? t-SNE of each, with numbers of how well the groups separate."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import ClassVar

from iqa_zoo.build import build_model
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.randomness import seeded
from iqa_zoo.registry import register_study
from iqa_zoo.stats.separability import assign_quality_bands, embed_tsne, measure_separability
from iqa_zoo.studies.pooled_stages import LevelVectors, full_config, level_vectors, probe_carrier
from iqa_zoo.studies.protocol import describe_code, describe_data, load_data
from iqa_zoo.studies.runner import FrozenRunner, describe_cache_use
from iqa_zoo.studies.spec import StudySpec
from iqa_zoo.studies.study import Report, Results, Study
from iqa_zoo.studies.tsne import report
from iqa_zoo.studies.tsne.options import Settings
from iqa_zoo.studies.weights import describe_weights


@register_study("tsne")
class Tsne(Settings, Study):
    """Lay out the images by each stage of a backbone (t-SNE), and measure how well groups separate."""

    title = "a t-SNE layout"
    report: ClassVar[Report] = report

    def prepare(self, spec: StudySpec) -> StudySpec:
        if spec.options.perplexity <= 0:
            raise InputError(f"--perplexity is a positive number, got {spec.options.perplexity:g}")
        return replace(spec, data=replace(spec.data, ignore_look_alikes=True))  # nothing is split

    def run(self, spec: StudySpec, progress: Reporter) -> Results | None:
        options, seed = spec.options, spec.training.seed
        data = load_data(spec.data, progress)
        by = options.by or ("distortion" if data.distortions else "quality")
        if by == "distortion" and data.distortions is None:
            raise InputError(f"{data.name} names no distortions; use --by quality")
        view = "whole" if spec.training.view == "whole" else "crops"
        config = full_config(spec.backbone.backbone or "nss", view, spec.data.boxed_stages)
        given = spec.backbone
        with seeded(seed):
            carrier = build_model(probe_carrier(config), pretrained=given.pretrained, weights=given.weights)
        levels = LevelVectors(carrier.backbone, every_block=options.every_block)
        runner = FrozenRunner(spec, progress, levels, config)
        runner.log_feature_cost(data)
        if spec.resources.dry_run:
            return None
        bank = runner.load_bank(data)
        bands = assign_quality_bands(data.mos, data.higher_is_better)
        classes = list(data.distortions) if by == "distortion" and data.distortions else bands
        tick = progress.start("laying out")
        found = []
        for done, (level, info) in enumerate(levels.spec.stages.items(), start=1):
            vectors_IC = level_vectors(bank, level)
            try:
                numbers = measure_separability(vectors_IC, classes, data.contents, seed=seed)
            except InputError as error:
                raise InputError(f"{data.name}: {error}") from error
            layout_I2 = embed_tsne(vectors_IC, seed=seed, perplexity=options.perplexity)
            found.append(
                {
                    "level": levels.names[level],
                    "channels": info.channels,
                    **asdict(numbers),
                    "layout": layout_I2.round(3).tolist(),
                }
            )
            tick(done, len(levels.spec.stages))
        return {
            **describe_code(["iqa_zoo.stats.separability", "iqa_zoo.studies.pooled_stages"]),
            **describe_cache_use([], runner),
            "data": describe_data(spec.data, data),
            "backbone": spec.backbone.backbone,
            "weights": describe_weights(spec.backbone, seed),
            "view": spec.training.view,
            "crops": spec.training.crops,
            "perplexity": options.perplexity,
            "seed": seed,
            "by": by,
            "classes": classes,
            "levels": found,
            "features": bank.key,
        }
