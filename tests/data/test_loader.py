from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from iqa_zoo.data import decoded as module
from iqa_zoo.data.decoded import DecodedImages, normalise
from iqa_zoo.data.loader import CropLoader
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError

HEIGHT, WIDTH = 20, 26


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve images of noise: any two crops differ, and every crop can be traced to its place."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for index in range(12):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    paths = tuple(folder / f"{index}.png" for index in range(12))
    return RatedImages("noise", paths, np.arange(12.0), score_range=(0, 11), licence="CC0", source="made up")


@pytest.fixture
def reads(monkeypatch):
    """Names of the files decoded."""
    names = []
    read = module.read_image
    monkeypatch.setattr(module, "read_image", lambda path: names.append(Path(path).name) or read(path))
    return names


def load(data, indices=range(12), **changes):
    return CropLoader(data, list(indices), **(dict(size=8, crops=5, batch_size=7) | changes))


def everything(loader, epoch=0, skip=0):
    loader.set_epoch(epoch, skip)
    batches = list(loader)
    return [torch.cat([getattr(batch, part) for batch in batches]) for part in ("image_BCHW", "mos_B", "index_B")]


def is_crop_of(crop_CHW, path):
    image_HWC = np.asarray(Image.open(path))
    views = np.lib.stride_tricks.sliding_window_view(image_HWC, (8, 8), axis=(0, 1))
    crops = (crop_CHW.numpy(), crop_CHW.flip(-1).numpy())
    return any((views == crop).all(axis=(2, 3, 4)).any() for crop in crops)


def test_every_image_gives_its_crops_and_is_decoded_once(data, reads):
    image_BCHW, mos_B, index_B = everything(load(data))
    assert Counter(index_B.tolist()) == dict.fromkeys(range(12), 5)
    assert mos_B.tolist() == index_B.tolist()
    assert image_BCHW.dtype == torch.uint8
    assert image_BCHW.shape == (60, 3, 8, 8)
    assert all(is_crop_of(crop, data.paths[index]) for crop, index in zip(image_BCHW, index_B.tolist(), strict=True))
    assert Counter(reads) == {f"{index}.png": 1 for index in range(12)}


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 12),
    crops=st.integers(1, 6),
    batch_size=st.integers(1, 80),
    window=st.integers(1, 12),
    drop_last=st.booleans(),
)
def test_lengths_and_contents_fit(data, count, crops, batch_size, window, drop_last):
    changes = dict(crops=crops, batch_size=batch_size, window=window, drop_last=drop_last, threads=2)
    loader = load(data, range(count), **changes)
    sizes = [len(batch.mos_B) for batch in loader]
    assert len(sizes) == len(loader)
    full = count * crops // batch_size
    rest = count * crops - full * batch_size
    assert sizes == [batch_size] * full + ([rest] if rest and not drop_last else [])


def test_a_batch_mixes_images(data):
    mixed = [len(set(batch.index_B.tolist())) for batch in load(data, crops=20, batch_size=24, window=12)]
    assert min(mixed) >= 7
    narrow = [len(set(batch.index_B.tolist())) for batch in load(data, crops=20, batch_size=20, window=2)]
    assert max(narrow) <= 2


def test_the_same_whatever_the_threads_and_the_cache(data):
    first = everything(load(data, threads=1))
    for changes in (
        dict(threads=4),
        dict(images=DecodedImages(data)),
        dict(images=DecodedImages(data, memory_bytes=3000)),
    ):
        assert all(map(torch.equal, first, everything(load(data, **changes))))


def test_epochs_and_seeds_differ(data):
    first = everything(load(data))
    assert not torch.equal(first[0], everything(load(data), epoch=1)[0])
    assert not torch.equal(first[0], everything(load(data, seed=1))[0])
    one = load(data, [0], crops=1)
    assert not torch.equal(everything(one, epoch=0)[0], everything(one, epoch=1)[0])


def test_an_epoch_can_be_resumed_without_decoding_what_is_past(data, reads):
    loader = load(data, window=3)
    whole = everything(loader, epoch=2)
    reads.clear()
    rest = everything(loader, epoch=2, skip=5)
    assert all(torch.equal(part[5 * 7 :], kept) for part, kept in zip(whole, rest, strict=True))
    assert len(reads) < 12


