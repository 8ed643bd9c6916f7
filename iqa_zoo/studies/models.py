"""The models of a study: their labels, configs, and what of them can be trained on frozen features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from iqa_zoo.config import Config, resolve_config
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Reporter
from iqa_zoo.studies.baseline import make_baseline, select_carried
from iqa_zoo.studies.protocol_spec import OWN
from iqa_zoo.studies.spec import BASELINE, StudySpec
from iqa_zoo.training.frozen.decoder import drop_mirrored_losses


def label_models(models: Sequence[str | Path] | Mapping[str, Any]) -> dict[str, Any]:
    """Return models by the label that tables give them: a zoo name, or the stem of a config file.

    Raises:
        InputError: two models have one label, or a model that is not the baseline has its name.

    >>> label_models(["lifeiqa", "mine/gcn.yaml"])
    {'lifeiqa': 'lifeiqa', 'gcn': 'mine/gcn.yaml'}
    """
    if isinstance(models, Mapping):
        given = models.get(BASELINE, BASELINE)
        if given != BASELINE and not (isinstance(given, Mapping) and given["queries"]["type"] == "stage_means"):
            raise InputError(
                f"a model is called {BASELINE}, as the baseline that every study adds; give it another name"
            )
        return dict(models)
    found: dict[str, str] = {}
    for name in map(str, models):
        label = Path(name).stem if Path(name).suffix else name
        if name in found.values():
            raise InputError(f"a model is named twice: {name}")
        if label in found:
            raise InputError(f"{found[label]} and {name} are both called {label!r} in the tables; rename one file")
        if label == BASELINE and name != BASELINE:
            raise InputError(
                f"{name} has the name of the baseline, {BASELINE}, which every study adds; rename the file"
            )
        found[label] = name
    return found


def load_with_baseline(spec: StudySpec) -> tuple[dict[str, Config], list[str]]:
    """Return the configs of the models and of the baseline, checked, and the labels of the compared models.

    The baseline reads what the other models read, also where it is one of the compared models; where each model has its
    own backbone, what those on the backbone of the first read.

    Raises:
        UnknownName, ConfigError: a model that does not exist, or a config with problems.
    """
    configs = spec.load_models()
    compared = list(configs)
    for cfg in configs.values():
        resolve_config(cfg)
    decoders = [cfg for name, cfg in configs.items() if name != BASELINE]
    if decoders and spec.models.get(BASELINE, BASELINE) == BASELINE:
        own = spec.backbone.backbone == OWN
        configs[BASELINE] = make_baseline(select_carried(decoders) if own else decoders)
    return configs, compared


def fit_to_frozen_features(
    configs: Mapping[str, Config], progress: Reporter
) -> tuple[dict[str, Config], dict[str, list[str]]]:
    """Return the configs without the losses that need a mirrored image, and those losses by model.

    Raises:
        InputError: a config has no other loss.
    """
    fitted = {name: drop_mirrored_losses(cfg) for name, cfg in configs.items()}
    left_out = {name: losses for name, (_, losses) in fitted.items() if losses}
    for name, losses in left_out.items():
        progress.log(f"{name} is trained without {', '.join(losses)}: frozen features hold no mirrored image")
    return {name: cfg for name, (cfg, _) in fitted.items()}, left_out
