from typing import ClassVar

import pytest

from iqa_zoo.testing import StudyContract


@pytest.mark.slow
class TestStudies(StudyContract):
    parts: ClassVar = {"compare": [{"no_latency": True}]}  # every study has whole runs in its own tests
