"""A hub on the loopback, and processes that use it with a cache of their own and without the user's token."""

import json
import os
import subprocess
import sys

import pytest

from tests.hub.fake_hub import serve


@pytest.fixture(scope="module")
def hub():
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def run_driver(hub, tmp_path_factory):
    """Run Python code in a new process; return the JSON that its last line prints."""
    home = tmp_path_factory.mktemp("hub")

    def run(code, *arguments, **environment):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        kept |= {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        kept |= {
            "OMP_NUM_THREADS": "1",
            "IQA_ZOO_DISABLE_PLUGINS": "1",
            "IQA_ZOO_CACHE": str(home / "iqa_zoo"),
            **environment,
        }
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=kept)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
