"""Every code block of README and docs runs: Python in one namespace a page, commands in one folder with what the pages name."""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import yaml

from iqa_zoo.cli import COMMANDS, main, make_parser
from iqa_zoo.commands.imports import take_imports
from iqa_zoo.commands.study import match_study
from tests.docs.blocks import (
    CODE,
    DOCS,
    MODES,
    NO_CODE,
    PAGES,
    RECORDS,
    ROOT,
    SMALL_STUDY,
    make_small,
    name_page,
    read_blocks,
    split_commands,
)

# What no test here can run, and why.
NOT_RUN = {
    ("README.md", "installs packages"),
    ("docs/start/install.md", "installs packages"),
    ("docs/start/install.md", "installs packages with uv"),
    ("docs/howto/cluster.md", "needs a GPU, a Ray cluster and a Slurm cluster"),
}
NEEDS = {  # what a page names, beside photographs and data sets
    "docs/howto/explain.md": ["trained"],
    "docs/howto/from_released_code.md": ["checkpoint"],
    "docs/howto/hub.md": ["trained", "hub"],
    "docs/howto/data.md": ["releases"],
}
WITH_CODE = [page for page in PAGES if any(block.language in CODE for block in read_blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_block_says_its_language_and_every_exception_its_reason(page):
    blocks = read_blocks(page)
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks)  # none is overlooked
    for block in blocks:
        assert block.language in (*CODE, *NO_CODE) or block.language.startswith("{"), block
        assert block.mode in MODES, block
        assert block.mode == "run" or len(block.reason) > 5, block


def test_what_is_not_run_is_listed_here():
    blocks = [(name_page(page), block) for page in PAGES for block in read_blocks(page) if block.language in CODE]
    skipped = [(page, block.reason) for page, block in blocks if block.mode == "skip"]
    assert set(skipped) == NOT_RUN
    assert len(skipped) == len(NOT_RUN)
    assert len(blocks) > 55


def run_block(text: str, mode: str, plan_command, done: set[tuple[str, ...]]) -> None:
    """Run the commands of a block, or plan them."""
    commands = split_commands(text)
    chosen = {"first": [0], "last": [len(commands) - 1], "plan": []}.get(mode, range(len(commands)))
    for i, words in enumerate(commands):
        if i in chosen:
            run_command(words, mode != "run", done)
        else:
            check_command(words, plan_command)


def check_command(words: list[str], plan_command) -> None:
    """Parse a command line, and plan its study."""
    given = take_imports(words[1:])
    if study := match_study(given):
        assert plan_command(study, *given[1:]).study
    else:
        assert given[0] in COMMANDS
        make_parser([given[0]]).parse_args(given)


def run_command(words: list[str], is_small: bool, done: set[tuple[str, ...]]) -> None:
    """Run a command line; fail where the exit code is not 0. A small study that ran before is not run again."""
    if words[0] == "curl":
        return serve_and_ask(words)
    assert words[0] == "iqa-zoo", f"only iqa-zoo and curl are run: {words}"
    given = words[1:]
    if is_small:
        given += make_small(match_study(take_imports(list(given))), given)
        if tuple(given) in done:
            return None
        done.add(tuple(given))
    if given[0] == "serve":
        return serve(given)
    try:
        code = main(given)
    except SystemExit as stopped:
        code = stopped.code
    assert not code, f"{shlex.join(given)} ends with {code}"


def serve(words: list[str]) -> None:
    """Serve, and interrupt the server once it is ready."""
    from iqa_zoo.serve import run

    def stop():
        time.sleep(0.2)  # the signal is the server's from its next step on
        signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        made = run.make_server
        patch.setattr(run, "make_server", lambda *given: made(*given[:3], threading.Thread(target=stop).start))
        assert main(words) in (0, 130)


def serve_and_ask(words: list[str]) -> None:
    """Send a request of curl to a server on a free port."""
    import iqa_zoo
    from iqa_zoo.serve.limits import Limits
    from iqa_zoo.serve.run import make_server, open_socket

    if shutil.which("curl") is None:
        return
    opened, ready = open_socket("127.0.0.1", 0), threading.Event()
    server = make_server({"mlp_lite0.livec": iqa_zoo.load(device="cpu")}, "127.0.0.1", Limits(), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
    thread.start()
    try:
        assert ready.wait(60)
        port = opened.getsockname()[1]
        asked = [word.replace(":8000/", f":{port}/") for word in words]
        done = subprocess.run([*asked, "-sS", "--noproxy", "*"], capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout)["photographs"][0]["scores"][0]["score"] > 0
    finally:
        server.should_exit = True
        thread.join(30)
        opened.close()


def plan_small(plan):
    """Return what plans a study, for a study in Python that is made small."""
    quick = {"compare": {"no_latency": True}}
    return lambda name, models=(), **settings: plan(name, models, **{**settings, **SMALL_STUDY, **quick.get(name, {})})


def give_record(spec, progress, command=()):
    """Give the published record of a planned study, or nothing that can be read where there is none."""
    from iqa_zoo import load_result
    from iqa_zoo.studies.results import StudyResult

    if spec.study in RECORDS:
        return load_result(ROOT / "benchmarks" / "results" / f"{RECORDS[spec.study]}.json")
    return StudyResult({"study": spec.study})


@pytest.fixture(scope="module")
def done():
    """The small studies that ran."""
    return set()


@pytest.fixture(scope="module")
def published():
    """What was counted of the published models, by model: many pages compare the same two."""
    return {}


@pytest.fixture
def counted_once(published, monkeypatch):
    from iqa_zoo.studies.compare import study

    describe = study.describe_published

    def look_up(configs, spec, progress):
        key = (*configs, spec.options.no_latency)
        if key not in published:
            published[key] = describe(configs, spec, progress)
        return copy.deepcopy(published[key])

    monkeypatch.setattr(study, "describe_published", look_up)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name_page)
def test_every_block_runs(page, workplace, monkeypatch, request, plan_command, counted_once, done):
    from iqa_zoo.studies import api

    for fixture in NEEDS.get(name_page(page), []):
        request.getfixturevalue(fixture)
    names: dict[str, object] = {"__name__": "page"}
    for block in read_blocks(page):
        if block.mode == "skip":
            continue
        if block.language == "yaml":
            check_config(block.text)
        elif block.language == "bash":
            run_block(block.text, block.mode, plan_command, done)
        elif block.language == "python":
            with monkeypatch.context() as patch:
                if block.mode == "small":
                    patch.setattr(api, "plan_study", plan_small(api.plan_study))
                if block.mode == "plan":
                    patch.setattr(api, "run_study", give_record)
                exec(compile(block.text, name_page(page), "exec"), names)


@pytest.mark.slow
def test_the_notebook_runs(workplace):
    notebook = json.loads((DOCS / "start" / "tour.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "tour.ipynb", "exec"), names)
    assert names["scores"] == sorted(names["scores"], reverse=True)


def check_config(text: str) -> None:
    from iqa_zoo import build_model

    assert build_model(yaml.safe_load(text)) is not None


@pytest.mark.slow
def test_the_command_of_every_record_can_be_planned(plan_command, monkeypatch, tmp_path):
    """What a page of results prints as its command is understood by the command line of today."""
    monkeypatch.syspath_prepend(DOCS)
    from pages import results

    monkeypatch.chdir(tmp_path)
    Path("deit_tiny_patch16_224.fp16.safetensors").touch()
    for file in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        words = shlex.split(results.format_command(results.load_record(file.stem)))
        assert plan_command(words[1].replace("-", "_"), *words[2:]).study
    assert os.listdir(tmp_path) == ["deit_tiny_patch16_224.fp16.safetensors"]
