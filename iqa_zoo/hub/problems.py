"""What the errors of the hub's client mean, and what to do."""

from __future__ import annotations

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from iqa_zoo.errors import HubError, closest
from iqa_zoo.hub.address import HubAddress

LOG_IN = "run hf auth login, or set HF_TOKEN to a token"
NETWORK = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "ssl", "socket")  # modules of errors

BROKEN = ("RemoteProtocolError", "ReadError", "WriteError", "ReadTimeout", "WriteTimeout", "ChunkedEncodingError")


def is_unreachable(error: Exception) -> bool:
    """Return whether an error of the client means that the hub did not answer: no connection, or a fault of the server."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return isinstance(error, OfflineModeIsEnabled | ConnectionError | TimeoutError) or _is_of_network(error)


def explain_problem(error: Exception, address: HubAddress, doing: str) -> HubError:
    """Make the error of iqa_zoo for an error of the client.

    Args:
        error: what the client raised.
        address: that was asked for.
        doing: what failed, for example "fetch weights.safetensors".
    """
    where, hub = str(address), constants.ENDPOINT
    if isinstance(error, GatedRepoError):
        return HubError(
            f"{where}: cannot {doing}: access is given on request. Ask for it at {hub}/{address.repository}, then {LOG_IN}"
        )
    if isinstance(error, RevisionNotFoundError):
        return HubError(f"{where}: there is no revision {address.revision!r}{_list_revisions(address)}")
    refused = isinstance(error, HfHubHTTPError) and error.response.status_code == 401
    if isinstance(error, RepositoryNotFoundError) or refused:  # the hub does not tell which of the two
        return HubError(
            f"{where}: {hub} has no model {address.repository}, or it is private and {_describe_token()}. Check the name; "
            f"if it is private, {LOG_IN} of a user who may read it"
        )
    if isinstance(error, EntryNotFoundError):
        return HubError(f"{where}: cannot {doing}: the repository lacks it; it was not pushed whole, tell its owner")
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(
            f"{where}: cannot {doing}: HF_HUB_OFFLINE is set and it is not in the cache {constants.HF_HUB_CACHE}. Fetch it once "
            "with a connection, or give the commit that the cache holds"
        )
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        said = error.server_message or error.response.reason_phrase
        if status == 403:
            return HubError(
                f"{where}: cannot {doing}: {hub} refuses ({status} {said}); {_describe_token()}. To change that, {LOG_IN} "
                "with the right to do so"
            )
        advice = "try again later" if status >= 500 or status == 429 else "check the address"
        return HubError(f"{where}: cannot {doing}: {hub} answers {status} {said}; {advice}")
    if _broke_off(error):
        text = str(error).splitlines()[0] if str(error) else ""
        return HubError(
            f"{where}: cannot {doing}: the connection to {hub} broke off in the middle ({type(error).__name__}: {text}). What arrived "
            "whole is kept; try again"
        )
    if is_unreachable(error):
        return HubError(
            f"{where}: cannot {doing}: {hub} cannot be reached ({type(error).__name__}: {error}), and it is not in the cache "
            f"{constants.HF_HUB_CACHE}. Check the connection, HF_ENDPOINT and the proxy"
        )
    return HubError(f"{where}: cannot {doing} ({type(error).__name__}: {error})")


def is_of_client(error: Exception) -> bool:
    """Return whether an error comes from the client, the network or the disk, and not from a bug of this package."""
    return isinstance(error, OSError | RuntimeError | EntryNotFoundError) or _is_of_network(error)


def _broke_off(error: Exception) -> bool:
    """Return whether a connection ended before everything was there."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & set(BROKEN)) or "Consistency check failed" in str(error)


def _is_of_network(error: Exception) -> bool:
    return any(kind.__module__.split(".")[0] in NETWORK for kind in type(error).__mro__)


def _describe_token() -> str:
    return "the token in use does not open it" if get_token() else "no token is set"


def _list_revisions(address: HubAddress) -> str:
    try:
        refs = HfApi().list_repo_refs(address.repository)
    except Exception:  # an aid in a message; the problem itself is reported
        return "; give a branch, a tag or a whole commit"
    names = [each.name for each in (*refs.tags, *refs.branches)]
    return f"{closest(address.revision, names) or '.'} Known: {', '.join(names)}; or a whole commit"
