import io

import numpy as np
import pytest

from iqa_zoo.explain.crop import read_crop
from iqa_zoo.explain.image import assess_image, compute_attention, explain_image
from iqa_zoo.explain.image_figure import draw_image_figure


def texts(figure):
    """Every text of a figure and its parts."""
    figure.savefig(io.BytesIO(), format="png")
    return " | ".join(text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text")))


def draw(scorer, photo, snapshots=None):
    explanation = explain_image(scorer, read_crop(photo, 64), 2)
    return explanation, draw_image_figure("photo.png", explanation, snapshots or {}, assess_image(explanation), "MOS")


@pytest.mark.slow
def test_shows_scores_attention_and_experts(make, photo):
    scorer, crop = make(), read_crop(photo, 64)
    then = {"start, seed 0": compute_attention(make(noise=0.1).model, scorer, crop)}
    explanation, figure = draw(scorer, photo, then)
    words = texts(figure)
    for expected in (
        f"photo.png: MOS {explanation.score:.4f} predicted (the mean of 2 crops; the crop shown: {explanation.crop_score:.4f})",
        "the image and its 64x64 crop",
        f"query 6: {explanation.score_N[5]:.4g}",
        "Attention over the 3x3 memory tokens (stage 3, pooled), mean over heads; 11.1 % each if even",
        "interactions.1",
        "start, seed 0",
        "selected weights",
        "weight of each expert (head)",
        "row 3, column 13 of 70x90",
        "score (MOS)",
    ):
        assert expected in words
    shown = [np.asarray(image.get_array()) for image in figure.findobj(lambda each: hasattr(each, "get_array"))]
    grid = 100 * explanation.attention["interactions.3"][2].reshape(3, 3)
    assert sum(array.shape == (3, 3) and np.allclose(array, grid) for array in shown) == 2  # on the image, on the grid


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"head": {"type": "linear"}, "losses": [{"type": "l1"}]},
        {"interactions": [], "memory": None},
        {"queries.num_queries": 1},
        {"queries.num_queries": 11},
        {"interactions": [{"type": "cross_attention", "num_heads": 1}] * 6, "memory.grid": 1},
        {"memory": {"type": "tokens"}},
    ],
)
def test_is_drawn_for_every_kind_of_model(make, photo, changes):
    explanation, figure = draw(make(changes), photo)
    words = texts(figure)
    for observation in assess_image(explanation):
        if observation.kind.startswith("no "):
            assert observation.text.split(":")[0] in words
    if len(explanation.score_N) == 11:
        assert "Attention maps of queries 1 to 8 of 11 are drawn." in words
    if len(explanation.attention) == 6:
        assert "4 of 6 attention blocks are drawn." in words


@pytest.mark.slow
def test_is_the_same_figure_twice(make, photo):
    def svg():
        text = io.BytesIO()
        draw(make(), photo)[1].savefig(text, format="svg", metadata={"Date": None})
        return len(text.getvalue())

    assert svg() == svg()
