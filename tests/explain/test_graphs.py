import copy

import numpy as np
import pytest
import torch

from iqa_zoo.explain.graphs import graphs_of, judge_graphs


def test_how_far_each_moved(make):
    start = make(noise=0.0).model
    model = copy.deepcopy(start)
    change_NN = torch.zeros(6, 6)
    change_NN[0, 1] = 0.3
    with torch.no_grad():
        model.interactions[2].layers[1].adjacency_NN.add_(change_NN)
    graphs = graphs_of(model, start)
    assert [(graph.path, graph.layer) for graph in graphs] == [
        (path, layer) for path in ("interactions.0", "interactions.2") for layer in range(3)
    ]
    moved = {(graph.path, graph.layer): graph.moved for graph in graphs if graph.moved}
    assert moved == {("interactions.2", 1): pytest.approx(0.3)}
    norm = np.sqrt(6 * (2 / 7) ** 2 + 30 / 7**2)
    assert max(graph.relative for graph in graphs) == pytest.approx(0.3 / norm)
    (finding,) = judge_graphs(graphs)
    assert not finding.warning
    assert "moved by 0.00% to" in finding.words
    assert finding.words.endswith("furthest interactions.2 layer 2")


def test_learned_ones_that_stayed_are_warned_of(make):
    start = make(noise=0.0).model
    (finding,) = judge_graphs(graphs_of(copy.deepcopy(start), start))
    assert finding.warning
    assert "still what they started from (below 1%)" in finding.words


def test_constants_are_said_to_be_constants(make):
    start = make({"interactions.0.adjacency": "released", "interactions.2.adjacency": "released"}).model
    graphs = graphs_of(start, start)
    assert not any(graph.learned for graph in graphs)
    assert judge_graphs(graphs)[0].words == "The adjacencies of all 6 graph layers are constants; none is learned"


def test_a_model_without_a_graph(make):
    model = make({"interactions": [{"type": "cross_attention", "num_heads": 4}]}).model
    assert graphs_of(model, model) == []
    assert judge_graphs([]) == []
