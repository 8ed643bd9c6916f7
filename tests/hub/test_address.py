"""Addresses as people write them, right and wrong."""

from pathlib import Path

import pytest

from iqa_zoo.errors import HubError
from iqa_zoo.hub.address import HubAddress, is_address, parse_address

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        ("hf://me/model", "me/model", "main"),
        ("hf://me/model@v1.0", "me/model", "v1.0"),
        ("hf://me/my.model_2@refs/pr/3", "me/my.model_2", "refs/pr/3"),
        (f"hf://me/model@{COMMIT}", "me/model", COMMIT),
        (Path("hf://me/model@v1"), "me/model", "v1"),  # a path keeps one slash
    ],
)
def test_an_address_is_read(text, repository, revision):
    assert is_address(text)
    assert parse_address(text) == HubAddress(repository, revision)
    assert parse_address(str(parse_address(text))) == parse_address(text)


def test_only_a_whole_commit_is_pinned():
    assert HubAddress("me/model", COMMIT).is_pinned
    assert not HubAddress("me/model", COMMIT[:12]).is_pinned
    assert not HubAddress("me/model", "v1").is_pinned


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hf://model", "hf://model: is not a user and a name; write hf://user/name"),
        ("hf://", "is not a user and a name"),
        ("hf://a/b/c", "is not a user and a name"),
        ("hf://datasets/me/photos", "names one of the datasets"),
        ("hf://me/mod el", "'mod el' is not a name"),
        ("hf://../model", "'..' is not a name"),
        ("hf://me/model.git", "'model.git' is not a name"),
        ("hf://me/model@", "'' is not a revision"),
        ("hf://me/model@a/../b", "'a/../b' is not a revision"),
        ("hf://me/model@v1@v2", "'v1@v2' is not a revision"),
    ],
)
def test_a_wrong_address_says_what_to_write(text, message):
    with pytest.raises(HubError, match=message):
        parse_address(text)


def test_a_hostile_address_is_one_short_line():
    for text in (
        "hf://me/" + "x" * 5000,
        "hf://me/m@" + "/" * 5000,
        "hf://me/ti\nny",
        "hf://me/tiny\x1b[31m",
        "hf://\n/\n",
    ):
        with pytest.raises(HubError) as refused:
            parse_address(text)
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 500


def test_names_and_folders_are_no_addresses():
    assert not any(is_address(each) for each in ("lifeiqa", "runs/hf", Path("hf"), "hf", {"dim": 1}, None))
