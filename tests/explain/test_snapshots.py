import copy
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from iqa_zoo.build import build_model
from iqa_zoo.errors import CheckpointError
from iqa_zoo.explain.snapshots import SELECTED, STARTED_FROM_FILE, load_snapshots
from iqa_zoo.identity import identify_weights
from iqa_zoo.inference.run import TrainedOn, TrainedRun
from iqa_zoo.training.run_folder import RunFolder
from iqa_zoo.training.state import save_checkpoint, save_tensors


@pytest.fixture(scope="module")
def run(tmp_path_factory, one_thread):
    """A training whose last step was not selected, and its model."""

    cfg = {
        "dim": 16,
        "backbone": {"type": "timm_features", "name": "test_resnet", "stages": [4], "image_size": 32},
        "queries": {"type": "learned", "num_queries": 2},
        "memory": {"type": "tokens"},
        "interactions": [{"type": "cross_attention", "num_heads": 2}],
        "head": {"type": "linear"},
        "losses": [{"type": "l1"}],
    }
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(3)
    model = build_model(cfg)
    save_file(
        {name: tensor + 1 for name, tensor in model.backbone.state_dict().items()}, folder / "backbone.safetensors"
    )
    trained = TrainedRun(
        folder=folder,
        model=model.config,
        model_hash="",
        data=TrainedOn("holiday", "MOS", (0.0, 1.0), True),
        split="",
        selection="last",
        seed=3,
        initial_weights=identify_weights(model),
        recipe_name=None,
        test_crops=1,
        center=0.0,
        spread=1.0,
    )
    with torch.no_grad():
        model.head.fc.weight.add_(1)
    save_tensors(model.state_dict(), RunFolder(folder).weights)
    last = copy.deepcopy(model)
    with torch.no_grad():
        last.head.fc.weight.add_(1)
    save_checkpoint(RunFolder(folder).checkpoints, 7, {"model": last.state_dict()}, {"step": 7})
    return trained, model


def test_start_last_and_selected_are_told_apart(run):
    trained, model = run
    snapshots = load_snapshots(trained, model)
    assert list(snapshots.models) == ["start, seed 3", "last checkpoint, step 7", SELECTED]
    weights = [each.head.fc.weight.mean().item() for each in snapshots.models.values()]
    assert weights[1] - weights[2] == pytest.approx(1, abs=1e-5)
    assert weights[2] - weights[0] == pytest.approx(1, abs=1e-5)
    assert (snapshots.about_start, snapshots.about_last) == ("", "")
    assert snapshots.models[SELECTED] is model


def test_the_start_does_not_disturb_random_numbers(run):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_snapshots(*run)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.slow
def test_a_training_that_began_from_a_file(run):
    trained, model = run
    folder = trained.folder

    file = folder / "backbone.safetensors"
    torch.manual_seed(3)
    trained = replace(trained, initial_weights=identify_weights(build_model(trained.model, weights=file)))
    snapshots = load_snapshots(trained, model)
    assert next(iter(snapshots.models)) == "start, seed 3, trained backbone"
    assert snapshots.about_start == STARTED_FROM_FILE
    name = next(iter(model.backbone.state_dict()))
    assert torch.equal(snapshots.start.backbone.state_dict()[name], model.backbone.state_dict()[name])
    true = load_snapshots(trained, model, file)
    assert (next(iter(true.models)), true.about_start) == ("start, seed 3", "")
    assert torch.equal(true.start.backbone.state_dict()[name], load_file(file)[name])
    with pytest.raises(CheckpointError, match=r"the training in .* did not start from .*weights.safetensors"):
        load_snapshots(trained, model, folder / "weights.safetensors")


def test_checkpoints_that_are_missing_damaged_or_the_selected_weights(run, tmp_path):
    trained, model = run
    folder = trained.folder
    shutil.copytree(folder, tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoints" / "step-00000007"

    def about():
        snapshots = load_snapshots(replace(trained, folder=tmp_path / "run"), model)
        assert list(snapshots.models) == ["start, seed 3", SELECTED]
        return snapshots.about_last

    shutil.copy(folder / "weights.safetensors", checkpoint / "model.safetensors")
    assert about() == "The last checkpoint, step 7, is the selected weights."
    (checkpoint / "model.safetensors").write_bytes(b"half")
    assert about().startswith("The last checkpoint cannot be read and is not shown: ")
    shutil.rmtree(checkpoint)
    assert about() == "The run keeps no checkpoint: the last step is not shown."
