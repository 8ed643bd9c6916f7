"""iqa-zoo data get"""

import io
import json
import sys
from dataclasses import replace

import pytest
import yaml
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.commands import data_get
from iqa_zoo.data import koniq10k
from iqa_zoo.data.download import sources
from iqa_zoo.data.download.fetch import Probe

LABELS = "image_name,MOS_zscore\n1.png,20\n2.png,60\n"


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """KonIQ-10k of two images, from a server that is a function."""
    out = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(out, "w") as archive:
        for index in (1, 2):
            image = io.BytesIO()
            Image.new("RGB", (16, 16), (index * 90, 0, 0)).save(image, "PNG")
            archive.writestr(f"1024x768/{index}.png", image.getvalue())
    content = {"images.zip": out.getvalue(), "koniq10k_scores_and_distributions.csv": LABELS.encode()}
    fetched = []

    def fetch(file, target, **_):
        fetched.append(file.file_name)
        target.write_bytes(content[file.file_name])

    table = tmp_path / "sources.yaml"
    table.write_text(
        yaml.safe_dump({"koniq10k": {"files": [{"url": f"https://example.org/{name}"} for name in content]}})
    )
    monkeypatch.setattr(sources, "TABLE", table)
    monkeypatch.setattr("iqa_zoo.data.download.get.fetch", fetch)
    monkeypatch.setattr("iqa_zoo.data.download.get.probe", lambda file: Probe(len(content[file.file_name])))
    monkeypatch.setattr(koniq10k, "RELEASE", replace(koniq10k.RELEASE, images=2))
    return fetched


@pytest.fixture
def get(tmp_path):
    return lambda *words: main(["data", "get", "koniq10k", "--root", str(tmp_path / "root"), *words])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_release_with_the_licence_accepted(capsys, offered, get, tmp_path):
    assert get("--accept-licence") == 0
    out, err = capsys.readouterr()
    assert offered == ["images.zip", "koniq10k_scores_and_distributions.csv"]
    assert out.startswith(f"koniq10k at {tmp_path / 'root'}: usable\nrated images on disk: 2 of 2\n")
    assert f"licence: {koniq10k.RELEASE.licence}\n" in err
    assert "no checksum of it is known; the SHA-256 of what came is" in err


def test_the_licence_is_never_accepted_silently(capsys, offered, get, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))  # not a terminal
    assert get() == 2
    assert "and give --accept-licence" in capsys.readouterr().err
    for answer in ("no\n", "\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert get() == 2
        assert "was not accepted; nothing was downloaded" in capsys.readouterr().err
    assert offered == []
    assert not (tmp_path / "root").exists()
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert get() == 0
    assert koniq10k.RELEASE.licence in capsys.readouterr().err


def test_a_dry_run_writes_nothing(capsys, offered, get, tmp_path):
    assert get("--dry-run") == 0
    out, err = capsys.readouterr()
    assert (offered, err) == ([], "")
    assert "download: https://example.org/images.zip: " in out
    assert "checksum unknown" in out
    assert f"licence: {koniq10k.RELEASE.licence}" in out
    assert "\ndisk: needs about " in out
    assert not (tmp_path / "root").exists()
    assert get("--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["files"][1]["bytes"] == len(LABELS)
    assert plan["files"][0]["sha256"] is None
    assert plan["bytes_needed"] < plan["bytes_free"]


def test_json(capsys, offered, get):
    assert get("--accept-licence", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["check"]["usable"] is True
    assert values["left_to_do"] == []


def test_what_a_person_has_to_do(capsys, tmp_path):
    assert main(["data", "get", "livec", "--root", str(tmp_path / "livec")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("to do: Fill in the form of https://live.ece.utexas.edu/research/ChallengeDB/")
    assert "by hand: Fill in the form" in err
    assert not (tmp_path / "livec").exists()


def test_an_interrupt_says_how_to_go_on(capsys, offered, get, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("iqa_zoo.data.download.get.fetch", interrupt)
    assert get("--accept-licence") == 130
    assert "interrupted; what arrived is kept; run the command again to go on" in capsys.readouterr().err


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    with data_get.report_bytes() as progress:
        for second in range(0, 91, 10):
            now[0] = float(second)
            progress("a.zip", 5_000_000 + second * 2_000_000, 200_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "iqa-zoo: a.zip: 65.0 of 200.0 MB, 2.0 MB/s"
    assert len(lines) == 3


def test_list_names_what_can_be_downloaded(capsys):
    assert main(["data", "list", "--json"]) == 0
    rows = {row["name"]: row["download"] for row in json.loads(capsys.readouterr().out)}
    assert rows["koniq10k"] is True
    assert rows["livec"] is rows["table"] is False
