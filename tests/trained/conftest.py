"""A small trained model with a name, made of noise whose strength is the rating."""

import numpy as np
import pytest
import torch
from PIL import Image

from iqa_zoo.build import build_backbone
from iqa_zoo.data.duplicates import compute_perceptual_hash
from iqa_zoo.data.images import read_image
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.splits import make_splits
from iqa_zoo.trained.make import Release, write_trained
from iqa_zoo.training.frozen.extraction import extract_features
from iqa_zoo.training.recipe import FrozenRecipe

SIZE = 32
IMAGES = 60
CONFIG = dict(
    dim=16,
    backbone=dict(type="timm_features", name="test_resnet", stages=[3, 4], image_size=SIZE),
    queries=dict(type="learned", num_queries=2),
    memory=dict(type="tokens"),
    interactions=[dict(type="cross_attention", num_heads=2)],
    head=dict(type="linear"),
    losses=[dict(type="l1")],
)


@pytest.fixture(scope="session")
def noise(tmp_path_factory):
    """Photographs of noise: the stronger, the lower the rating."""
    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(IMAGES)]
    for i, path in enumerate(paths):
        grey = rng.normal(128, 2 + i, (SIZE + 8, SIZE + 10, 3)).clip(0, 255)
        Image.fromarray(grey.astype(np.uint8)).save(path)
    mos = 90 - 80 * np.arange(IMAGES) / (IMAGES - 1)
    return RatedImages("noise", tuple(paths), mos, score_range=(0, 100), licence="CC0", source="drawn")


@pytest.fixture(scope="session")
def released(noise, tmp_path_factory):
    """The folder, description, bank and backbone of the trained model ``tiny.noise``."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        backbone = build_backbone(CONFIG).eval()
    bank = extract_features(backbone, CONFIG["backbone"], noise, crops=2, cache=tmp_path_factory.mktemp("cache"))
    release = Release(
        name="tiny.noise",
        cfg=CONFIG,
        recipe=FrozenRecipe(epochs=20, batch_size=16, lr=3e-3, ema=None, precision="float32"),
        crops=2,
        licences={"code": "Apache-2.0", "weights": "Apache-2.0", "training data": "CC0"},
    )
    hashes_NB = np.stack([np.packbits(compute_perceptual_hash(read_image(path))) for path in noise.paths])
    entry = write_trained(
        release,
        bank,
        noise,
        make_splits(noise, 4),
        backbone=backbone,
        hashes_NB=hashes_NB,
        folder=folder / "models",
    )
    torch.set_num_threads(before)
    return folder / "models", entry, bank, backbone
