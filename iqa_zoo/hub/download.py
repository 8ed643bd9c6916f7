"""Fetch a model of iqa_zoo from a hub: one commit, every file checked. Afterwards it loads without a connection.

The client of the hub keeps the files (``HF_HOME``, ``HF_HUB_CACHE``). A branch or a tag is looked up each time, and where the hub
does not answer it means what it meant the last time. A commit that is in the cache is not looked up at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import HfApi, constants

from iqa_zoo.errors import HubError
from iqa_zoo.hub.address import HubAddress, parse_address
from iqa_zoo.hub.manifest import FILE, Manifest, hash_file, read_manifest
from iqa_zoo.hub.problems import explain_problem, is_of_client, is_unreachable
from iqa_zoo.progress import Notify

TIMEOUT = 10.0  # seconds that the hub has to answer


@dataclass(frozen=True)
class FetchedModel:
    """A model of a hub on this disk.

    Attributes:
        address: of the commit.
        folder: with its files, in the cache of the hub's client.
        manifest: what it is.
    """

    address: HubAddress
    folder: Path
    manifest: Manifest


def fetch_model(address: str | Path, notify: Notify | None = None) -> FetchedModel:
    """Fetch a model: ``config.json``, and every file that it names.

    Args:
        address: ``hf://user/name@revision``.
        notify: called with the commit that a branch or a tag means, and where the hub does not answer.

    Raises:
        HubError: no such model or revision, no access, no connection and nothing in the cache, a repository of something else,
            or a file that is not the one that was pushed; says what to do.
    """
    found = fetch_manifest(address, notify)
    for file in found.manifest.files:
        path = _fetch_file(found.address, file.name)
        if (sha256 := hash_file(path)) != file.sha256:
            raise HubError(
                f"{found.address}: {file.name} is not the file that was pushed: its SHA-256 is {sha256} ({path.stat().st_size} "
                f"bytes), expected {file.sha256} ({file.bytes} bytes). Remove it with hf cache rm "
                f"model/{found.address.repository} and load again; if it stays so, the repository is damaged: tell its owner"
            )
        if file.name.endswith(".safetensors"):
            _check_safetensors(found.address, path)
    return found


def fetch_manifest(address: str | Path, notify: Notify | None = None) -> FetchedModel:
    """Fetch ``config.json`` alone, as :func:`fetch_model`."""
    asked = parse_address(address)
    cached, meaning = _find_cached(asked), "is"
    if asked.is_pinned and cached is not None:
        return FetchedModel(asked, cached.parent, read_manifest(cached, str(asked)))
    try:
        info = HfApi().model_info(asked.repository, revision=asked.revision, timeout=TIMEOUT)
        _check_holds_model(asked, [each.rfilename for each in info.siblings or []])
        path = _fetch_file(asked, FILE)  # notes what the branch or the tag means now
    except HubError:
        raise
    except Exception as error:
        if not is_of_client(error):
            raise
        if cached is None or not is_unreachable(error):
            raise explain_problem(error, asked, "look it up") from error
        path, meaning = cached, f"was, the last time that {constants.ENDPOINT} answered,"
    pinned = asked.pin(path.parent.name)
    if notify is not None and not asked.is_pinned:
        notify(f"{asked} {meaning} the commit {pinned.revision}; {pinned} always means this one")
    return FetchedModel(pinned, path.parent, read_manifest(path, str(pinned)))


def fetch_config(address: str | Path) -> dict[str, Any]:
    """Fetch the config of a model on a hub, without its weights.

    Raises:
        HubError: as :func:`fetch_model`.
    """
    config: dict[str, Any] = json.loads(json.dumps(fetch_manifest(address).manifest.model))
    return config


def _find_cached(address: HubAddress) -> Path | None:
    found = huggingface_hub.try_to_load_from_cache(address.repository, FILE, revision=address.revision)
    return Path(found) if isinstance(found, str) else None


def _fetch_file(address: HubAddress, name: str) -> Path:
    try:
        return Path(huggingface_hub.hf_hub_download(address.repository, name, revision=address.revision))
    except Exception as error:
        if not is_of_client(error):
            raise
        raise explain_problem(_find_cause(error), address, f"fetch {name}") from error


def _find_cause(error: Exception) -> Exception:
    """Return the cause where the client wrapped it in an error that says only that the cache lacks the file."""
    wrapped = isinstance(error, huggingface_hub.errors.LocalEntryNotFoundError)
    return error.__cause__ if wrapped and isinstance(error.__cause__, Exception) else error


def _check_holds_model(address: HubAddress, names: list[str]) -> None:
    if FILE not in names:
        there = ", ".join(sorted(names)[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise HubError(
            f"{address}: is not a model of iqa_zoo: there is no {FILE}; it holds {there or 'nothing'}. iqa-zoo push RUN user/name "
            "writes one; weights of a backbone are fetched by their timm name, with --pretrained"
        )


def _check_safetensors(address: HubAddress, path: Path) -> None:
    with path.open("rb") as file:
        first = file.read(9)
    if first[8:9] != b"{":
        raise HubError(
            f"{address}: {path.name} is not a safetensors file. Pickled weights are not loaded; tell its owner"
        )
