"""The documentation builds without a warning: every link and every reference inside it leads somewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages; sources are copied, so that the build writes nothing into the checkout."""
    import shutil

    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(DOCS, folder / "source", ignore=shutil.ignore_patterns("generated", "_build", "__pycache__"))
    options = ["-W", "--keep-going", "-n", "-q", "-E", "-b", "html", "-c", str(DOCS)]
    command = [sys.executable, "-m", "sphinx", *options, str(folder / "source"), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "IQA_ZOO_DISABLE_PLUGINS": "1"})
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
def test_the_build_is_strict_and_has_every_kind_of_page(site):
    for page in (
        "index",
        "start/install",
        "concepts/verdicts",
        "howto/own_part",
        "studies/compare",
        "limits",
        "search",
    ):
        assert (site / f"{page}.html").is_file()
    for page in ("reference/head", "results/livec_box", "model_cards/lifeiqa", "contributing"):
        assert (site / "generated" / f"{page}.html").is_file()


@pytest.mark.slow
def test_the_pages_load_nothing_from_the_network_and_search_works_offline(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text, page
        assert '<link rel="stylesheet" type="text/css" href="http' not in text, page
    assert "grid_pool" in (site / "searchindex.js").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_reference_documents_every_part_and_every_option_of_compare(site):
    from iqa_zoo.commands.study import make_parser
    from iqa_zoo.registry import SLOTS

    for slot, registry in SLOTS.items():
        page = (site / "generated" / "reference" / f"{slot}.html").read_text(encoding="utf-8")
        for name, part in registry.built_in().items():
            assert f'id="{name.replace("_", "-")}"' in page, (slot, name, part.module)
    page = (site / "generated" / "reference" / "studies.html").read_text(encoding="utf-8")
    options = [each.option_strings[0] for each in make_parser("compare")._actions if each.option_strings]
    assert [option for option in options if option != "-h" and option not in page] == []
