"""Identities: of files, seen anew when they change; of images, labels, weights and libraries."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import iqa_zoo
from iqa_zoo import identity
from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.identity import (
    describe_origin,
    digest,
    find_part_modules,
    identify_code,
    identify_file,
    identify_images,
    identify_labels,
    identify_libraries,
    identify_weights,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.slow
@given(JSON, JSON)
def test_a_digest_is_that_of_the_value(first, second):
    import json

    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (digest(first) == digest(second)) == same


def test_a_file_that_changes_within_a_process_is_seen_at_any_age(tmp_path):
    file = tmp_path / "a"
    for age in (0, 3600):
        file.write_bytes(b"old")
        os.utime(file, (1e9, 1e9))
        before = identify_file(file)
        assert identify_file(file) == before
        file.write_bytes(b"new")
        os.utime(file, (1e9 - age, 1e9 - age))
        assert identify_file(file) != before


def test_a_file_is_read_once_while_nothing_shows_a_change(tmp_path, monkeypatch):
    file = tmp_path / "a"
    file.write_bytes(b"text")
    monkeypatch.setattr(identity, "SETTLED", -1)
    before = identify_file(file)
    monkeypatch.setattr(identity.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert identify_file(file) == before


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.png: cannot be read \(No such file"):
        identify_file(tmp_path / "nothing.png")


def rated(tmp_path, names="abcd", **changes):
    paths = tuple(tmp_path / f"{name}.png" for name in names)
    for path in paths:
        path.write_text(path.name)
    known = dict(score_range=(0, 9), licence="CC0", source="drawn") | changes
    return RatedImages(changes.pop("name", "set"), paths, known.pop("mos", np.arange(len(names)) / 3), **known)


def test_images_and_labels_are_told_apart(tmp_path):
    data = rated(tmp_path)
    relabelled = rated(tmp_path, mos=np.arange(4) / 3 + 1e-15)
    assert identify_images(relabelled) == identify_images(data)
    assert identify_labels(relabelled) != identify_labels(data)
    assert identify_images(data, [0, 2]) != identify_images(data)
    assert identify_images(data, np.array([0, 1, 2, 3])) == identify_images(data)
    data.paths[3].write_text("x")
    assert identify_images(data, [0, 1, 2]) == identify_images(relabelled, [0, 1, 2])
    assert identify_labels(rated(tmp_path, references=list("abcd"))) != identify_labels(rated(tmp_path))


def test_weights_that_a_state_dict_leaves_out_count():
    class Part(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.register_buffer("table", torch.tensor(value), persistent=False)
            self.weight = nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
            self.empty = nn.Parameter(torch.ones(0, 3))

    assert identify_weights(Part(1.0)) == identify_weights(Part(1.0)) != identify_weights(Part(2.0))


def test_parts_inside_parts_are_found():
    branches = [dict(type="nss"), dict(type="timm_features", name="test_resnet")]
    found = find_part_modules({"backbone": dict(type="multi_backbone", branches=branches), "memory": None})
    names = ("multi_backbone", "nss", "timm_features")
    assert found == {f"iqa_zoo.backbones.{name}" for name in names}


def test_results_name_their_code_and_libraries():
    origin = describe_origin(["iqa_zoo.stats.metrics"])
    assert origin["versions"]["iqa_zoo"] == iqa_zoo.__version__
    assert origin["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert origin["source"] == digest(identify_code(["iqa_zoo.stats.metrics"]))
    assert {"python", "Pillow", "Pillow jpg", "timm"} <= identify_libraries().keys()
    assert all(isinstance(version, str) and version for version in identify_libraries().values())
