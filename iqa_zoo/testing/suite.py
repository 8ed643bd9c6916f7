"""Which parts a suite is about, and with which arguments."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from iqa_zoo.contracts import HasExamples
from iqa_zoo.errors import PluginError
from iqa_zoo.registry import REGISTRIES

Arguments = dict[str, Any]


def examples_of(slot: str, name: str) -> list[Arguments]:
    """The example arguments that a part declares, ``[{}]`` where it declares none or cannot be imported.

    >>> examples_of("head", "linear")
    [{}]
    """
    try:
        part = REGISTRIES[slot].get(name)
    except PluginError:  # the tests of this name say it
        return [{}]
    declared: tuple[Arguments, ...] = part.examples if isinstance(part, HasExamples) else ({},)
    return [dict(arguments) for arguments in declared]


class Suite:
    """Tests that are run for each part of a slot.

    A subclass names the parts it is about in ``parts``, or leaves it None and is about every registered part, an
    installed plugin's too. A part is met once with each of its arguments: those beside its name in ``parts``, else those
    in the suite's ``examples``, else those that the part itself declares (its attribute ``examples``), else none.
    """

    slot: str
    parts: ClassVar[Mapping[str, list[Arguments] | None] | None] = None
    examples: ClassVar[dict[str, list[Arguments]]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        names = REGISTRIES[self.slot].names() if self.parts is None else list(self.parts)
        if "arguments" in metafunc.fixturenames:
            cases = [(name, arguments) for name in names for arguments in self._variants(name)]
            ids = [name + "".join(f"-{v}" for v in a.values() if isinstance(v, str | int)) for name, a in cases]
            metafunc.parametrize(("name", "arguments"), cases, ids=ids)
        elif "name" in metafunc.fixturenames:
            metafunc.parametrize("name", names)

    def _variants(self, name: str) -> list[Arguments]:
        return (self.parts or {}).get(name) or self.examples.get(name) or examples_of(self.slot, name)
