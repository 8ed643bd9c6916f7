"""iqa-zoo claims as a user runs it, small, and what it refuses before it trains."""

import csv
import json

import pytest

from iqa_zoo.cards.claims import find_claims, select_claims
from iqa_zoo.config import model_config
from iqa_zoo.data import demo
from iqa_zoo.errors import InputError
from iqa_zoo.progress import Silent
from iqa_zoo.studies.baseline import describe_baseline, find_carrier
from iqa_zoo.studies.claims.command import spell_command
from iqa_zoo.studies.claims.study import plan_trainings
from iqa_zoo.studies.study import plan_study

DEMO = ["--data", "demo", "--images", 60, "--splits", 2, "--epochs", 1, "--batch-size", 8, "--jobs", 1]


def test_the_claims_on_the_demo_set(run_study, tmp_path, monkeypatch):
    one_level = {
        kind: levels[2:3] for kind, levels in demo.LEVELS.items()
    }  # a fifth of the set, which is made for this test
    monkeypatch.setattr(demo, "LEVELS", one_level)
    chosen = ["deep_stages", "guided_queries", "share_20", "share_20_against_all"]
    done = run_study(
        "claims",
        tmp_path,
        "lifeiqa",
        "--claims",
        *chosen,
        *DEMO,
        "--out",
        "claims",
        "--csv",
        "c.csv",
        "--html",
        "c.html",
        small=False,
    )
    assert done.returncode == 0, done.stderr
    assert "4 of 4 claims to test, with 8 distinct decoders" in done.stderr
    results = json.loads((tmp_path / "claims" / "results.json").read_text())
    assert [row["model"] for row in results["rows"]] == [
        "ridge_baseline", "stages 3 and 4", "stages 1 and 2", "lifeiqa", "plain queries", "lifeiqa, 20 %", "deiqt, 20 %", "deiqt",
    ]  # fmt: skip
    assert len(results["runs"]) == 2 * 8
    assert results["baseline_reads"] == ["stage 3", "stage 4", "final tokens"]  # those of deiqt too
    assert {run["split"] for run in results["runs"]} == set(results["splits"])
    images = {run["model"]: run["images"] for run in results["runs"]}
    assert images["lifeiqa, 20 %"] == images["deiqt, 20 %"] < images["lifeiqa"] / 3
    claims = {claim["id"]: claim for claim in results["claims"]}
    assert list(claims) == chosen
    assert (claims["deep_stages"]["first"], claims["deep_stages"]["second"]) == ("stages 3 and 4", "stages 1 and 2")
    assert {claim["verdict"] for claim in claims.values()} == {"undecided"}  # two splits
    assert {pair["pairs"] for pair in results["differences"]} == {8}
    assert claims["share_20"]["command"] == (
        "iqa-zoo claims lifeiqa --claims share_20 --data demo --images 60 --splits 2 --epochs 1 --batch-size 8"
    )
    with (tmp_path / "c.csv").open() as file:
        assert {row["share"] for row in csv.DictReader(file)} == {"0.2", "1.0"}
    assert {file.name for file in (tmp_path / "claims").iterdir()} == {
        "results.json", "tables.md", "runs.csv", "claims.pdf", "claims.png", "claims.svg",
    }  # fmt: skip
    again = run_study("claims", tmp_path, "--from", "claims", small=False)
    assert done.stdout == again.stdout + "written to c.csv\n"
    words = ["--claims", *chosen[:2], *DEMO, "--json", "two.json"]
    fewer = run_study("claims", tmp_path, "lifeiqa", *words, small=False)
    assert "10 of 10 trained before" in fewer.stderr
    assert json.loads((tmp_path / "two.json").read_text())["differences"] == results["differences"][:2]


