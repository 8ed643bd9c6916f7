"""The folder of a training that never was, for tests of what reads one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from iqa_zoo.build import build_model
from iqa_zoo.config_hash import config_hash
from iqa_zoo.training.run_folder import FORMAT, RunFolder


def write_random_run(
    folder: str | Path,
    cfg: str | Mapping[str, Any],
    *,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    spread: float = 20.0,
    noise: float = 0.0,
    test_crops: int = 3,
    **changes: Any,
) -> Path:
    """Write the folder of a training: a config, its random weights, labels from 0 to 100; return the folder.

    Args:
        folder: that is made.
        cfg: name of a model or its config, and ``overrides`` by path.
        overrides: see above.
        seed: of the weights.
        spread: of the scores, in points.
        noise: standard deviation of what is added to the weights behind the backbone, so that what starts at zero hides nothing.
        test_crops: views of an image.
        **changes: other keys of ``run.json``.
    """
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = build_model(cfg if isinstance(cfg, str) else dict(cfg), overrides=overrides)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if not name.startswith("backbone."):
                    parameter.add_(noise * torch.randn_like(parameter))
    kept = RunFolder(folder)
    kept.path.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, kept.weights)
    run = {
        "format": FORMAT,
        "model": model.config,
        "model_hash": config_hash(model.config),
        "recipe": {"precision": "float32", "test_crops": test_crops},
        "recipe_name": "quick",
        "data": {"name": "holiday", "label": "MOS", "higher_is_better": True, "score_range": [0, 100]},
        "split": "1",
        "seed": seed,
        "selection": "last",
        "initial_weights": "none",
        "scale": {"center": 50.0, "spread": spread},
    }
    kept.write("run", run | changes)
    return kept.path
