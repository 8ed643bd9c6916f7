"""iqa-zoo data"""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.cli import main
from iqa_zoo.data import kadid10k, livec
from iqa_zoo.registry import DATASETS


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Four images of two contents in KADID-10k's layout; images of one content look alike."""
    monkeypatch.setattr(kadid10k, "RELEASE", replace(kadid10k.RELEASE, images=4, contents=2))
    rng = np.random.default_rng(0)
    lines = ["dist_img,ref_img,dmos,var"]
    (tmp_path / "images").mkdir()
    for content in ("01", "02"):
        base = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        for level in ("01", "02"):
            name = f"I{content}_01_{level}.png"
            Image.fromarray(base).save(tmp_path / "images" / name)
            lines.append(f"{name},I{content}.png,{3 + int(level) / 2},0.5")
    (tmp_path / "dmos.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def damaged(root):
    """One image missing, one cut short, one a copy of an image of another content."""
    images = root / "images"
    (images / "I01_01_01.png").unlink()
    whole = (images / "I01_01_02.png").read_bytes()
    (images / "I02_01_01.png").write_bytes(whole)
    (images / "I02_01_02.png").write_bytes(whole[: len(whole) // 2])
    return root


def test_a_usable_dataset(capsys, root):
    assert main(["data", "check", "kadid10k", "--root", str(root)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[:2] == [f"kadid10k at {root}: usable", "rated images on disk: 4 of 4"]
    assert f"\nratings: the standard deviation of each image; 30 an image ({kadid10k.RELEASE.ratings_note})\n" in out
    assert f"release: {kadid10k.RELEASE.source}\nlicence: {kadid10k.RELEASE.licence}\n" in out


def test_what_is_missing_unreadable_and_duplicated(capsys, damaged):
    assert main(["data", "check", "kadid10k", "--root", str(damaged)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"kadid10k at {damaged}: not usable as it is\nrated images on disk: 3 of 4\n")
    assert f"missing: 1 images: {damaged / 'images' / 'I01_01_01.png'}" in out
    assert f"unreadable: {damaged / 'images' / 'I02_01_02.png'} is truncated" in out
    assert "look the same: I01_01_02.png and I02_01_01.png" in out


def test_json_has_every_finding(capsys, damaged):
    assert main(["data", "check", "kadid10k", "--root", str(damaged), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert len(report.pop("unreadable")) == 1
    assert report == {
        "name": "kadid10k",
        "root": str(damaged),
        "usable": False,
        "expected": 4,
        "found": {
            "images": 3,
            "label": "MOS",
            "lowest": 3.5,
            "highest": 4.0,
            "score_range": [1, 5],
            "higher_is_better": True,
            "contents": 2,
            "distortions": ["Gaussian blur"],
            "deviations": True,
            "ratings": {"lowest": 30, "highest": 30, "median": 30.0, "note": kadid10k.RELEASE.ratings_note},
            "official_split": None,
        },
        "missing": [str(damaged / "images" / "I01_01_01.png")],
        "duplicates": [["I01_01_02.png", "I02_01_01.png"]],
        "smallest": {"image": "I01_01_02.png", "height": 40, "width": 48},
        "problems": [],
        "licence": kadid10k.RELEASE.licence,
        "source": kadid10k.RELEASE.source,
    }


def test_json_where_nothing_is_there(capsys, tmp_path):
    assert main(["data", "check", "livec", "--root", str(tmp_path / "gone"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["found"] is report["smallest"] is None
    assert "gone does not exist" in report["problems"][0]


def test_options_reach_the_dataset(capsys, root):
    lines = ["image,mos,split", "images/I01_01_01.png,1,train", "images/I02_01_01.png,2,test"]
    (root / "mine.csv").write_text("\n".join(lines))
    argv = ["data", "check", "table", "--root", str(root), "--option", "labels=mine.csv", "--json"]
    assert main([*argv, "--option", "higher_is_better=false"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert (found["images"], found["label"], found["higher_is_better"]) == (2, "DMOS", False)
    assert found["official_split"] == {"test": 1, "train": 1}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["kadid", "--root", "x"], "iqa-zoo: unknown dataset 'kadid'; did you mean 'kadid10k'?"),
        (["kadid10k"], "iqa-zoo: kadid10k: give --root PATH"),
        (["kadid10k", "--root", "x", "--option", "sbset=true"], "did you mean 'subset'?"),
    ],
)
def test_a_wrong_argument(capsys, argv, message):
    assert main(["data", "check", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_the_demo_lies_in_the_cache(capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("iqa_zoo.data.check.check_dataset", lambda name, root, **_: asked.append((name, root)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["data", "check", "demo"])
    assert asked == [("demo", tmp_path / "cache")]


def test_list_shows_scores_licence_and_address_of_every_dataset(capsys):
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    for name in DATASETS.names():
        assert f"│ {name} " in out
    row = next(line for line in out.splitlines() if line.startswith("│ livec "))
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["livec", "1162", "", "MOS, 0..100", "higher", "deviation, number"]
    assert (
        f"\nlivec: {livec.RELEASE.source}; licence: {livec.RELEASE.licence}; without --root: features that come" in out
    )
    assert "\ntable: no release; see iqa-zoo describe table\n" in out


def test_list_as_json(capsys):
    assert main(["data", "list", "--json"]) == 0
    rows = {row.pop("name"): row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == DATASETS.names()
    assert rows["livec"]["source"] == livec.RELEASE.source
    assert rows["csiq"]["higher_is_better"] is False
    assert rows["livec"]["deviations"] is True
    assert rows["livec"]["ratings"] == 175
    assert rows["spaq"]["deviations"] is False
    assert rows["spaq"]["ratings"] is None
    assert rows["csiq"]["note"] is rows["table"]["source"] is None


def test_list_goes_on_after_a_plugin_that_does_not_load(capsys, install):
    install("raising", {"datasets": {"sour": "raising_part:part"}}, raising_part="raise RuntimeError('no such luck')")
    assert main(["data", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert "raising 1.0" in rows["sour"]["note"]
    assert rows["livec"]["images"] == livec.RELEASE.images
