import pytest

from iqa_zoo.data.layout import find, find_any
from iqa_zoo.data.release import Release
from iqa_zoo.errors import InputError

RELEASE = Release("toy", images=3, contents=2, score_range=(0, 5), licence="CC0", source="https://example.org/toy")


def test_letter_case_does_not_count_and_the_first_candidate_does(tmp_path):
    (tmp_path / "Images" / "Inner").mkdir(parents=True)
    (tmp_path / "labels.csv").touch()
    assert find_any(tmp_path, "IMAGES/inner") == tmp_path / "Images" / "Inner"
    assert find(tmp_path, RELEASE, "gone", "LABELS.CSV", what="x") == tmp_path / "labels.csv"
    assert find_any(tmp_path, "labels.csv/x") is None
    message = r"toy: the label file not found: .* holds no a or b/c; get the release from https"
    with pytest.raises(InputError, match=message):
        find(tmp_path, RELEASE, "a", "b/c", what="the label file")
    with pytest.raises(InputError, match="nowhere does not exist"):
        find(tmp_path / "nowhere", RELEASE, "a", what="the label file")


def test_the_exact_name_counts_first(tmp_path):
    for folder in ("Data", "data", "DATA"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Data" / "a.csv").touch()
    assert find_any(tmp_path, "data") == tmp_path / "data"
    assert find_any(tmp_path, "data/a.csv") == tmp_path / "Data" / "a.csv"  # the exact folder does not have it
    with pytest.raises(InputError, match=r"dAtA may be .*/DATA or .*/Data or .*/data; give the folder of one"):
        find_any(tmp_path, "dAtA")


def test_the_root_counts_before_deeper_folders_and_near_before_far(tmp_path):
    for path in ("one/labels.csv", "one/images", "two/images", "two/other.csv"):
        (tmp_path / path).mkdir(parents=True)
    labels = find_any(tmp_path, "labels.csv")
    assert labels == tmp_path / "one" / "labels.csv"
    assert find_any(tmp_path, "images", beside=labels) == tmp_path / "one" / "images"
    with pytest.raises(InputError, match=r"images may be .*/one/images or .*/two/images"):
        find_any(tmp_path, "images")
    (tmp_path / "other.csv").touch()
    assert find_any(tmp_path, "labels.csv", "other.csv") == tmp_path / "other.csv"
    assert find_any(tmp_path / "one", "images", beside=tmp_path / "labels.csv") == tmp_path / "one" / "images"
    assert find_any(tmp_path, "two/three/x") is None


def test_hidden_folders_are_not_searched(tmp_path):
    for path in (".git/images", "__MACOSX/images"):
        (tmp_path / path).mkdir(parents=True)
    assert find_any(tmp_path, "images") is None