def test_the_box_cannot_test_shallow_stages_and_says_so(run_study, tmp_path):
    words = ["--claims", "deep_stages", "--images", 60, "--splits", 2, "--jobs", 1, "--validation-fraction", 0.2]
    done = run_study("claims", tmp_path, *words, "--json", "r.json", small=False)
    assert done.returncode == 0, done.stderr
    [claim] = json.loads((tmp_path / "r.json").read_text())["claims"]
    assert claim["verdict"] == "not testable"
    assert claim["why"].startswith("the box holds stages 3 and 4 of timm_cells tf_efficientnet_lite0")
    assert "deep_stages: not testable on these data, as the box holds stages 3 and 4" in " ".join(done.stdout.split())


def test_a_dry_run_says_the_cost_and_trains_nothing(run_study, tmp_path):
    done = run_study("claims", tmp_path, "--claims", "guided_queries", "--splits", 2, "--dry-run", small=False)
    assert done.returncode == 0
    assert "2 decoders x 2 splits" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lifeiqa", "--claims", "gcn_over_atention"], "unknown claim 'gcn_over_atention'; did you mean 'gcn_over_attention'?"),
        (["deiqt"], "no card holds claims about 'deiqt'; models with claims: lifeiqa"),
        (["lifeiqa_tiny"], "no card holds claims about 'lifeiqa_tiny'; models with claims: lifeiqa"),
        (["lifeiqa", "deiqt"], "1 are needed, 2 given"),
        (["lifeiqa", "--match", "paprams"], "invalid choice: 'paprams'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message(run_study, tmp_path, arguments, says):
    done = run_study("claims", tmp_path, *arguments, small=False)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("backbone", "claims", "reads"),
    [
        ("own", (), ["stage 3", "stage 4", "final tokens"]),
        ("own", ("deep_stages",), ["stage 3", "stage 4"]),
        ("own", ("share_20",), ["stage 3", "stage 4"]),  # deiqt, which reads tokens, is on a backbone of its own
        ("resnet18", ("share_20",), ["stage 3", "stage 4", "final tokens"]),
        ("resnet18", ("deep_stages",), ["stage 3", "stage 4"]),
    ],
)
def test_end_to_end_closed_forms_are_on_the_backbone_of_the_model_whichever_claims_are_chosen(
    backbone, claims, reads, monkeypatch
):
    given = []

    def keep(spec, configs, progress):
        given.extend(configs)
        raise InterruptedError

    monkeypatch.setattr("iqa_zoo.studies.claims.study.build_runner", keep)
    spec = plan_study("claims", ["lifeiqa"], protocol="end-to-end", root="photos", claims=claims, backbone=backbone)
    with pytest.raises(InterruptedError):
        plan_trainings(select_claims(find_claims("lifeiqa"), claims), spec, Silent())
    assert find_carrier(given) == model_config("lifeiqa")
    assert describe_baseline(given[-1])["baseline_reads"] == reads


def test_a_config_has_no_claims():
    with pytest.raises(InputError, match=r"a config has no card; name a model with claims \(lifeiqa\)"):
        plan_study("claims", {"lifeiqa": model_config("lifeiqa")})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ""),
        ({"splits": 5, "match": "params", "equal": "epochs"}, " --match params --equal epochs --splits 5"),
        ({"data": "koniq10k", "root": "data/Koni Q", "backbone": "resnet18", "pretrained": True},
         " --data koniq10k --root 'Koni Q' --backbone resnet18 --pretrained"),
        ({"data": "table", "root": "photos", "option": {"mos": "score"}, "jobs": 1}, " --data table --root photos --option mos=score"),
        ({"seed": 3, "margin": 0.02, "jobs": 1}, " --seed 3 --margin 0.02"),
    ],
)  # fmt: skip
def test_the_command_of_a_claim_has_what_differs_from_the_defaults(settings, words, plan_command):
    spec = plan_study("claims", ["lifeiqa"], **settings)
    command = spell_command(spec, "share_20")
    assert command == f"iqa-zoo claims lifeiqa --claims share_20{words}"
    assert plan_command(*command.split()[1:]).options.claims == ("share_20",) if "'" not in command else True
