"""Send a trained model to a hub, in one commit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    constants,
    get_token,
    hf_hub_download,
)
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from iqa_zoo.errors import HubError
from iqa_zoo.hub.address import HubAddress
from iqa_zoo.hub.card import format_size
from iqa_zoo.hub.manifest import CARD, FILE, is_manifest
from iqa_zoo.hub.package import Package
from iqa_zoo.hub.problems import explain_problem, is_of_client
from iqa_zoo.progress import Notify

HARMLESS = (".gitattributes", CARD, "LICENSE")  # what a new repository may hold; its history keeps the old card
_T = TypeVar("_T")


@dataclass(frozen=True)
class Pushed:
    """A model that was sent: the address of its commit, and its page."""

    address: HubAddress
    url: str


def check_token() -> None:
    """Check that there is a token to send with.

    Raises:
        HubError: there is none; says how to give it.
    """
    if not get_token():
        raise HubError(
            f"no token for {constants.ENDPOINT}: run hf auth login, or set HF_TOKEN to a token that may write "
            f"({constants.ENDPOINT}/settings/tokens). --dry-run shows what would be sent, without a token"
        )


def push_package(
    package: Package, repository: str, *, private: bool = False, notify: Notify = lambda line: None
) -> Pushed:
    """Send the files of a model to a repository, which is made if there is none, in one commit.

    Args:
        package: the files.
        repository: ``user/name``.
        private: make it private; a repository that is public already is refused.
        notify: called with a line before and after the files are sent.

    Raises:
        HubError: no token, no access, no connection, or a repository that holds something else; nothing is committed then.
    """
    check_token()
    api, target = HfApi(), HubAddress(repository)
    held = _read_repository(api, target)
    if held is None:
        _call(target, "make the repository", lambda: api.create_repo(repository, private=private, exist_ok=True))
    elif private and not held.private:
        raise HubError(
            f"{target}: is public already, and --private was given; choose another name, or leave --private out"
        )
    total = sum(size for _, size, _ in package.list_files())
    notify(f"sending {len(package.contents)} files, {format_size(total)}, to {constants.ENDPOINT}/{repository}")
    operations: list[Any] = [CommitOperationAdd(name, content) for name, content in package.contents.items()]
    stale = held.files_of_model - set(package.contents) if held is not None else set()
    operations += [CommitOperationDelete(name) for name in sorted(stale)]
    with _showing_progress():
        commit = _call(
            target,
            "send the files",
            lambda: api.create_commit(
                repository,
                operations,
                commit_message=f"Upload of {Path(package.source).name} with iqa_zoo {package.manifest.iqa_zoo}",
                parent_commit=held.commit if held is not None else None,
            ),
        )
    return Pushed(target.pin(commit.oid), f"{constants.ENDPOINT}/{repository}")


@dataclass(frozen=True)
class _Held:
    """A repository that exists: its last commit, whether it is private, and the files of the model in it."""

    commit: str | None
    private: bool
    files_of_model: set[str]


def _read_repository(api: HfApi, target: HubAddress) -> _Held | None:
    """Return what a repository holds, None where there is none, and refuse one of something else."""
    try:
        info = api.model_info(target.repository)
    except RepositoryNotFoundError:
        return None
    except Exception as error:
        if not is_of_client(error):
            raise
        raise explain_problem(error, target, "look it up") from error
    names = {each.rfilename for each in info.siblings or []}
    content: Any = None
    if FILE in names:
        path = _call(target, f"read {FILE}", lambda: hf_hub_download(target.repository, FILE, revision=info.sha))
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            content = None
    others = names - set(HARMLESS)
    if others and not is_manifest(content):
        raise HubError(
            f"{target}: holds something else than a model of iqa_zoo ({', '.join(sorted(others)[:5])}); choose another name"
        )
    listed = content.get("files", []) if is_manifest(content) else []
    own = {str(each.get("name")) for each in listed if isinstance(each, dict)} & names
    return _Held(info.sha, bool(info.private), own)


def _call(target: HubAddress, doing: str, work: Callable[[], _T]) -> _T:
    """Call the client, and explain its errors."""
    try:
        return work()
    except Exception as error:
        cause = error.__cause__ if isinstance(error, RuntimeError) else None  # the client wraps errors of uploads
        told = cause if isinstance(cause, Exception) else error
        if not (is_of_client(told) or _is_bad_card(told)):
            raise
        if isinstance(told, RepositoryNotFoundError):
            raise HubError(
                f"{target}: cannot {doing}: {constants.ENDPOINT} does not let this token write there. Check the user in the name, "
                "run hf auth login, or set HF_TOKEN to a token that may write"
            ) from error
        if isinstance(told, HfHubHTTPError) and told.response.status_code == 412:
            raise HubError(
                f"{target}: was changed by someone else meanwhile; nothing was committed, push again"
            ) from error
        raise explain_problem(told, target, doing) from error


def _is_bad_card(error: Exception) -> bool:
    """Return whether the hub refused the front matter of the card."""
    return type(error) is ValueError and "metadata" in str(error).lower()


@contextmanager
def _showing_progress() -> Iterator[None]:
    """Let the client show its progress bars in a terminal only."""
    if sys.stderr.isatty() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
