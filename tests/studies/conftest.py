"""What the tests of studies share: folders of noise with scores, small models, a command run as a user runs it."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import yaml
from PIL import Image

from iqa_zoo.cli import main


@pytest.fixture(scope="module")
def noise_folder(tmp_path_factory):
    """Two data sets of noise whose scores fall (photos, MOS) and rise (others, DMOS) with it, sharing one file; two models."""
    root = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    for name, sign in (("photos", -1), ("others", 1)):
        (root / name).mkdir()
        lines = ["image,mos"]
        for i in range(30):
            noise = rng.normal(128, 3 * (i + 1), (224, 224, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(root / name / f"{name}{i}.png")
            lines.append(f"{name}{i}.png,{100 + sign * 3 * i}")
        (root / name / "labels.csv").write_text("\n".join(lines) + "\n")
    (root / "others" / "others7.png").write_bytes((root / "photos" / "photos7.png").read_bytes())
    small = dict(
        dim=24,
        backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4]),
        queries=dict(type="guided"),
        memory=dict(type="grid_pool", grid=2),
        interactions=[dict(type="query_gcn", hidden=[8]), dict(type="cross_attention", num_heads=2)],
        head=dict(type="moe", hidden=64),
        losses=[dict(type="l1")],
    )
    (root / "gcn.yaml").write_text(yaml.safe_dump(small))
    small["interactions"][0] = dict(type="self_attention", num_heads=2)
    small["head"] = dict(type="ffn", hidden=16)
    small["losses"] = [dict(type="l1"), dict(type="mirror_consistency", weight=0.1)]
    (root / "attention.json").write_text(json.dumps(small))
    return root


@pytest.fixture
def exit_code():
    """The exit code of a command line, whether a study or argparse refuses it."""

    def run(*words):
        try:
            return main([str(word) for word in words])
        except SystemExit as stopped:
            return stopped.code

    return run


@dataclass
class Done:
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


SMALL = ["--splits", 2, "--epochs", 2, "--crops", 1, "--batch-size", 8, "--validation-fraction", 0.25, "--jobs", 1]


@pytest.fixture
def run_study(monkeypatch, capsys):
    """Run a command of iqa-zoo in a folder, in this process, with the cache there and options that keep it small."""

    def run(study, folder, *arguments, small=True):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("IQA_ZOO_CACHE", str(folder / "cache"))
        capsys.readouterr()
        try:
            code = main([study, *(str(word) for word in [*arguments, *(SMALL if small else [])])])
        except SystemExit as exit:  # of argparse
            code = exit.code
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return run
