"""Checks of constructor arguments that several parts take."""

from iqa_zoo.errors import PartError


def check_num_heads(num_heads: int, width: int, name: str = "dim") -> None:
    """Refuse a number of attention heads that does not divide the width.

    Args:
        num_heads: attention heads.
        width: channels that the heads share.
        name: the argument that gives the width.

    Raises:
        PartError: names the closest number that divides.

    >>> check_num_heads(5, 24)
    Traceback (most recent call last):
    iqa_zoo.errors.PartError: num_heads=5 does not divide dim=24; the nearest that does is 4
    """
    if width % num_heads:
        divisors = [heads for heads in range(1, width + 1) if width % heads == 0]
        near = min(divisors, key=lambda heads: abs(heads - num_heads))
        raise PartError(f"num_heads={num_heads} does not divide {name}={width}; the nearest that does is {near}")
