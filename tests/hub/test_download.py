"""Every way in which a model comes, or does not come, from a hub; in a new process, against a server on the loopback."""

import hashlib
import json
import socket

import numpy as np
import pytest
from safetensors.numpy import save

from tests.hub.fake_hub import Repository

FETCH = """
import json, sys, time
time.sleep = lambda seconds: None  # of the client, between its attempts
from iqa_zoo.hub.download import fetch_model

found = []
for address in sys.argv[1:]:
    lines = []
    try:
        fetched = fetch_model(address, lines.append)
        there = sorted(path.name for path in fetched.folder.iterdir())
        found.append({"address": str(fetched.address), "files": there, "error": "", "lines": lines})
    except ValueError as error:
        found.append({"error": f"{type(error).__name__}: {error}", "lines": lines})
print(json.dumps({"found": found, "torch": "torch" in sys.modules}))
"""


def make_model(**changes):
    """The files of a model as push writes them; ``changes`` of the list of files."""
    files = {"run.json": b"{}", "weights.safetensors": save({"fc": np.arange(4000, dtype=np.float32)})}
    files |= changes
    listed = [{"name": n, "bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for n, c in files.items()]
    config = {
        "format": "iqa_zoo hub model, version 1",
        "kind": "run",
        "name": "",
        "model": {"dim": 8},
        "iqa_zoo": "0.1.0",
    }
    return {"README.md": b"a card", "config.json": json.dumps({**config, "files": listed}).encode(), **files}


@pytest.fixture(scope="module")
def commits(hub):
    """Put repositories on the hub; the commit of each."""
    newer = make_model()
    newer["config.json"] = newer["config.json"].replace(b"version 1", b"version 2")
    kept = {
        "good": make_model(),
        "other": {"README.md": b"", "pytorch_model.bin": b"", ".gitattributes": b""},
        "timm": {"config.json": b'{"architecture": "resnet18"}', "model.safetensors": b""},
        "newer": newer,
        "broken": {"config.json": b'{"format": "iqa_zoo hub model, version 1", "kind": "run"}'},
        "outside": make_model(**{"../run.json": b"{}"}),
        "code": make_model(**{"weights.bin": b""}),
        "pickled": make_model(**{"weights.safetensors": b"\x80\x04pickled code"}),
        "lacking": {name: content for name, content in make_model().items() if name != "run.json"},
        "changed": make_model(),
        "cut": make_model(),
        "secret": make_model(),
    }
    for name, files in kept.items():
        hub.repositories[f"me/{name}"] = Repository(private=name == "secret")
        hub.repositories[f"me/{name}"].commit(files)
    hub.repositories["me/changed"].faults["weights.safetensors"] = "changed"
    hub.repositories["me/cut"].faults["weights.safetensors"] = "cut"
    hub.repositories["me/good"].refs["v1"] = hub.repositories["me/good"].refs["main"]
    return {name: hub.repositories[f"me/{name}"].refs["main"] for name in kept}


WRONG = {
    "hf://me/goood": ("has no model me/goood, or it is private and no token is set", "hf auth login", "HF_TOKEN"),
    "hf://me/good@v2": ("hf://me/good@v2: there is no revision 'v2'; did you mean 'v1'? Known: main, v1",),
    "hf://me/other": (
        "is not a model of iqa_zoo: there is no config.json; it holds .gitattributes, README.md, pytorch_model.bin",
    ),
    "hf://me/timm": ("is not a model of iqa_zoo: its config.json is of something else", "--pretrained"),
    "hf://me/newer": ("is of another version", "pip install --upgrade iqa-zoo"),
    "hf://me/broken": ("config.json is damaged",),
    "hf://me/outside": ("names files that iqa_zoo does not load",),
    "hf://me/code": ("names files that iqa_zoo does not load",),
    "hf://me/pickled": ("weights.safetensors is not a safetensors file", "Pickled weights are not loaded"),
    "hf://me/lacking": ("cannot fetch run.json: the repository lacks it",),
    "hf://me/changed": (
        "weights.safetensors is not the file that was pushed: its SHA-256 is",
        "hf cache rm model/me/changed",
    ),
    "hf://me/cut": ("cannot fetch weights.safetensors", "broke off in the middle", "try again"),
    "hf://me/secret": ("or it is private and no token is set",),
    "hf://me": ("is not a user and a name",),
}


@pytest.mark.slow
def test_models_come_pinned_and_each_failure_says_what_to_do(hub, commits, run_driver):
    good = [f"hf://me/good{at}" for at in ("", "@v1", f"@{commits['good']}")]
    pinned = f"hf://me/good@{commits['good']}"
    came = run_driver(FETCH, *good, *WRONG)
    assert not came["torch"]  # the error comes before torch is imported
    for address, found in zip(good, came["found"], strict=False):
        assert found["address"] == pinned
        assert {"config.json", "run.json", "weights.safetensors"} <= set(found["files"])
        assert found["lines"] == ([] if address == pinned else [
            f"{address if '@' in address else address + '@main'} is the commit {commits['good']}; {pinned} always means this one"
        ])  # fmt: skip
    for (address, parts), found in zip(WRONG.items(), came["found"][3:], strict=True):
        assert found["error"].startswith(f"HubError: {address}"), found
        assert [part for part in parts if part not in found["error"]] == [], found["error"]

    # A commit that is in the cache is not looked up; the private one comes with a token.
    hub.requests.clear()
    hub.repositories["me/cut"].faults.clear()
    again = run_driver(FETCH, pinned, "hf://me/secret", "hf://me/cut", HF_TOKEN="hf_test")["found"]
    assert again[0]["address"] == pinned
    assert again[1]["address"] == f"hf://me/secret@{commits['secret']}"
    assert again[2]["address"] == f"hf://me/cut@{commits['cut']}"  # nothing of the half file is left
    assert not [each for each in hub.requests if "good" in each]

    # Offline, by choice or because the hub does not answer: a branch is what it was, what is not there says so.
    new = hub.repositories["me/good"].commit({**make_model(), "README.md": b"another card"})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        cases = {"HF_HUB_OFFLINE": ("1", "HF_HUB_OFFLINE is set"), "HF_ENDPOINT": (dead, f"{dead} cannot be reached")}
        for key, (value, message) in cases.items():
            offline = run_driver(FETCH, "hf://me/good", pinned, "hf://me/never", f"hf://me/good@{new}", **{key: value})[
                "found"
            ]
            assert [each.get("address") for each in offline] == [pinned, pinned, None, None]
            assert "was, the last time that" in offline[0]["lines"][0]
            assert commits["good"] in offline[0]["lines"][0]
            assert offline[1]["lines"] == []
            for each in offline[2:]:
                assert message in each["error"]
                assert "the cache" in each["error"]
    assert run_driver(FETCH, "hf://me/good")["found"][0]["address"] == f"hf://me/good@{new}"
