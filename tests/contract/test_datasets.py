from typing import ClassVar

from iqa_zoo.registry import DATASETS
from iqa_zoo.testing import DatasetContract


class TestDatasets(DatasetContract):
    parts: ClassVar = {name: None for name in DATASETS.names() if name != "demo"}  # which makes its folder itself
