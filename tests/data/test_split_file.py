import json
from pathlib import Path

import numpy as np
import pytest

from iqa_zoo.data.rated import RatedImages
from iqa_zoo.data.split_file import LISTS, read_split_file
from iqa_zoo.data.splits import make_splits, save_splits
from iqa_zoo.errors import InputError


@pytest.fixture
def file(tmp_path):
    paths = tuple(Path(f"{index}.png") for index in range(10))
    data = RatedImages("toy", paths, np.arange(10.0), score_range=(0, 9), licence="", source="")
    save_splits(tmp_path / "s.json", data, make_splits(data, 2, validation_fraction=0.25))
    return tmp_path / "s.json"


def test_a_file_as_it_is_written(file):
    first, second = read_split_file(file, "toy")
    assert set(first.parts) == set(LISTS)
    assert [len(first.parts[part]) for part in LISTS] == [6, 2, 2, 0]
    assert first.id != second.id


@pytest.mark.parametrize("key", ["id", *LISTS])
def test_what_a_split_lacks_is_named(file, key):
    content = json.loads(file.read_text())
    del content["splits"][1][key]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"s\.json: split 2 lacks {key}"):
        read_split_file(file, "toy")
