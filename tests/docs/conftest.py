"""A folder with everything that the pages name: photographs, miniatures of the releases, a trained model, a hub and a server of files."""

from __future__ import annotations

import functools
import http.server
import io
import json
import shutil
import sys
import threading
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo import user_files
from iqa_zoo.registry import HEADS

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 24  # of a miniature of a release
OF_RUN = dict(
    dim=64,
    backbone=dict(type="timm_features", name="test_vit", image_size=32),
    queries=dict(type="class_token", num_queries=6),
    memory=dict(type="tokens"),
    interactions=[
        dict(type="self_attention", num_heads=2),
        dict(type="cross_attention", num_heads=2),
        dict(type="feed_forward", hidden=32, activation="gelu"),
    ],
    head=dict(type="linear", bias=False),
    losses=[dict(type="smooth_l1")],
)


def draw_noise(file, strength, seed):
    """Write noise that is the stronger the worse the photograph."""
    from PIL import Image

    noise = np.random.default_rng(seed).normal(128, 3 * (strength + 1), (64, 72, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise).save(file, quality=95)


def make_livec(root):
    from scipy.io import savemat

    (root / "Images").mkdir(parents=True)
    (root / "Data").mkdir()
    names = [f"t{i}.bmp" for i in range(1, 8)] + [f"{i}.bmp" for i in range(IMAGES)]
    for i in range(IMAGES):
        draw_noise(root / "Images" / f"{i}.bmp", i, i)
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    scores = np.array([50.0] * 7 + [90.0 - 3 * i for i in range(IMAGES)])
    savemat(root / "Data" / "AllImages_release.mat", {"AllImages_release": cells})
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": scores[None]})
    savemat(root / "Data" / "AllStdDev_release.mat", {"AllStdDev_release": np.full((1, len(names)), 18.0)})


def make_koniq(root):
    (root / "1024x768").mkdir(parents=True)
    lines = ["image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set"]
    for i in range(IMAGES):
        draw_noise(root / "1024x768" / f"{i}.jpg", i, 100 + i)
        part = ("training", "training", "validation", "test")[i % 4]
        lines.append(f"{i}.jpg,{i},{20 + i},30,{50 - i},{30 - i},{130},{85 - 3 * i},15,{part}")
    (root / "koniq10k_distributions_sets.csv").write_text("\n".join(lines))


def make_kadid(root):
    (root / "images").mkdir(parents=True)
    lines = ["dist_img,ref_img,dmos,var"]
    for i in range(IMAGES):
        name = f"I{i % 6 + 1:02}_{(1, 11, 25)[i % 3]:02}_{i // 6 % 4 + 1:02}.png"
        draw_noise(root / "images" / name, i, 200 + i)
        lines.append(f"{name},I{i % 6 + 1:02}.png,{4.8 - 0.15 * i:.2f},0.6")
    (root / "dmos.csv").write_text("\n".join(lines))


def make_checkpoint(file):
    """Write what the authors' code of DEIQT would, with two of its twelve blocks."""
    import torch

    from iqa_zoo.testing.released import fill

    manifest = json.loads((ROOT / "tests" / "golden" / "deiqt.json").read_text())["manifest"]
    kept = {
        name: shape for name, shape in manifest.items() if ".blocks." not in f".{name}" or ".blocks.0." in f".{name}"
    }
    torch.save({name: fill(name, tuple(shape)) for name, shape in kept.items()}, file)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """photo.jpg, more_photos/, rated images in ratings/ and export/, and three releases of 24 images of noise."""
    from PIL import Image
    from skimage import data

    folder = tmp_path_factory.mktemp("photographs")
    photo = Image.fromarray(data.chelsea()).resize((320, 224))
    photo.save(folder / "photo.jpg")
    (folder / "more_photos").mkdir()
    for i in range(2):
        photo.resize((250 + 6 * i, 230)).rotate(20 * i).save(folder / "more_photos" / f"{i}.jpg", quality=90 - 6 * i)
    for name in ("ratings", "export"):
        (folder / name).mkdir()
        for i in range(IMAGES):
            draw_noise(folder / name / f"{i}.jpg", i, 300 + i)
    rows = [f"{i}.jpg,{90 - 3 * i}" for i in range(IMAGES)]
    (folder / "ratings" / "ratings.csv").write_text("\n".join(["image,mos", *rows]) + "\n")
    (folder / "export" / "other.csv").write_text("\n".join(["filename,quality", *rows]) + "\n")
    make_livec(folder / "ChallengeDB_release")
    make_koniq(folder / "KonIQ")
    make_kadid(folder / "KADID")
    return folder


@pytest.fixture
def miniatures(monkeypatch):
    """The data sets expect the miniatures."""
    from iqa_zoo.data import kadid10k, koniq10k, livec

    for module, counts in ((livec, {}), (koniq10k, {}), (kadid10k, dict(contents=6))):
        monkeypatch.setattr(module, "RELEASE", replace(module.RELEASE, images=IMAGES, **counts))


@pytest.fixture
def weights_for_all(monkeypatch):
    """No hub of timm's: what --pretrained would fetch is random; packaged weights are what they are."""
    import timm

    from iqa_zoo.backbones import timm_features

    create = timm.create_model
    monkeypatch.setattr(timm_features, "_reach_hub", lambda name: None)
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False, **options: create(name, **options))


@pytest.fixture
def workplace(photographs, monkeypatch, one_thread, scratch_registry, miniatures, weights_for_all, write_run):
    """Be in that folder, with a cache that the pages share, and forget afterwards what a page registers and writes."""
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


@pytest.fixture
def trained(workplace, write_run):
    """runs/deiqt: a small model with the weights that it began with."""
    about = {"name": "livec", "label": "MOS", "higher_is_better": True, "score_range": [0, 100]}
    about |= {"images": IMAGES, "contents": IMAGES, "look_alikes": 0}
    return write_run(workplace / "runs" / "deiqt", OF_RUN, data=about, noise=0.3)


@pytest.fixture
def checkpoint(workplace):
    make_checkpoint(workplace / "deiqt.pth")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A model hub on the loopback."""
    from huggingface_hub import constants

    from tests.hub.fake_hub import TOKEN, serve

    with serve() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the client
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "*")
        yield server


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def releases(monkeypatch, tmp_path, photographs):
    """The address of KonIQ-10k is one of the loopback."""
    import yaml

    from iqa_zoo.data.download import sources

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in sorted((photographs / "KonIQ").rglob("*.*")):
            archive.write(file, file.relative_to(photographs / "KonIQ"))
    (tmp_path / "koniq10k.zip").write_bytes(packed.getvalue())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    file = dict(url=f"http://127.0.0.1:{server.server_address[1]}/koniq10k.zip")
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"koniq10k": {"files": [file]}}))
    monkeypatch.setattr(sources, "TABLE", tmp_path / "sources.yaml")
    monkeypatch.setenv("NO_PROXY", "*")
    yield
    server.shutdown()
    server.server_close()
    thread.join()