def test_processes_share_the_batches_of_one(data):
    alone = list(load(data, batch_size=8, drop_last=True))
    shared = [list(load(data, batch_size=8, drop_last=True, rank=rank, world=2)) for rank in range(2)]
    for whole, *parts in zip(alone, *shared, strict=True):
        for rank, part in enumerate(parts):
            assert torch.equal(whole.image_BCHW[rank::2], part.image_BCHW)
            assert torch.equal(whole.mos_B[rank::2], part.mos_B)


def test_few_images_are_held(data, monkeypatch):
    held = []

    def count(self, rows, images, make=CropLoader._batch):
        held.append(len(images))
        return make(self, rows, images)

    monkeypatch.setattr(CropLoader, "_batch", count)
    everything(load(data, window=3))
    assert max(held) <= 3 + 3  # a batch may touch two windows


def test_mirroring_can_be_switched_off(data):
    image_BCHW, _, index_B = everything(load(data, flip=False))
    image_HWC = np.asarray(Image.open(data.paths[int(index_B[0])]))
    views = np.lib.stride_tricks.sliding_window_view(image_HWC, (8, 8), axis=(0, 1))
    assert (views == image_BCHW[0].numpy()).all(axis=(2, 3, 4)).any()


def test_crops_of_the_whole_image(data):
    square = load(data, [0], size=HEIGHT, crops=1, flip=False)
    assert everything(square)[0].shape == (1, 3, HEIGHT, HEIGHT)


def test_memory_keeps_images_up_to_its_cap(data, reads):
    images = DecodedImages(data, memory_bytes=5 * HEIGHT * WIDTH * 3)
    for epoch in range(3):
        everything(load(data, images=images), epoch=epoch)
    assert sorted(Counter(reads).values()) == [1] * 5 + [3] * 7


def test_small_images_are_enlarged_with_a_note(data, tmp_path):
    Image.fromarray(np.arange(630, dtype=np.uint8).reshape(30, 7, 3)).save(tmp_path / "small.png")
    small = RatedImages(
        "small",
        (tmp_path / "small.png", data.paths[0]),
        np.array([1.0, 1.5]),
        score_range=(0, 2),
        licence="",
        source="",
    )
    batches = list(load(small, [0], size=8))
    assert batches[0].image_BCHW.shape == (5, 3, 8, 8)
    expected = np.asarray(Image.open(tmp_path / "small.png").resize((8, 34), Image.Resampling.BICUBIC))
    for memory_bytes in (0, 1 << 20):
        images = DecodedImages(small, memory_bytes=memory_bytes, smallest=8)
        for _ in range(2):
            np.testing.assert_array_equal(images[0].transpose(1, 2, 0), expected)
        assert images[1].shape == (3, HEIGHT, WIDTH)
        assert images.notes == {"small.png": "enlarged from 30x7"}
    assert DecodedImages(small)[0].shape == (3, 30, 7)


@pytest.mark.slow
def test_bad_images_are_named(data, tmp_path):
    Image.new("RGB", (1, 4_000_000)).save(tmp_path / "thread.png")
    (tmp_path / "broken.png").write_text("no image")
    for name, message in (
        ("thread.png", r"thread\.png is 4000000x1 pixels.*less narrow"),
        ("broken.png", r"broken\.png is not an image"),
    ):
        bad = RatedImages("bad", (tmp_path / name,), np.array([1.0]), score_range=(0, 2), licence="", source="")
        with pytest.raises(InputError, match=message):
            list(load(bad, [0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(crops=0), "crops is 0"),
        (dict(batch_size=0), "batch_size is 0"),
        (dict(window=0), "window is 0"),
        (dict(indices=[]), "no images to load"),
        (dict(batch_size=7, world=2, drop_last=True), "cannot be shared by process 0 of 2"),
        (dict(batch_size=8, world=2, rank=2, drop_last=True), "process 2 of 2"),
        (dict(batch_size=8, world=2), "drop_last=True"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(data, changes, message):
    with pytest.raises(InputError, match=message):
        load(data, **changes)


def test_an_iteration_can_be_left(data):
    for batch in load(data):
        assert len(batch.mos_B) == 7
        break


def test_normalise_by_hand():
    image_BCHW = torch.randint(0, 256, (3, 3, 5, 4), dtype=torch.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = (image_BCHW.double() / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    result = normalise(image_BCHW, mean, std)
    assert result.dtype == torch.float32
    assert torch.allclose(result.double(), expected, atol=1e-5)
    buffer = torch.empty(3, 3, 5, 4)
    assert normalise(image_BCHW, mean, std, out=buffer) is buffer
    assert torch.equal(buffer, result)
