"""engine.py at its smallest: both ways train on the same task, and both times are reported."""

import json


def test_both_ways_are_timed_on_the_same_splits(noise_folder, load_script, monkeypatch, capsys):
    monkeypatch.chdir(noise_folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(noise_folder / "cache"))
    data = ["--data", "table", "--root", "photos", "--validation-fraction", "0.25", "--splits", "2"]
    training = ["--backbone", "test_resnet", "--epochs", "2", "--crops", "1", "--batch-size", "8", "--jobs", "1"]
    done = load_script("engine").main(["gcn.yaml", *data, *training, "--json", "e.json"])
    out, err = capsys.readouterr()
    assert done == 0, err
    results = json.loads((noise_folder / "e.json").read_text())["models"]["gcn"]
    assert {key: len(values) for key, values in results.items()} == dict.fromkeys(
        ("plain_seconds", "engine_seconds", "plain_srocc", "engine_srocc"), 2
    )
    assert "The frozen-feature engine against a plain loop" in out


def test_the_features_of_the_plain_loop_are_those_of_the_bank(load_script):
    import numpy as np
    import torch

    from iqa_zoo.contracts import FeatureSpec, StageInfo
    from iqa_zoo.training.frozen.features import FeatureBank

    script = load_script("engine")
    rng = np.random.default_rng(0)
    spec = FeatureSpec({3: StageInfo(6, 16), 4: StageInfo(8, 32)}, 8, 8, 128, token_stage=4)
    arrays = {
        "map3": rng.normal(size=(5, 2, 4, 4, 6)),
        "map4": rng.normal(size=(5, 2, 2, 2, 8)),
        "global": rng.normal(size=(5, 2, 8)),
    }
    bank = FeatureBank(spec, {k: v.astype(np.float16) for k, v in arrays.items()}, "made up", None).standardise(
        np.arange(5)
    )
    data = script.CachedFeatures(bank, np.arange(5), np.zeros(5), seed=0)
    named = data.features(3, 1)
    plain = script.make_features({name: value[None] for name, value in named.items()}, bank)
    ours = bank.take(np.array([3]), np.array([1]))
    for stage in (3, 4):
        torch.testing.assert_close(plain.maps[stage], ours.maps[stage])
    torch.testing.assert_close(plain.tokens_BLC, ours.tokens_BLC)
    torch.testing.assert_close(plain.global_BC, ours.global_BC)
