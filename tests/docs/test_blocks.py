"""Every code block of README and docs runs: Python in one namespace a page, commands in one folder of photographs.

A comment before a block says what is done instead, and why: ``<!-- test: plan, REASON -->`` (a command is parsed and its study
planned; a study called from Python gives its published record) and ``<!-- test: skip, REASON -->``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from iqa_zoo import user_files
from iqa_zoo.cli import COMMANDS, main, make_parser
from iqa_zoo.commands.imports import take_imports
from iqa_zoo.commands.study import match_study
from iqa_zoo.registry import HEADS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RECORDS = {"compare": "livec_box", "ablate": "livec_box_ablate"}
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if page.relative_to(DOCS).parts[0] not in ("generated", "_build")),
]
BLOCK = re.compile(r"(?:<!-- test: (\w+), (.*?) -->\n)?^ *```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = ("python", "bash", "yaml")
NO_CODE = ("text",)  # output and drawings; what begins with { is a directive of Sphinx


@dataclass(frozen=True)
class Block:
    """One block of a page: its language, what the test does with it, and why it is not run."""

    language: str
    text: str
    mode: str
    reason: str


def read_blocks(page: Path) -> list[Block]:
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(language, textwrap.dedent(text), mode or "run", reason) for mode, reason, language, text in found]


def name_page(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_CODE = [page for page in PAGES if any(block.language in CODE for block in read_blocks(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_block_says_its_language_and_every_exception_its_reason(page):
    blocks = read_blocks(page)
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks)  # none is overlooked
    for block in blocks:
        assert block.language in (*CODE, *NO_CODE) or block.language.startswith("{"), block
        assert block.mode in ("run", "plan", "skip"), block
        assert block.mode == "run" or len(block.reason) > 5, block


def test_few_blocks_are_skipped():
    blocks = [block for page in PAGES for block in read_blocks(page) if block.language in CODE]
    assert len(blocks) > 40
    assert sum(block.mode == "skip" for block in blocks) <= 5


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder with what the pages name: photo.jpg, more_photos/, and rated images in ratings/ and export/."""
    from PIL import Image
    from skimage import data

    folder = tmp_path_factory.mktemp("photographs")
    photo = Image.fromarray(data.chelsea()).resize((320, 224))
    photo.save(folder / "photo.jpg")
    for name in ("more_photos", "ratings", "export"):
        (folder / name).mkdir()
        for i in range(2 if name == "more_photos" else 10):
            photo.resize((250 + 6 * i, 230)).rotate(20 * i).save(folder / name / f"{i}.jpg", quality=90 - 6 * i)
    rows = [f"{i}.jpg,{90 - 5 * i}" for i in range(10)]
    (folder / "ratings" / "ratings.csv").write_text("\n".join(["image,mos", *rows]) + "\n")
    (folder / "export" / "other.csv").write_text("\n".join(["filename,quality", *rows]) + "\n")
    return folder


@pytest.fixture
def workplace(photographs, monkeypatch, one_thread, scratch_registry):
    """Be in that folder, with a cache of its own, and forget afterwards what a page registers."""
    import shutil

    before = set(photographs.iterdir())
    monkeypatch.chdir(photographs)
    monkeypatch.setenv("IQA_ZOO_CACHE", str(photographs.parent / "cache"))
    monkeypatch.setenv(user_files.VARIABLE, "")
    monkeypatch.setattr(user_files, "_tried", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield photographs
    sys.modules.pop("my_head", None)
    HEADS.module_dict.pop("worst", None)
    for path in set(photographs.iterdir()) - before:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def split_commands(text: str) -> list[list[str]]:
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words for words in lines if words]


def run_command(words: list[str], plan: bool, plan_command) -> None:
    """Run a command line, or parse it and plan its study; fail where the exit code is not 0."""
    assert words[0] == "iqa-zoo", f"only iqa-zoo is run: {words}"
    if not plan:
        try:
            code = main(words[1:])
        except SystemExit as stopped:
            code = stopped.code
        assert not code, f"{shlex.join(words)} ends with {code}"
        return
    given = take_imports(words[1:])
    if study := match_study(given):
        plan_command(study, *given[1:])
    else:
        assert given[0] in COMMANDS
        make_parser([given[0]]).parse_args(given)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name_page)
def test_every_block_runs(page, workplace, monkeypatch, plan_command):
    names: dict[str, object] = {"__name__": "page"}
    for block in read_blocks(page):
        if block.mode == "skip":
            continue
        plan = block.mode == "plan"
        if block.language == "yaml":
            check_config(block.text)
        elif block.language == "bash":
            for words in split_commands(block.text):
                run_command(words, plan, plan_command)
        elif block.language == "python":
            with monkeypatch.context() as patch:
                if plan:
                    patch.setattr("iqa_zoo.studies.api.run_study", give_record)
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


def give_record(spec, progress, command=()):
    """Give the published record of a planned study, or nothing that can be read where there is none."""
    from iqa_zoo import load_result
    from iqa_zoo.studies.results import StudyResult

    if spec.study in RECORDS:
        return load_result(ROOT / "benchmarks" / "results" / f"{RECORDS[spec.study]}.json")
    return StudyResult({"study": spec.study})


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
