"""What is pushed gives the same score to the last bit, on another machine and offline; what cannot be pushed says why."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.hub.fake_hub import Repository

PRELUDE = """
import contextlib, io, json, os, sys
from pathlib import Path
import torch
from safetensors.torch import load_file
import iqa_zoo
from iqa_zoo.build import build_model
from iqa_zoo.cli import main

def call(*words, token=None):
    os.environ.pop("HF_TOKEN", None)
    if token:
        os.environ["HF_TOKEN"] = token
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}

def score(model):
    scorer = iqa_zoo.load(model, "cpu")
    return [scorer.meaning.model, scorer.score(sys.argv[1]).score.hex()]

def compare_pretrained():
    cfg = json.loads(Path(sys.argv[3]).read_text())
    held = load_file(sys.argv[4])
    own = build_model(cfg, pretrained=True).backbone.model.state_dict()
    return len(own) > 20 and all(torch.equal(value, held[name]) for name, value in own.items())
"""
ONLINE = (
    PRELUDE
    + """
run, licence = sys.argv[2], ["--licence", "cc-by-nc-4.0", "--data-licence", "own photographs, CC0"]
done = {
    "no token": call("push", run, "me/mine", *licence),
    "no licence": call("push", run, "me/mine", token="hf_test"),
    "no data licence": call("push", run, "me/mine", "--licence", "mit", token="hf_test"),
    "bad token": call("push", run, "me/mine", *licence, token="hf_wrong"),
    "another user": call("push", run, "you/mine", *licence, token="hf_test"),
    "holds something else": call("push", run, "me/foreign", *licence, token="hf_test"),
    "public already": call("push", run, "me/public", "--private", *licence, token="hf_test"),
    "pushed": call("push", run, "me/mine", "--private", "--json", *licence, token="hf_test"),
}
first = json.loads(done["pushed"]["out"])["address"]
done["without the token"] = call("score", sys.argv[1], "--run", "hf://me/mine")
done["replaced"] = call("push", "ridge_lite0.livec", "me/mine", "--json", token="hf_test")
done["scored"] = call("score", sys.argv[1], "--run", first, "--json", token="hf_test")
done["scores"] = [score(run), score(first), score("ridge_lite0.livec"), score("hf://me/mine")]
done["validated"] = call("validate", first, token="hf_test")
done["evaluated"] = call("evaluate", "hf://me/mine", "--data", "demo", token="hf_test")
done["pretrained"] = compare_pretrained()
print(json.dumps(done))
"""
)
OFFLINE = (
    PRELUDE
    + """
print(json.dumps({"scores": [score(each) for each in sys.argv[5:]], "pretrained": compare_pretrained()}))
"""
)
MESSAGES = {
    "no token": ("no token for http://127.0.0.1", "hf auth login", "HF_TOKEN", "--dry-run"),
    "no licence": ("the licence of the weights is not known", "--licence ID"),
    "no data licence": ("the licence of its data, 'holiday', is not known", "--data-licence TEXT"),
    "bad token": ("the token in use does not open it", "hf auth login"),
    "another user": ("cannot make the repository", "403 You don't have the rights", "HF_TOKEN"),
    "holds something else": ("holds something else than a model of iqa_zoo (model.onnx)", "choose another name"),
    "public already": ("is public already, and --private was given",),
}


@pytest.mark.slow
def test_a_model_makes_the_round_trip_and_weights_of_timm_come_the_same_way(hub, run_driver, tiny, write_run, tmp_path):
    import timm
    import torch
    from safetensors.torch import save_file

    arguments = {"data": "table", "root": "/home/me/photos", "pretrained": True, "weights": None}
    tiny["backbone"] |= {"name": "test_resnet.r160_in1k", "image_size": 64}
    run = write_run(tmp_path / "run", tiny, noise=0.3, arguments=arguments, recipe_name="/home/me/recipe.yaml")
    (run / "result.json").write_text(
        json.dumps({"metrics": {"srocc": 0.75, "plcc": None}, "predictions": {"a": 1, "b": 2}})
    )
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "1.pt").write_bytes(b"not sent")
    image = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(image)
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "timm.safetensors")
    served = {"model.safetensors": (tmp_path / "timm.safetensors").read_bytes()}
    for name, files in (
        ("timm/test_resnet.r160_in1k", served),
        ("me/foreign", {"model.onnx": b""}),
        ("me/public", {"README.md": b"made on the web page"}),
    ):
        hub.repositories[name] = Repository()
        hub.repositories[name].commit(files)
    cfg = tmp_path / "small.json"
    cfg.write_text(json.dumps(tiny))
    given = (image, run, cfg, tmp_path / "timm.safetensors")

    done = run_driver(ONLINE, *given)
    for case, parts in MESSAGES.items():
        assert done[case]["code"] == 2, case
        assert done[case]["out"] == ""
        assert [part for part in parts if part not in done[case]["err"]] == [], done[case]["err"]
    assert set(hub.repositories) == {"timm/test_resnet.r160_in1k", "me/foreign", "me/public", "me/mine"}
    assert len(hub.repositories["me/foreign"].commits) == len(hub.repositories["me/public"].commits) == 1

    # What lies on the hub.
    assert done["pushed"]["code"] == done["replaced"]["code"] == 0
    first, second = (json.loads(done[each]["out"])["address"] for each in ("pushed", "replaced"))
    mine = hub.repositories["me/mine"]
    assert mine.private
    assert mine.refs["main"] == second.partition("@")[2]
    sent = mine.commits[first.partition("@")[2]]
    assert set(sent) == {".gitattributes", "README.md", "config.json", "run.json", "weights.safetensors"}
    assert not [name for name, content in sent.items() if b"/home/me" in content or b"not sent" in content]
    assert sent["weights.safetensors"] == (run / "weights.safetensors").read_bytes()
    card = sent["README.md"].decode()
    for line in (
        "license: cc-by-nc-4.0",
        "base_model: timm/test_resnet.r160_in1k",
        "library_name: iqa_zoo",
        "- holiday",
        "- spearmanr",
    ):
        assert f"{line}\n" in card
    assert set(mine.commits[mine.refs["main"]]) == {
        ".gitattributes", "README.md", "config.json", "ridge_lite0.livec.json", "ridge_lite0.livec.safetensors"
    }  # fmt: skip  # the files of the run are gone, and stay in its commit

    # Scores to the bit, and the commit in every output.
    assert done["without the token"]["code"] == 2
    (local, own), (fetched, same), (_, ridge), (newest, same_ridge) = done["scores"]
    assert (local, fetched, newest) == (str(run), first, second)
    assert same == own
    assert same_ridge == ridge != own
    scored = json.loads(done["scored"]["out"])
    assert (scored["scores"]["model"], scored["images"][0]["score"].hex()) == (first, own)
    assert done["validated"]["out"].startswith(f"{first}: OK")
    assert "is the trained model ridge_lite0.livec" in done["evaluated"]["err"]
    assert done["pretrained"]

    offline = run_driver(OFFLINE, *given, first, "hf://me/mine", HF_HUB_OFFLINE="1")
    assert offline == {"scores": [[first, own], [second, ridge]], "pretrained": True}
