import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.errors import InputError
from iqa_zoo.explain.adjacency import collect_adjacencies
from iqa_zoo.explain.crop import read_crop
from iqa_zoo.explain.dataset import (
    assess_dataset,
    assign_quality_bands,
    explain_dataset,
    sort_groups,
    summarize_dataset,
)
from iqa_zoo.explain.image import explain_image
from iqa_zoo.jsonio import to_json


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    paths = tuple(tmp_path / f"{i}.png" for i in range(6))
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(path)
    mos = np.array([10.0, 20, 30, 40, 50, 60])
    kinds = ("blur", "jpeg") * 3
    return RatedImages("six", paths, mos, score_range=(0, 100), licence="CC0", source="chance", distortions=kinds)


@pytest.mark.slow
def test_is_the_mean_over_single_images(make, data):
    scorer, calls = make(), []
    indices = [4, 1, 3]
    found = explain_dataset(scorer, data, indices, lambda done, total: calls.append((done, total)))
    single = [explain_image(scorer, read_crop(data.paths[i], 64), 2) for i in indices]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert found.names == ("4.png", "1.png", "3.png")
    assert np.array_equal(found.score_IN, [explanation.score_N for explanation in single])
    assert np.allclose(
        found.similarity.cosine_NN, np.mean([explanation.similarity.cosine_NN for explanation in single], 0)
    )
    assert np.allclose(
        found.similarity.before_NN, np.mean([explanation.similarity.before_NN for explanation in single], 0)
    )
    for path, weights_NL in found.attention.items():
        assert np.allclose(weights_NL, np.mean([explanation.attention[path] for explanation in single], 0))
        assert np.allclose(weights_NL.sum(1), 1, atol=1e-5)
    assert np.array_equal(found.routing[0].choice_INK, [explanation.routing[0].choice_INK[0] for explanation in single])
    assert found.groups["distortion"].tolist() == ["blur", "jpeg", "jpeg"]


def test_loads_of_groups_add_up_to_the_whole(make, data):
    scorer = make()
    found = explain_dataset(scorer, data, np.arange(6))
    adjacencies = collect_adjacencies(scorer.model, make(noise=0.0).model)
    observations = assess_dataset(found, adjacencies)
    assert [each.warning for each in observations] == sorted((each.warning for each in observations), reverse=True)
    numbers = json.loads(to_json(summarize_dataset(found, adjacencies, observations)))
    (routing,) = numbers["routing"]
    for kind, count in (("by_quality", 3), ("by_distortion", 2)):
        groups = routing[kind].values()
        assert len(groups) == count
        whole = np.sum([np.multiply(group["load"], group["images"] / 6) for group in groups], 0)
        assert np.allclose(whole, routing["load"])
    assert len(numbers["adjacencies"]) == 6
    assert all(adjacency["moved"] > 0 for adjacency in numbers["adjacencies"])


def test_a_model_with_nothing_inside_says_so(make, data):
    plain = {"head": {"type": "linear"}, "losses": [{"type": "l1"}], "interactions": [], "memory": None}
    found = explain_dataset(make(plain), dataclasses.replace(data, distortions=None), [0, 1])
    kinds = {observation.kind for observation in assess_dataset(found, [])}
    assert {"no experts", "no attention", "no graph"} <= kinds
    assert list(found.groups) == ["quality"]


def test_an_image_that_cannot_be_read_is_named(make, data):
    data.paths[2].write_text("no image")
    with pytest.raises(InputError, match=r"2.png is not an image"):
        explain_dataset(make(), data, np.arange(6))


def test_thirds_of_the_labels():
    mos = np.random.default_rng(0).permutation(30).astype(float)
    bands = assign_quality_bands(mos, "proxy: something long")
    assert sort_groups(bands) == [f"{third} third of proxy" for third in ("lowest", "middle", "highest")]
    for third, group in enumerate(sort_groups(bands)):
        assert np.array_equal(np.sort(mos[bands == group]), np.arange(10.0) + 10 * third)
    assert len(set(assign_quality_bands(np.ones(5), "MOS"))) == 1
