import pytest

from iqa_zoo.errors import PartError
from iqa_zoo.sizes import require_positive


def test_positive_sizes_pass():
    require_positive(hidden=(1, 2), heads=1, widths=())


@pytest.mark.parametrize(
    ("sizes", "message"), [({"heads": 0}, "heads=0 is"), ({"a": 1, "hidden": [3, -1]}, r"hidden=\[3, -1\] is")]
)
def test_sizes_below_one_are_named(sizes, message):
    with pytest.raises(PartError, match=f"{message} not positive"):
        require_positive(**sizes)
