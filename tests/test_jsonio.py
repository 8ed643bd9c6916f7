"""JSON that every reader accepts."""

import json
import os

from iqa_zoo.jsonio import to_json


def test_what_is_not_finite_is_null_at_any_depth():
    value = {"a": [float("nan"), 1.5, "x"], "b": {"c": float("inf"), "d": (-float("inf"), None, True)}}
    assert json.loads(to_json(value)) == {"a": [None, 1.5, "x"], "b": {"c": None, "d": [None, None, True]}}


def test_names_that_are_not_utf8_are_plain_ascii_and_read_back():
    name = os.fsdecode(b"caf\xe9.png")
    text = to_json({name: 1}, indent=1)
    assert text.isascii()
    assert json.loads(text) == {name: 1}
