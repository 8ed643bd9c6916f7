"""iqa-zoo explain --map"""

import json
import sys

import numpy as np
import pytest
from PIL import Image

import iqa_zoo
from iqa_zoo.cli import main


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    file = tmp_path_factory.mktemp("photos") / "a.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)).save(file)
    return file


@pytest.fixture(scope="module")
def run(write_run, small, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "run", small, noise=0.5)


@pytest.mark.slow
def test_a_map_as_numbers(run, photo, capsys):
    assert main(["explain", str(photo), "--map", "--occlusion", "--run", str(run), "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    scorer = iqa_zoo.load(run, "cpu")
    assert found["score"]["score"] == scorer.score(photo).score
    assert found["size"] == 32
    pixels = np.array(Image.open(photo))
    for region in found["regions"][::5]:
        top, left = region["top"], region["left"]
        view = np.ascontiguousarray(pixels[top : top + 32, left : left + 32])
        assert region["score"] == scorer.with_crops(1).score(view).score
    assert found["occlusion"]["least"] <= found["occlusion"]["most"]
    assert any("as if it were a photograph" in note for note in found["notes"])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_map_as_a_figure(run, photo, tmp_path, capsys, suffix):
    file = tmp_path / f"map.{suffix}"
    assert main(["explain", str(photo), "--map", "--run", str(run), "-o", str(file)]) == 0
    assert f"written to {file}" in capsys.readouterr().out
    if suffix == "svg":
        assert "<svg" in file.read_text()
    else:
        with Image.open(file) as drawn:
            assert drawn.width > 1000  # three panels: the model attends


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--occlusion", "--run", "x", "--json"], "give --map as well"),
        (["--map", "--data", "demo"], "without --data"),
        (["--map"], "give -o FILE"),
        (["--map", "--json", "--run", "mlp_lite0.lives"], "did you mean 'mlp_lite0.livec'"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message, photo, capsys):
    assert main(["explain", str(photo), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_a_map_a_run_is_required(photo, capsys):
    with pytest.raises(SystemExit):
        main(["explain", str(photo), "--json"])
    assert "required: --run" in capsys.readouterr().err


def test_occlusion_without_captum_names_what_to_install(photo, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    assert main(["explain", str(photo), "--map", "--occlusion", "--json"]) == 2
    assert 'pip install "iqa-zoo[explain]"' in capsys.readouterr().err
