"""iqa-zoo serve"""

import os
import signal
import socket
import subprocess
import sys

import httpx
import numpy as np
import pytest

import iqa_zoo
from iqa_zoo.cli import main
from iqa_zoo.serve.run import name_url, open_socket
from tests.serve.photos import draw_photo

# Without what only training and figures need, as in the image of the Dockerfile.
SLIM = """
import importlib.util
import sys

BLOCKED = {"mmengine", "cv2", "matplotlib", "sklearn", "skimage", "fvcore", "torch_geometric", "scipy"}


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            return importlib.util.spec_from_loader(name, self)

    def create_module(self, spec):
        raise ImportError(spec.name + " is blocked")

    def exec_module(self, module):
        raise ImportError(module.__name__ + " is blocked")


sys.meta_path.insert(0, Blocked())
from iqa_zoo.cli import main

sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_server_scores_and_ends_when_it_is_terminated(write_run, small, tmp_path):
    run = write_run(tmp_path / "tiny", small, noise=0.5)
    command = [sys.executable, "-c", SLIM, "serve", "--port", "0", "--model", str(run), "--device", "cpu"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        ready = server.stdout.readline()
        assert ready.startswith("tiny at http://127.0.0.1:"), server.communicate(timeout=10)
        url = ready.split()[2]
        content = draw_photo(5)
        response = httpx.post(url + "v1/score", files={"photographs": ("a.png", content)}, timeout=30)
        (answer,) = response.json()["photographs"]
        assert np.isclose(
            answer["scores"][0]["score"], iqa_zoo.load(run, "cpu").score(content).score, rtol=0, atol=1e-9
        )
    finally:
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=30)
    assert server.returncode == 143
    assert err.strip() == "iqa-zoo: interrupted"


def test_a_port_in_use_is_one_line(capsys):
    with open_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert f"127.0.0.1, port {port}: Address already in use; give another --port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "mlp_lite0.lives"], "did you mean 'mlp_lite0.livec'"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid, port 8000"),
    ],
)
def test_what_cannot_be_served_is_named(arguments, message, capsys, monkeypatch):
    def resolve(host, *_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # no network
    assert main(["serve", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("package", ["fastapi", "uvicorn", "python_multipart"])
def test_without_a_package_the_extra_is_named(package, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["serve"]) == 2
    err = capsys.readouterr().err
    assert package in err
    assert 'pip install "iqa-zoo[serve]"' in err


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        main(["serve", "--port", port])
    assert "is not a port" in capsys.readouterr().err


def test_the_address_is_one_for_a_browser():
    with open_socket("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        assert name_url(opened, "127.0.0.1") == f"http://127.0.0.1:{port}/"
        assert name_url(opened, "::1") == f"http://[::1]:{port}/"
