import io

import numpy as np
import pytest

from iqa_zoo.contracts import TokenGrid
from iqa_zoo.explain.adjacency import Adjacency
from iqa_zoo.explain.dataset import DatasetExplanation
from iqa_zoo.explain.dataset_figures import NAMES, draw_dataset_figures
from iqa_zoo.explain.query_similarity import QuerySimilarity
from iqa_zoo.explain.routing import ExpertRouting


def words(figure):
    figure.savefig(io.BytesIO(), format="png")
    return " | ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


def found(queries=3, experts=True, attention=True):
    rng = np.random.default_rng(0)
    choice = np.tile([0, 1], (4, queries, 1))
    weight = np.zeros((4, queries, 3))
    weight[..., :2] = 0.5
    return DatasetExplanation(
        names=("a", "b", "c", "d"),
        score_IN=rng.normal(size=(4, queries)),
        similarity=QuerySimilarity(np.ones((queries, queries)), np.ones((queries, queries))),
        attention={"interactions.1": np.full((queries, 6), 1 / 6)} if attention else {},
        grid=TokenGrid(2, 3, "stage 3") if attention else None,
        routing=[ExpertRouting("interactions.0", choice, weight), ExpertRouting("head", choice, weight)]
        if experts
        else [],
        groups={
            "quality": np.array(["lowest third of MOS"] * 3 + ["highest third of MOS"]),
            "distortion": np.array(list("xxyy")),
        },
    )


def adjacencies():
    return [
        Adjacency("interactions.0", 0, np.eye(3), np.ones((3, 3)), True),
        Adjacency("interactions.0", 1, np.eye(3), np.eye(3), False),
    ]


@pytest.mark.slow
def test_every_figure_names_images_and_units():
    figures = draw_dataset_figures(found(), adjacencies(), "run: six, 4 images", "MOS")
    assert tuple(figures) == NAMES
    shown = {name: words(figure) for name, figure in figures.items()}
    assert all("run: six, 4 images" in text for text in shown.values())
    assert "load, %" in shown["routing"]
    for row in ("all (4)", "lowest third of MOS (3)", "highest third of MOS (1)", "x (2)", "y (2)", "3\ndead"):
        assert row in shown["routing"]
    assert "head: 2 of 3 experts per query" in shown["routing"]
    assert "moved 81.65%" in shown["adjacencies"]
    assert "constant" in shown["adjacencies"]
    assert "mean over pairs 1.0000" in shown["cosine"]
    assert "2x3 memory tokens (stage 3)" in shown["attention"]
    assert "query score minus the mean of queries (MOS)" in shown["queries"]


@pytest.mark.slow
def test_only_what_there_is_is_drawn():
    assert list(draw_dataset_figures(found(1, False, False), [], "t", "MOS")) == ["queries"]
    assert list(draw_dataset_figures(found(20), [], "t", "MOS")) == ["routing", "cosine", "attention", "queries"]
