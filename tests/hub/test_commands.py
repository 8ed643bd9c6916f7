"""``serve`` and ``export`` of a model on a hub: the same scores, the commit in what comes out, and one line for what is wrong."""

import json

import numpy as np
import pytest
from PIL import Image

import iqa_zoo
from iqa_zoo.hub.package import make_package
from tests.hub.fake_hub import Repository

PRELUDE = """
import contextlib, io, json, sys, time
time.sleep = lambda seconds: None  # of the client, between its attempts
from pathlib import Path
from iqa_zoo.cli import main

def call(*words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}
"""
WRONG = (
    PRELUDE
    + """
done = {}
for address in sys.argv[2:]:
    done[f"serve {address}"] = call("serve", "--port", "0", "--model", "mlp_lite0.livec", address)
    done[f"export {address}"] = call("export", address, "-o", Path(sys.argv[1]) / "m.pt2")
done["twice"] = call("serve", "--model", "hf://me/tiny", "hf://me/tiny")
done["suffix"] = call("export", "hf://me/tiny", "-o", "m.pb")
done["folder"] = call("export", "hf://me/tiny", "-o", "no/m.pt2")
done["torch"] = "torch" in sys.modules
print(json.dumps(done))
"""
)
RIGHT = (
    PRELUDE
    + '''
import iqa_zoo.serve.run
import onnx
from fastapi.testclient import TestClient
from iqa_zoo.inference.export import onnx_file
from iqa_zoo.inference.export.parity import Parity
from iqa_zoo.serve.app import create_app

held, content = {}, Path(sys.argv[1]).read_bytes()

class Server:
    def __init__(self, scorers, *_):
        held.update(scorers)

    def run(self, sockets):
        with TestClient(create_app(held)) as client:
            self.ask(client)

    def ask(self, client):
        held["models"] = client.get("/v1/models").json()
        form = {"photographs": ("a.png", content)}
        held["answer"] = client.post("/v1/score", files=form, params={"model": [sys.argv[3], sys.argv[2]]}).json()

# Instead of torch's graph one that gives the mean pixel: whether a file gives the scores is tested with the export.
MEAN = """<ir_version: 8, opset_import: ["" : 18]> mean (uint8[batch, height, width, 3] image) => (float[batch] score)
<int64[3] axes = {1, 2, 3}> { real = Cast <to = 1> (image) score = ReduceMean <keepdims = 0> (real, axes) }"""
onnx_file.make_onnx = lambda model, crops: onnx.parser.parse_model(MEAN)
Parity.holds = True
iqa_zoo.serve.run.make_server = Server
done = {"serve": call("serve", "--port", "0", "--device", "cpu", "--model", *(f"hf://{each}" for each in sys.argv[2:4]))}
done |= {"models": held["models"], "answer": held["answer"]}
file = Path(sys.argv[4])
done["export"] = call("export", f"hf://{sys.argv[2]}", "-o", file, "--images", sys.argv[1], "--json")
print(json.dumps(done))
'''
)


@pytest.fixture
def run(tiny, write_run, tmp_path):
    tiny["backbone"]["image_size"] = 64
    return write_run(tmp_path / "run", tiny, noise=0.3, test_crops=1)


@pytest.fixture
def package(run):
    """The files of the model as push sends them."""
    made = make_package(run, "me/tiny", licence="mit", data_licence="CC0")
    return {name: each if isinstance(each, bytes) else each.read_bytes() for name, each in made.contents.items()}


def put(hub, name, files, fault=None):
    hub.repositories[name] = Repository()
    if fault:
        hub.repositories[name].faults["weights.safetensors"] = fault
    return hub.repositories[name].commit(files)


@pytest.mark.slow
def test_a_model_of_a_hub_is_served_and_exported(hub, run_driver, run, package, tmp_path):
    commit = put(hub, "me/tiny", package)
    image = tmp_path / "image.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(image)
    expected = iqa_zoo.load(run, "cpu").score(image).score
    names = ["me/tiny", f"me/tiny@{commit}"]
    done = run_driver(RIGHT, image, *names, tmp_path / "m.onnx")

    assert [each["name"] for each in done["models"]] == names
    assert all(f"hf://me/tiny@{commit}" in each["signature"] for each in done["models"])
    (answer,) = done["answer"]["photographs"]
    assert [each["model"] for each in answer["scores"]] == names[::-1]
    assert [each["score"] for each in answer["scores"]] == [expected, expected]
    assert done["serve"]["code"] == done["export"]["code"] == 0
    for each in ("serve", "export"):
        assert f"hf://me/tiny@main is the commit {commit}" in done[each]["err"]

    metadata = json.loads(done["export"]["out"])["metadata"]
    assert f"hf://me/tiny@{commit}; weights" in metadata["iqa_zoo.signature"]
    assert json.loads(metadata["iqa_zoo.card"])["address"] == f"hf://me/tiny@{commit}"


def test_what_is_not_on_the_hub_is_one_line(hub, run_driver, package, tmp_path):
    put(hub, "me/tiny", package)
    put(hub, "me/cut", package, "cut")
    put(hub, "me/changed", package, "changed")
    wrong = {
        "hf://me/tine": "has no model me/tine",
        "hf://me/tiny@v9": "there is no revision 'v9'",
        "hf://me": "is not a user and a name",
        "hf:me/tiny": "hf:me/tiny: write hf://user/name",
        "HF://me/tiny": "write hf://user/name",
        "hf://me/../tiny": "is not a user and a name",
        "hf://me/cut": "cannot fetch weights.safetensors",
        "hf://me/changed": "weights.safetensors is not the file that was pushed",
    }
    done = run_driver(WRONG, tmp_path, *wrong)
    for address, message in wrong.items():
        for command in ("serve", "export"):
            found = done[f"{command} {address}"]
            assert (found["code"], found["out"]) == (2, "")
            *noted, problem = found["err"].splitlines()
            assert message in problem
            assert all("is the commit" in each for each in noted)
    assert "two models are called 'me/tiny'" in done["twice"]["err"]
    assert "give a file that ends in .onnx or .pt2" in done["suffix"]["err"]
    assert "there is no folder" in done["folder"]["err"]
    assert not done["torch"]
    assert not list(tmp_path.glob("m.*"))
