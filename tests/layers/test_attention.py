import pytest

from iqa_zoo.errors import PartError
from iqa_zoo.interactions.cross_attention import CrossAttention
from iqa_zoo.interactions.self_attention import SelfAttention


@pytest.mark.parametrize("part", [SelfAttention, CrossAttention])
@pytest.mark.parametrize(("heads", "near"), [(5, 4), (7, 6), (100, 24)])
def test_heads_that_do_not_divide(part, heads, near):
    with pytest.raises(PartError, match=f"num_heads={heads} does not divide dim=24; the nearest that does is {near}"):
        part(dim=24, num_heads=heads)
