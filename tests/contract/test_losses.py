from typing import ClassVar

from iqa_zoo.testing import LossContract


class TestLosses(LossContract):
    examples: ClassVar = {
        "fidelity": [{}, {"deviation": 1.0}],
        "load_balance": [{}, {"probabilities": "selected"}],
        "smooth_l1": [{}, {"beta": 0.5}],
    }
