"""A plugin's own tests name the parts that a suite meets; here one of ours stands in."""

from typing import ClassVar

from iqa_zoo.testing import HeadContract


class TestNamedParts(HeadContract):
    parts: ClassVar = {"linear": [{"bias": False}]}

    def test_only_the_named_part_is_met(self, name, arguments):
        assert (name, arguments) == ("linear", {"bias": False})
