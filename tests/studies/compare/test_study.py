"""iqa-zoo compare as a user runs it, on a folder of noise with a table of scores."""

import csv
import json

import pytest
import yaml


@pytest.fixture(scope="module")
def folder(noise_folder):
    return noise_folder


@pytest.fixture
def run(run_study):
    return lambda folder, *arguments: run_study("compare", folder, *arguments, small=False)


def test_a_decoder_that_cannot_be_matched_is_compared_as_it_is_and_every_table_says_so(run, folder):
    fixed = dict(
        dim=None,
        backbone=dict(type="timm_features", name="test_resnet"),
        queries=dict(type="global_vector"),
        memory=None,
        interactions=[],
        head=dict(type="linear"),
        losses=[dict(type="l1")],
    )
    (folder / "fixed.yaml").write_text(yaml.safe_dump(fixed))
    done = run(
        folder, "gcn.yaml", "fixed.yaml", "--budget", "gcn", "--data", "table", "--root", folder / "photos" / "labels.csv", "--splits", 2,
        "--epochs", 1, "--crops", 1, "--batch-size", 8, "--selection", "last", "--out", "unmatched", "--no-latency",
        "--json", "u.json", "--markdown", "u.md",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "fixed cannot be brought to gcn's budget and is compared as it is: nothing can be moved" in told
    rows = {row["model"]: row for row in json.loads((folder / "u.json").read_text())["matched"]}
    assert "nothing can be moved" in rows["fixed"]["unmatched"]
    assert rows["gcn"]["unmatched"] is None
    assert rows["fixed"]["budget"]["moved"] == {}
    markdown = (folder / "u.md").read_text()
    assert "| as it is, not matched |" in markdown
    assert markdown.count("Not at this budget, as no setting of their knobs meets it: fixed.") == 2


def test_the_whole_comparison(run, folder):
    first = run(
        folder, "gcn.yaml", "attention.json", "--data", "table", "--root", folder / "photos" / "labels.csv", "--splits", 2,
        "--epochs", 2, "--crops", 1,
        "--batch-size", 8, "--validation-fraction", 0.25, "--selection", "validation", "--out", "run",
        "--json", "r.json", "--csv", "r.csv", "--markdown", "r.md",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    results = json.loads((folder / "r.json").read_text())
    assert results["compared"] == ["gcn", "attention"]
    decoders = {row["model"]: row["budget"]["decoder"]["params"] for row in results["matched"]}
    assert abs(decoders["gcn"] - decoders["attention"]) <= 0.01 * min(decoders["gcn"], decoders["attention"])
    assert [row["model"] for row in results["matched"] if row["budget"]["moved"]]
    assert len(results["runs"]) == 2 * 3
    assert {run["model"] for run in results["runs"]} == {"gcn", "attention", "ridge_baseline"}
    assert all(len(run["predictions"]) == 6 for run in results["runs"])
    assert set(results["runs"][0]["predictions"]) <= set(results["data"]["mos"])
    assert len(results["differences"]) == 3
    with (folder / "r.csv").open() as file:
        assert [row["model"] for row in csv.DictReader(file)] == [run["model"] for run in results["runs"]]
    markdown = (folder / "r.md").read_text()
    for text in (
        "(a) The models as published",
        "(b) The decoders on nss",
        "(c) Quality, measured",
        "Nadeau",
        "baseline",
    ):
        assert text in markdown
    assert "PROXY" not in markdown
    (attention,) = (row for row in results["matched"] if row["model"] == "attention")
    assert [loss["type"] for loss in attention["config"]["losses"]] == ["l1"]
    assert results["losses_left_out"] == {"attention": ["mirror_consistency"]}
    assert "losses that read one are left out: attention's mirror_consistency." in markdown
    assert "attention is trained without mirror_consistency: frozen features hold no mirrored image" in first.stderr

    again = run(
        folder, "gcn.yaml", "attention.json", "--data", "table", "--root", folder / "photos" / "labels.csv", "--splits", 3,
        "--epochs", 2, "--crops", 1,
        "--batch-size", 8, "--validation-fraction", 0.25, "--selection", "validation", "--json", "again.json", "--no-latency",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    runs = json.loads((folder / "again.json").read_text())["runs"]
    assert [run["resumed"] for run in runs] == [True] * 6 + [False] * 3
    assert [run["srocc"] for run in runs[:6]] == [run["srocc"] for run in results["runs"]]

    assert json.loads((folder / "run" / "results.json").read_text()) == results
    printed = run(folder, "--from", "run", "--markdown", "printed.md")
    assert printed.returncode == 0, printed.stderr
    assert (folder / "printed.md").read_text() == markdown == (folder / "run" / "tables.md").read_text()
    assert "What each selection rule would have reported" in printed.stdout


def test_end_to_end_and_on_another_dataset(run, folder, tmp_path):
    arguments = [
        "gcn.yaml", "attention.json", "--protocol", "end-to-end", "--train", "table", "--root", folder / "photos" / "labels.csv", "--no-latency",
        "--test", "table", "--test-root", folder / "photos" / "labels.csv", "--validation-fraction", 0.25, "--out", tmp_path / "run",
        "--recipe-set", "epochs=2", "batch_size=8", "test_crops=1", "--json", tmp_path / "r.json",
    ]  # fmt: skip
    first = run(folder, *arguments)
    assert first.returncode == 0, first.stderr
    results = json.loads((tmp_path / "r.json").read_text())
    assert [record["model"] for record in results["runs"]] == ["gcn", "attention"]
    assert results["baseline"] is None
    assert results["losses_left_out"] == {}
    assert [loss["type"] for loss in results["matched"][1]["config"]["losses"]] == ["l1", "mirror_consistency"]
    assert results["runs"][0]["epochs"] == 2
    assert set(results["runs"][0]["every_rule"]) == {"validation", "last", "test-oracle"}
    (other,) = results["runs"][0]["test_sets"]
    assert other == f"{results['data']['name']}-2"
    assert len(results["runs"][0]["test_sets"][other]["predictions"]) == 30
    assert results["from_cache"]["trainings"] == 0
    assert "Cross-dataset" in first.stdout
    assert "a verdict needs at least 5 splits" in " ".join(first.stdout.split())
    again = run(folder, *arguments)
    finished = json.loads((tmp_path / "r.json").read_text())
    assert finished["runs"] == [{**record, "resumed": True} for record in results["runs"]], again.stderr
    assert finished["from_cache"]["trainings"] == 2
    assert "2 of 2 trained before." in (tmp_path / "run" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lifeiqua", "deiqt"], "did you mean 'lifeiqa'"),
        (["lifeiqa", "deiqt", "--data", "lvec"], "did you mean 'livec'"),
        (["lifeiqa", "deiqt", "--data", "bid"], "--root"),
        (["lifeiqa", "deiqt", "--backbone", "resnet81"], "did you mean 'resnet18'"),
        (["lifeiqa", "deiqt", "--weights", "none.safetensors", "--backbone", "resnet18"], "none.safetensors"),
        (["lifeiqa", "deiqt", "--json", "nowhere/r.json"], "no folder"),
        (["deiqt", "deiqt"], "named twice"),
        (["--from", "nowhere"], "nowhere is not a run"),
        ([], "name the models"),
        (["deiqt", "--protocol", "end-to-end", "--recipe", "dieqt"], "did you mean 'deiqt'"),
        (["deiqt", "--protocol", "end-to-end", "--recipe-set", "epoch=3"], "did you mean 'epochs'"),
        (["deiqt", "--test", "livec"], "one root to each"),
    ],
)
def test_bad_input_is_one_clear_message_before_any_work(run, folder, arguments, says):
    result = run(folder, *arguments)
    assert result.returncode == 2
    assert says in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_broken_image_is_named(run, folder, tmp_path):
    (tmp_path / "broken.png").write_bytes((folder / "photos" / "photos3.png").read_bytes()[:400])
    lines = ["image,mos", f"{tmp_path}/broken.png,1"] + [f"{folder}/photos/photos{i}.png,{i}" for i in range(29)]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    result = run(
        folder, "gcn.yaml", "attention.json", "--data", "table", "--root", tmp_path, "--splits", 1, "--epochs", 1, "--crops", 1,
        "--selection", "last", "--no-latency",
    )  # fmt: skip
    assert result.returncode == 2
    assert "broken.png" in "".join(result.stderr.split())
