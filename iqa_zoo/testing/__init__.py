"""The contract suites of the slots, for the tests of parts that live anywhere.

A test class derives from the suite of its slot and names its parts, with the arguments of every variant worth testing::

    from iqa_zoo.testing import HeadContract

    class TestWorst(HeadContract):
        parts = {"worst": [{}, {"lowest": 2}]}

The names are those of the entry points; in the place of a list, None stands for the ``examples`` that the part declares.
``iqa-zoo check-plugin`` runs the same suites on everything that a plugin adds. Needs pytest.
"""

import pytest

_SUITES = (
    "part",
    "graph",
    "routing",
    "backbone",
    "queries",
    "memory",
    "interaction",
    "head",
    "loss",
    "model",
    "dataset",
    "study",
)
pytest.register_assert_rewrite(*(f"iqa_zoo.testing.{suite}" for suite in _SUITES))

from iqa_zoo.testing.backbone import BackboneContract  # noqa: E402
from iqa_zoo.testing.dataset import DatasetContract  # noqa: E402
from iqa_zoo.testing.head import HeadContract  # noqa: E402
from iqa_zoo.testing.inputs import STAGES, perturbed, randn  # noqa: E402
from iqa_zoo.testing.interaction import InteractionContract  # noqa: E402
from iqa_zoo.testing.loss import LossContract  # noqa: E402
from iqa_zoo.testing.memory import MemoryContract  # noqa: E402
from iqa_zoo.testing.model import ModelContract  # noqa: E402
from iqa_zoo.testing.part import PartContract  # noqa: E402
from iqa_zoo.testing.queries import QueriesContract  # noqa: E402
from iqa_zoo.testing.study import StudyContract  # noqa: E402

SUITES = {
    suite.slot: suite
    for suite in (
        BackboneContract,
        QueriesContract,
        MemoryContract,
        InteractionContract,
        HeadContract,
        LossContract,
        ModelContract,
        DatasetContract,
        StudyContract,
    )
}

__all__ = [
    "STAGES",
    "SUITES",
    "BackboneContract",
    "DatasetContract",
    "HeadContract",
    "InteractionContract",
    "LossContract",
    "MemoryContract",
    "ModelContract",
    "PartContract",
    "QueriesContract",
    "StudyContract",
    "perturbed",
    "randn",
]
