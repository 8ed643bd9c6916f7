import io

import numpy as np
from matplotlib.figure import Figure

from iqa_zoo.explain.drawing import draw_matrix


def texts(values, **changes):
    figure = Figure()
    axes = figure.subplots()
    draw_matrix(axes, values, low=0, high=1, **changes)
    figure.savefig(io.BytesIO())
    return [(text.get_text(), text.get_color()) for text in axes.texts]


def test_numbers_can_be_read_on_their_colours():
    assert texts(np.array([[0.0, 1.0]])) == [("0.00", "white"), ("1.00", "black")]


def test_a_large_matrix_has_no_numbers():
    assert texts(np.zeros((20, 20))) == []
