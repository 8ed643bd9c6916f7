import pytest

from iqa_zoo.errors import PartError
from iqa_zoo.layers.arguments import check_num_heads


def test_heads_divide_the_width():
    check_num_heads(6, 384)
    check_num_heads(1, 7)
    with pytest.raises(PartError, match="num_heads=6 does not divide width=64; the nearest that does is 4"):
        check_num_heads(6, 64, "width")
    with pytest.raises(PartError, match="num_heads=9 does not divide dim=8; the nearest that does is 8"):
        check_num_heads(9, 8)
