"""``iqa-zoo serve``: a page and a JSON interface that score photographs."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import fields
from typing import Any

from iqa_zoo.commands.hub_run import fetch_run, parse_run
from iqa_zoo.commands.lean_timm import import_lean_timm
from iqa_zoo.commands.shared import add_device_option, parse_count
from iqa_zoo.errors import InputError
from iqa_zoo.serve.names import name_models
from iqa_zoo.trained.names import DEFAULT

HOST, PORT = "127.0.0.1", 8000
NEEDED = ("fastapi", "uvicorn", "python_multipart")
CHANGEABLE = {
    "photographs": "photographs in one request",
    "file_megabytes": "megabytes of one photograph",
    "request_megabytes": "megabytes of one request",
    "megapixels": "megapixels of one photograph",
    "at_once": "requests held in memory at a time; others wait",
    "score_seconds": "seconds until a photograph is scored, waiting included",
}
EXAMPLES = """\
examples:
  iqa-zoo serve                                        http://127.0.0.1:8000/, for this machine only
  iqa-zoo serve --model mlp_lite0.livec ridge_lite0.livec     two models side by side
  iqa-zoo serve --model hf://user/name@revision        a model of a hub; the page calls it user/name@revision
  iqa-zoo serve --host 0.0.0.0 --port 80               for others; put a proxy with TLS and passwords in front
  curl -F photographs=@photo.jpg http://127.0.0.1:8000/v1/score
"""


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "serve",
        help="serve a page and a JSON interface that score photographs",
        description="Serve one page, on which photographs are dropped or pasted, and a JSON interface; /openapi.json describes it. "
        "A score equals that of iqa-zoo score. Nothing is kept, and the page loads nothing from anywhere else. The server listens "
        "on this machine only unless --host names another address; it has no passwords.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        metavar="RUN",
        nargs="+",
        type=parse_run,
        default=[DEFAULT],
        help="names of trained models, folders of trainings, or hf://user/name@revision; the first is the default of the page "
        f"(default: {DEFAULT})",
    )
    parser.add_argument("--host", default=HOST, metavar="ADDRESS", help=f"to listen on (default: {HOST})")
    parser.add_argument(
        "--port", type=_parse_port, default=PORT, metavar="N", help=f"0 takes a free one (default: {PORT})"
    )
    add_device_option(parser)
    limits = parser.add_argument_group("limits")
    for name, text in CHANGEABLE.items():
        limits.add_argument(f"--{name.replace('_', '-')}", type=parse_count, metavar="N", help=text)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f'iqa-zoo serve needs {", ".join(missing)}: pip install "iqa-zoo[serve]"')
    from iqa_zoo.inference.find_model import find_model

    named = {name: fetch_run(each) for name, each in name_models(args.model).items()}
    for each in named.values():
        find_model(each)  # before torch is imported
    import_lean_timm()
    from iqa_zoo.serve.limits import Limits
    from iqa_zoo.serve.run import make_server, name_url, open_socket
    from iqa_zoo.serve.scoring import load_models

    given = {name: value for name in CHANGEABLE if (value := getattr(args, name)) is not None}
    assert given.keys() <= {each.name for each in fields(Limits)}
    with open_socket(args.host, args.port) as opened:
        url = name_url(opened, args.host)
        scorers = load_models(named, args.device)
        ready = f"{', '.join(scorers)} at {url} (Ctrl-C ends the server)"
        make_server(scorers, args.host, Limits(**given), lambda: print(ready, flush=True)).run(sockets=[opened])
    return 0


def _parse_port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a whole number from 0 to 65535")
    return int(text)
