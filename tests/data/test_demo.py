import json
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data import demo as module
from iqa_zoo.data.demo import LEVELS, REFERENCES, degrade, demo, make_demo, read_manifest, read_reference
from iqa_zoo.errors import InputError

TWO = tuple(r for r in REFERENCES if r.content in ("coffee", "coins"))[1:3]
FEW = {kind: amounts[1:4:2] for kind, amounts in LEVELS.items()}


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_reference(REFERENCES[0])[0]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The demo set with two references and two levels."""
    monkeypatch.setattr(module, "REFERENCES", TWO)
    monkeypatch.setattr(module, "LEVELS", FEW)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_two_generations_are_byte_identical(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_demo(tmp_path / name, TWO, FEW)
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert len(one) == 7 * 2 + 6 * 2 + 1  # coins is grey and has no saturation
    assert one == two


@pytest.mark.slow
def test_needs_no_network(monkeypatch, small):
    def refuse(*args, **kwargs):
        raise AssertionError("the demo set opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    assert len(demo(small)) == 26


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: f"{r.content}-{r.left}")
def test_every_reference_is_a_reduced_square_inside_its_photograph(reference):
    with Image.open(module.PHOTOGRAPHS / reference.file) as image:
        width, height = image.size
    assert 0 <= reference.left <= width - reference.side
    assert 0 <= reference.top <= height - reference.side
    assert reference.side >= 1.3 * module.SIZE
    pixels, in_colour = read_reference(reference)
    assert pixels.shape == (224, 224, 3)
    assert pixels.std() > 5
    assert in_colour == bool((pixels != pixels[..., :1]).any())


def test_the_whole_set_has_the_promised_size():
    grey = {"brick", "camera", "coins", "grass", "gravel"}
    count = sum(5 * (6 if r.content in grey else 7) for r in REFERENCES)
    assert count == 720
    assert len({r.content for r in REFERENCES}) == 11
    assert all(len(amounts) == 5 for amounts in LEVELS.values())
    assert len(set(REFERENCES)) == len(REFERENCES)


@pytest.mark.parametrize("kind", LEVELS)
def test_every_level_is_farther_from_the_reference(kind, photo):
    errors = [np.square(degrade(photo, kind, amount) - photo.astype(float)).mean() for amount in LEVELS[kind]]
    assert errors[0] > 0
    assert errors == sorted(errors)


def test_amounts_mean_what_they_say(photo):
    grey = np.full((224, 224, 3), 128, np.uint8)
    assert degrade(grey, "white_noise", 10, seed=1).std() == pytest.approx(10, rel=0.02)
    assert not (degrade(grey, "white_noise", 10, seed=1) == degrade(grey, "white_noise", 10, seed=2)).all()
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    blurred = degrade(point, "gaussian_blur", 1.6)
    assert blurred[32, 32, 0] == round(255 / (2 * np.pi * 1.6**2))
    half = degrade(photo, "contrast", 0.5)
    assert half.std(axis=(0, 1)) == pytest.approx(photo.std(axis=(0, 1)) / 2, rel=0.01)
    psnr = 10 * np.log10(255**2 / np.square(degrade(photo, "jpeg2000", 32) - photo.astype(float)).mean())
    assert psnr == pytest.approx(32, abs=1)
    assert degrade(np.array([[[120, 100, 100]]], np.uint8), "saturation", 2.0)[0, 0].tolist() == [134, 94, 94]


@pytest.mark.slow
def test_set_is_made_once_and_kept(small):
    calls = []
    first = demo(small, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]
    stamps = [path.stat().st_mtime_ns for path in first.paths]
    second = demo(small, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == 2
    assert [path.stat().st_mtime_ns for path in second.paths] == stamps
    assert {path.name for path in small.iterdir()} == {first.paths[0].parent.name, "locks"}


@pytest.mark.slow
def test_what_it_says_of_itself(small):
    data = demo(small)
    assert data.name == "demo"
    assert "proxy" in data.label
    assert "not human opinion" in data.label
    assert data.higher_is_better
    assert data.score_range == (0.0, 100.0)
    assert set(data.references) == {"coffee", "coins"}
    assert set(data.distortions) == set(LEVELS)


@pytest.mark.slow
def test_scores_fall_with_the_level(small):
    data = demo(small)
    for reference in ("coffee", "coins"):
        for kind in FEW:
            scores = [
                score
                for score, content, its_kind in zip(data.mos, data.references, data.distortions, strict=True)
                if content == reference and its_kind == kind
            ]
            assert scores == sorted(scores, reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "changed", "no manifest", "broken manifest", "empty manifest"])
def test_a_damaged_cache_is_made_anew(small, damage):
    data = demo(small)
    folder = data.paths[0].parent
    before = contents(folder)
    if damage == "missing":
        data.paths[3].unlink()
    elif damage == "changed":
        data.paths[3].write_bytes(data.paths[4].read_bytes())
    elif damage == "no manifest":
        (folder / module.MANIFEST).unlink()
    elif damage == "broken manifest":
        (folder / module.MANIFEST).write_text("[{")
    else:
        (folder / module.MANIFEST).write_text(json.dumps([]))
    assert read_manifest(folder) is None
    again = demo(small)
    assert contents(folder) == before
    assert again.paths == data.paths
    assert {path.name for path in small.iterdir()} == {folder.name, "locks"}


def test_a_failure_leaves_nothing_behind(small, monkeypatch):
    monkeypatch.setattr(module, "PHOTOGRAPHS", small / "nowhere")
    with pytest.raises(InputError, match=r"coffee\.png is missing.*pip install"):
        demo(small / "cache")
    assert [path.name for path in (small / "cache").iterdir()] == ["locks"]


def test_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="IQA_ZOO_CACHE"):
        demo(tmp_path / "file")


@pytest.mark.slow
def test_cache_folder_follows_the_environment(monkeypatch, tmp_path, small):
    monkeypatch.setenv("IQA_ZOO_CACHE", str(tmp_path / "elsewhere"))
    assert demo().paths[0].is_relative_to(tmp_path / "elsewhere")
