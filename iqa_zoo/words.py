"""Numbers with their nouns."""

from __future__ import annotations


def count_nouns(number: int, noun: str) -> str:
    """Write a number with its noun in singular or plural.

    >>> count_nouns(1, "split"), count_nouns(2, "split")
    ('1 split', '2 splits')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
