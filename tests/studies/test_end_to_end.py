"""Every study that trains decoders trains whole models as well, by one recipe, and is taken up where it stopped."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import yaml
from PIL import Image
from safetensors.torch import save_file

from iqa_zoo import load
from iqa_zoo.config import load_config
from iqa_zoo.errors import InputError, IqaZooError
from iqa_zoo.progress import Silent
from iqa_zoo.studies.baseline import list_judged_pairs
from iqa_zoo.studies.end_to_end import EndToEndRunner
from iqa_zoo.studies.models import load_with_baseline
from iqa_zoo.studies.protocol import load_data, make_study_splits
from iqa_zoo.studies.runner import FrozenRunner
from iqa_zoo.studies.runners import build_runner, make_trainings
from iqa_zoo.studies.spec import BASELINE
from iqa_zoo.studies.study import plan_study, run_study
from iqa_zoo.studies.swap.combinations import find_usable
from iqa_zoo.training.end_to_end.options import TrainingOptions
from iqa_zoo.training.end_to_end.trainings import end_to_end_folder, find_run_folder
from iqa_zoo.training.frozen.extraction import extract_features

TINY = dict(
    dim=24,
    backbone=dict(type="timm_features", name="test_efficientnet", stages=[3, 4], image_size=32),
    queries=dict(type="guided"),
    memory=dict(type="grid_pool", grid=2),
    interactions=[dict(type="query_gcn", hidden=[8]), dict(type="cross_attention", num_heads=2)],
    head=dict(type="ffn", hidden=16),
    losses=[dict(type="l1")],
)
QUICK = dict(epochs=1, batch_size=8, test_crops=1)
BACKBONE = "test_efficientnet"


class Lines(Silent):
    """Keeps the lines that a study logs."""

    def __init__(self):
        self.lines = []

    def log(self, line, style=""):
        self.lines.append(line)

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two datasets of 30 small images, noisier where the score is lower."""
    root, rng = tmp_path_factory.mktemp("end"), np.random.default_rng(0)
    for name in ("photos", "others"):
        (root / name).mkdir()
        lines = ["image,mos"]
        for i in range(30):
            noise = rng.normal(128, 3 * (i + 1), (40, 40, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(root / name / f"{name}{i}.png")
            lines.append(f"{name}{i}.png,{100 - 3 * i}")
        (root / name / "labels.csv").write_text("\n".join(lines) + "\n")
    (root / "gcn.yaml").write_text(yaml.safe_dump(TINY))
    plain = {
        **TINY,
        "interactions": TINY["interactions"][1:],
        "losses": [*TINY["losses"], dict(type="mirror_consistency")],
    }
    (root / "plain.yaml").write_text(yaml.safe_dump(plain))
    return root


@pytest.fixture
def plan(folder, monkeypatch):
    """Return the spec of a study end to end on the photos, with its run folder in the folder of the test's data."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(folder / "cache"))

    def make(study, models=(), **settings):
        usual = dict(
            protocol="end-to-end",
            recipe_set=QUICK,
            validation_fraction=0.25,
            ignore_look_alikes=True,
            jobs=1,
            device="cpu",
            crops=1,
        )
        if study != "cross_dataset":
            usual |= dict(data="table", root="photos", splits=2)
        return plan_study(study, models, **{**usual, **settings})

    return make


@pytest.fixture
def train(plan):
    """Run a study; return its values and the lines that it logged."""

    def run(study, models=(), **settings):
        spec, lines = plan(study, models, **settings), Lines()
        result = run_study(spec, lines)
        assert result is not None
        assert all("error" not in record for record in result.runs), result.runs
        assert result.tables()
        assert result.sentences() is not None
        values = json.loads(json.dumps(result.values))
        assert values["protocol"] == "end-to-end"
        assert (values["recipe"]["epochs"], values["recipe_name"]) == (1, "quick")
        return values, lines

    return run


def is_whole(record):
    """Whether a record is of a training end to end, and not of a closed form on frozen features."""
    return not record["model"].startswith(BASELINE)


@pytest.mark.slow
def test_compare_fits_the_baseline_on_the_first_models_backbone_and_gives_the_records_of_frozen_decoders(train, plan):
    values, lines = train("compare", ["gcn.yaml", "plain.yaml", "ridge_baseline"], no_latency=True)
    assert "reads frozen features of test_efficientnet" in lines.text
    assert values["backbone"] == "own"
    rows = {row["model"]: row for row in values["matched"]}
    assert rows["ridge_baseline"]["config"]["backbone"] == rows["gcn"]["config"]["backbone"]
    assert values["features"]
    assert values["losses_left_out"] == {}
    frozen = run_study(
        plan("compare", ["gcn.yaml"], protocol="frozen", recipe_set=(), epochs=1, backbone=BACKBONE, no_latency=True),
        Silent(),
    )
    for record in values["runs"]:
        assert record.keys() - frozen.runs[0].keys() == ({"run"} if is_whole(record) else set())


@pytest.mark.slow
def test_an_ablation_is_taken_up_where_it_stopped(train, monkeypatch):
    from iqa_zoo.training.end_to_end import trainings

    real, calls = trainings.train_model, []

    def stop(*given, **named):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given, **named)

    monkeypatch.setattr(trainings, "train_model", stop)
    sizes = dict(sensitivity=("queries",))
    with pytest.raises(KeyboardInterrupt, match="4 of 14 trainings are kept; the same command goes on from there"):
        train("ablate", ["gcn.yaml"], **sizes)
    first, lines = train("ablate", ["gcn.yaml"], **sizes)
    assert [record["resumed"] for record in first["runs"]] == [True] * 2 + [False] * 4 + [True] + [False] * 6 + [True]
    assert {row["config"]["backbone"]["name"] for row in first["rows"]} == {BACKBONE}
    assert "end to end: 6 models x 2 splits x 1 epoch of 18 crops" in lines.text
    again, _ = train("ablate", ["gcn.yaml"], **sizes)
    assert again["runs"] == [{**record, "resumed": True} for record in first["runs"]]


@pytest.mark.slow
def test_shares_of_the_data_have_as_many_steps_as_the_whole(train):
    values, _ = train(
        "data_efficiency", ["gcn.yaml"], fractions=(0.5, 1), backbone=BACKBONE, recipe_set={**QUICK, "batch_size": 4}
    )
    assert [(share["images"], share["epochs"], share["steps"]) for share in values["shares"]] == [(9, 2, 4), (18, 1, 4)]
    assert {(run["fraction"], run["epochs"]) for run in values["runs"] if is_whole(run)} == {(0.5, 2), (1.0, 1)}
    assert not any(run["resumed"] for run in values["runs"])
    assert len({json.dumps(run["predictions"]) for run in values["runs"] if is_whole(run)}) == 4


@pytest.mark.slow
def test_scaling_trains_from_the_weights_of_each_backbone(train, folder):
    save_file(timm.create_model(BACKBONE).state_dict(), folder / "named.safetensors")
    values, _ = train(
        "scaling",
        ["gcn.yaml"],
        backbones=(BACKBONE, "test_resnet"),
        weights={BACKBONE: Path("named.safetensors")},
        no_latency=True,
        out="s",
    )
    assert len([run for run in values["runs"] if is_whole(run)]) == 4
    assert "named.safetensors" in values["backbones"][0]["weights"]
    named = {run["run"] for run in values["runs"] if is_whole(run)}
    kept = [json.loads((folder / "cache" / "end_to_end" / name / "run.json").read_text()) for name in named]
    assert not list((folder / "s").rglob("run.json"))
    assert {run["model"]["backbone"]["name"] for run in kept} == {BACKBONE, "test_resnet"}
    assert list(values["features"]) == [BACKBONE, "test_resnet"]


@pytest.mark.slow
def test_swap_trains_every_combination(train):
    parts = dict(
        queries=("guided",), interactions=("none", "query_gcn"), memories=("grid_pool",), heads=("linear", "ffn")
    )
    values, lines = train("swap", splits=2, depth=1, backbone=BACKBONE, budget=20000, **parts)
    assert len([run for run in values["runs"] if is_whole(run)]) == 2 * len(values["rows"]) >= 4
    assert "end to end: " in lines.text


@pytest.mark.slow
def test_cross_dataset_tests_whole_models_on_every_dataset(train):
    sources = ("table=photos", "table=others")
    values, _ = train("cross_dataset", ["gcn.yaml"], data=sources, splits=2, backbone=BACKBONE)
    cells = {(run["train"], run["test"]) for run in values["runs"] if is_whole(run)}
    assert cells == {(a, b) for a in ("photos", "others") for b in ("photos", "others")}
    assert {run["split"] for run in values["runs"] if is_whole(run)} == {
        id for each in values["datasets"] for id in each["splits"]
    }
    assert all(abs(run["srocc"]) <= 1 for run in values["runs"])


MODELS = {"ablate": ["gcn.yaml"], "swap": ()}


@pytest.mark.parametrize("study", ["compare", "ablate", "data_efficiency", "scaling", "swap", "cross_dataset"])
def test_a_box_of_features_has_no_pixels(plan, study):
    settings = dict(data="livec", root=None)
    if study == "cross_dataset":
        settings = dict(data=("livec", "table=photos"))
    if study == "scaling":
        settings["backbones"] = (BACKBONE,)
    with pytest.raises(InputError, match="livec without --root has no pixels"):
        plan(study, MODELS.get(study, ["gcn.yaml", "plain.yaml"]), **settings)


@pytest.mark.parametrize(
    ("study", "settings", "message"),
    [
        ("compare", dict(epochs=3), "--epochs is of frozen decoders; end to end give --recipe-set epochs=..."),
        (
            "compare",
            dict(protocol="frozen"),
            "--recipe-set is of whole models; add --protocol end-to-end, or give frozen decoders --epochs, --batch-size, --lr",
        ),
        ("ablate", dict(protocol="frozen", recipe="nonsense", recipe_set=()), "--recipe is of whole models"),
        ("ablate", dict(ray="auto"), "--ray is of frozen decoders"),
        ("compare", dict(jobs=1000), "--jobs is of frozen decoders"),
        ("ablate", dict(recipe="quik"), "did you mean 'quick'"),
        ("swap", {}, "swap: name the --backbone to train end to end"),
        ("layer_probe", {}, "layer_probe: unknown setting 'protocol'"),
        (
            "compare",
            dict(protocol="frozen", backbone="own", recipe_set=()),
            "--backbone own needs --protocol end-to-end",
        ),
    ],
)
def test_settings_that_do_not_go_together(plan, study, settings, message):
    with pytest.raises(IqaZooError, match=message):
        plan(study, () if study in ("swap", "layer_probe") else ["gcn.yaml"], **settings)


@pytest.mark.slow
def test_fewer_than_five_splits_have_no_verdict_and_the_cost_says_so(plan):
    for count, said in ((4, True), (5, False)):
        spec, lines = plan("compare", ["gcn.yaml"], splits=count, dry_run=True, no_latency=True), Lines()
        assert run_study(spec, lines) is None
        assert ("fewer than 5 splits: no verdict; give --splits 5 or more" in lines.text) == said
        assert re.search(rf"GB in {re.escape(str(end_to_end_folder()))}, about \d+ min", lines.text)


@pytest.mark.slow
def test_a_training_is_that_of_every_study_that_needs_it(plan):
    """Its folder does not depend on the margin, the number of splits, the run folder, the study or the label."""

    def find(study, label="gcn", **settings):
        spec = plan(study, {"gcn": TINY}, backbone=BACKBONE, **settings)
        configs = list(load_with_baseline(spec)[0].values())
        runner, data = build_runner(spec, configs, Silent()), load_data(spec.data, Silent())
        split = make_study_splits(spec, data)[0]
        training = runner.make_training(label, runner.place(TINY), split, 0, every_rule=True)
        return find_run_folder(training, data, TrainingOptions(device="cpu"))

    folder = find("compare")
    assert folder.parent == end_to_end_folder()
    others = [dict(margin=0.02), dict(splits=3), dict(out="x")]
    assert {find("compare", **settings) for settings in others} == {find("ablate"), folder}
    assert find("compare", label="none / GCN -> ../x") == folder
    assert find("compare", seed=1) != folder


def test_a_cache_that_cannot_be_written_is_refused_before_any_training(plan, tmp_path, monkeypatch):
    spec = plan("compare", {"gcn": TINY}, backbone=BACKBONE, splits=1)
    data = load_data(spec.data, Silent())
    runner = build_runner(spec, [TINY], Silent())
    trainings = make_trainings(runner, {"gcn": runner.place(TINY)}, make_study_splits(spec, data))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="trainings are kept there: set IQA_ZOO_CACHE to a writable folder"):
        runner.train(trainings, data)


@pytest.mark.slow
def test_a_learned_decoder_with_a_fitted_head_is_refused(plan):
    for backbone in (BACKBONE, "own"):
        spec = plan("compare", {"gcn": TINY, "mixed": {**TINY, "head": dict(type="ridge")}}, backbone=backbone)
        with pytest.raises(InputError, match="head 'ridge' is fitted in closed form on frozen features, and the rest"):
            run_study(spec, Silent())


def test_swap_refuses_a_fitted_head_as_a_level(plan):
    parts = dict(queries=["guided"], interactions=["none"], memory=["grid_pool"], head=["linear", "ridge"])
    for protocol, heads in (("end-to-end", ["linear"]), ("frozen", ["linear", "ridge"])):
        recipe = QUICK if protocol == "end-to-end" else ()
        spec = plan("swap", backbone=BACKBONE, protocol=protocol, recipe_set=recipe)
        levels, refused = find_usable(parts, spec, load_config(BASELINE))
        assert levels["head"] == heads
        assert [row["what"] for row in refused] == ([] if len(heads) == 2 else ["head ridge"])


@pytest.mark.parametrize(("name", "value"), [("budget", "20000"), ("match", "macs")])
def test_a_budget_is_refused_where_each_model_has_its_own_backbone(plan, name, value):
    models = ["gcn.yaml", "plain.yaml"]
    with pytest.raises(InputError, match=f"--{name} matches decoders on one backbone"):
        plan("compare", models, **{name: value})
    assert getattr(plan("compare", models, backbone=BACKBONE, **{name: value}).budget, name) == value
    assert plan("compare", models, match="none").budget.match == "none"


@pytest.mark.slow
def test_no_verdict_on_the_baseline_and_a_model_on_another_backbone(train):
    other = {**TINY, "backbone": {**TINY["backbone"], "name": "test_resnet"}}
    values, _ = train("data_efficiency", {"gcn": TINY, "resnet": other}, fractions=(1,), splits=1)
    assert [(pair["first"], pair["second"]) for pair in values["differences"]] == [("gcn", "resnet"), ("gcn", BASELINE)]
    assert {pair["pairs"] for pair in values["differences"]} == {2}


@pytest.mark.slow
def test_fresh_trains_anew_what_was_trained_before_and_another_study_shares_it(train, folder):
    given = dict(splits=1, no_latency=True, out="anew", backbone=BACKBONE)
    train("compare", ["gcn.yaml"], **given)
    again, _ = train("compare", ["gcn.yaml"], **given)
    fresh, _ = train("compare", ["gcn.yaml"], fresh=True, **given)
    for values, resumed in ((again, True), (fresh, False)):
        assert {run["model"]: run["resumed"] for run in values["runs"]} == {"gcn": resumed, BASELINE: resumed}
    assert [run["predictions"] for run in fresh["runs"]] == [run["predictions"] for run in again["runs"]]
    other, lines = train("compare", ["gcn.yaml"], **{**given, "splits": 2, "margin": 0.02, "out": "other"})
    assert [run["resumed"] for run in other["runs"] if is_whole(run)] == [True, False]
    assert not (folder / "other").exists()  # the command writes the results there, and nothing else is kept there
    for run in filter(is_whole, other["runs"]):
        kept = folder / "cache" / "end_to_end" / run["run"]
        assert f"gcn on split {run['split']}: {kept}" in lines.text
        tested = sorted(run["predictions"])[:2]
        scores = load(kept, device="cpu").score([folder / "photos" / name for name in tested])
        assert all(np.isfinite(score.score) for score in scores)


def test_a_share_that_fills_no_batch_is_refused_before_any_training(plan):
    spec = plan("data_efficiency", ["gcn.yaml"], fractions=(0.2, 1), backbone=BACKBONE)
    with pytest.raises(
        InputError,
        match="4 training images does not fill a batch of 8 crops; train on larger shares or",
    ):
        run_study(spec, Silent())


def test_the_spec_chooses_the_runner_and_frozen_studies_keep_their_identity(plan):
    whole = plan("compare", ["gcn.yaml"], backbone=BACKBONE)
    frozen = plan("compare", ["gcn.yaml"], backbone=BACKBONE, protocol="frozen", recipe_set=())
    assert whole.identity() != frozen.identity()
    assert (
        whole.identity()
        != plan("compare", ["gcn.yaml"], backbone=BACKBONE, recipe_set={**QUICK, "epochs": 2}).identity()
    )
    configs = list(whole.load_models().values())
    runner = build_runner(whole, configs, Silent())
    assert isinstance(runner, EndToEndRunner)
    assert isinstance(build_runner(frozen, configs, Silent()), FrozenRunner)
    with pytest.raises(InputError, match="compare trains on frozen features only"):
        FrozenRunner.build(whole, configs, Silent())
    assert runner.place(configs[0])["backbone"] == runner.frozen.config


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_precision_of_a_frozen_study_is_that_of_its_features_and_of_their_estimate(plan, precision):
    spec = plan(
        "compare", ["gcn.yaml"], backbone=BACKBONE, protocol="frozen", recipe_set=(), precision=precision, view="crops"
    )
    lines = Lines()
    runner = build_runner(spec, list(spec.load_models().values()), lines)
    data = load_data(spec.data, lines)
    runner.log_feature_cost(data)
    assert f" s in {precision} unless they are there" in lines.text
    bank = extract_features(runner.backbone, runner.config, data, crops=1, precision=precision)
    assert runner.load_bank(data).key == bank.key
    assert runner.load_bank(data).from_cache


@pytest.mark.parametrize(("of_recipe", "of_features"), [({}, "float32"), ({"precision": "bfloat16"}, "bfloat16")])
def test_the_features_of_the_baseline_are_in_the_precision_of_the_recipe(plan, of_recipe, of_features):
    spec = plan("compare", ["gcn.yaml"], backbone=BACKBONE, recipe_set={**QUICK, **of_recipe})
    runner = build_runner(spec, list(spec.load_models().values()), Silent())
    assert runner.frozen.recipe.precision == of_features


def test_own_backbones_stay_and_closed_forms_read_the_first_ones_features(plan):
    spec = plan("compare", ["gcn.yaml", "plain.yaml"])
    first = spec.load_models()["gcn"]
    other = {**TINY, "backbone": {**TINY["backbone"], "name": "test_resnet"}}
    fitted = dict(plan("compare", ["ridge_baseline"]).load_models()["ridge_baseline"])
    runner = build_runner(spec, [first, other, fitted], Silent())
    assert runner.place(other) == other
    assert runner.place(first)["backbone"] == runner.place(fitted)["backbone"] == runner.frozen.config
    assert runner.frozen.config["image_size"] == 32
    assert (spec.budget.match, plan("ablate", ["gcn.yaml"]).budget.match) == ("none", "params")


@pytest.mark.slow
def test_the_baseline_of_own_backbones_is_that_of_the_first_and_is_compared_with_models_on_it(plan, folder):
    other = {
        **TINY, "backbone": {**TINY["backbone"], "name": "test_resnet"}, "memory": dict(type="grid_pool", stage=2, grid=2),
    }  # fmt: skip
    spec = plan("compare", {"gcn": TINY, "resnet": other})
    turned = plan("compare", {"resnet": other, "gcn": TINY})
    lines = Lines()
    for each, stages, pairs in (
        (spec, [3, 4], [("gcn", "resnet"), ("gcn", BASELINE)]),
        (turned, [2, 4], [("resnet", "gcn"), ("resnet", BASELINE)]),
    ):
        configs, _ = load_with_baseline(each)
        assert configs[BASELINE]["queries"]["stages"] == stages  # not what is read of another backbone
        runner = build_runner(each, list(configs.values()), lines)
        assert list_judged_pairs({name: runner.place(cfg) for name, cfg in configs.items()}) == pairs
    assert "reads frozen features of test_resnet and is compared with the models on it only" in lines.text
    assert spec.identity() != turned.identity()
    named = [
        plan("compare", some, backbone=BACKBONE).identity()
        for some in (["gcn.yaml", "plain.yaml"], ["plain.yaml", "gcn.yaml"])
    ]
    assert named[0] == named[1]


def test_a_training_of_other_epochs_stretches_what_the_recipe_counts_in_epochs(plan):
    spec = plan("ablate", ["gcn.yaml"])
    runner = build_runner(spec, list(spec.load_models().values()), Silent())
    training = runner.make_training("gcn", TINY, None, 3, epochs=5)
    assert (training.recipe.epochs, training.seed) == (5, 3)
    assert training.recipe == replace(runner.recipe, epochs=5, warmup_epochs=2.5, step_epochs=50)
