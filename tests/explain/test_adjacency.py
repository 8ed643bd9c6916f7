import copy

import numpy as np
import pytest
import torch

from iqa_zoo.explain.adjacency import assess_adjacencies, collect_adjacencies


def test_how_far_each_moved(make):
    start = make(noise=0.0).model
    model = copy.deepcopy(start)
    change_NN = torch.zeros(6, 6)
    change_NN[0, 1] = 0.3
    with torch.no_grad():
        model.interactions[2].layers[1].adjacency_NN.add_(change_NN)
    adjacencies = collect_adjacencies(model, start)
    assert [(adjacency.path, adjacency.layer) for adjacency in adjacencies] == [
        (path, layer) for path in ("interactions.0", "interactions.2") for layer in range(3)
    ]
    moved = {(adjacency.path, adjacency.layer): adjacency.moved for adjacency in adjacencies if adjacency.moved}
    assert moved == {("interactions.2", 1): pytest.approx(0.3)}
    norm = np.sqrt(6 * (2 / 7) ** 2 + 30 / 7**2)
    assert max(adjacency.relative for adjacency in adjacencies) == pytest.approx(0.3 / norm)
    (observation,) = assess_adjacencies(adjacencies)
    assert not observation.warning
    assert "moved by 0.00% to" in observation.text
    assert observation.text.endswith("most in interactions.2 layer 2")


def test_learned_ones_that_stayed_are_warned_of(make):
    start = make(noise=0.0).model
    (observation,) = assess_adjacencies(collect_adjacencies(copy.deepcopy(start), start))
    assert observation.warning
    assert "left them unchanged (below 1%)" in observation.text


def test_constants_are_said_to_be_constants(make):
    start = make({"interactions.0.adjacency": "released", "interactions.2.adjacency": "released"}).model
    adjacencies = collect_adjacencies(start, start)
    assert not any(adjacency.learned for adjacency in adjacencies)
    assert (
        assess_adjacencies(adjacencies)[0].text
        == "The adjacencies of all 6 graph layers are constants; none is learned"
    )


def test_a_model_without_a_graph(make):
    model = make({"interactions": [{"type": "cross_attention", "num_heads": 4}]}).model
    assert collect_adjacencies(model, model) == []
    assert assess_adjacencies([]) == []
