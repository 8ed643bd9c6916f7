"""State dicts from files: safetensors, or torch files that load without running a pickle's code."""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from iqa_zoo.data.formats import guess_content
from iqa_zoo.errors import CheckpointError, not_one_of

WRAPPERS = ("model", "state_dict")  # keys under which training scripts keep the state dict, where there are several
PREFIXES = ("module.", "_orig_mod.")  # what DistributedDataParallel, averaging and torch.compile put before every name
KEY = "::"  # between a file and the key of one state dict in it


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from a safetensors file, or from a torch file with ``weights_only=True``.

    Which of the two a file is shows in its first bytes, whatever its suffix. ``FILE::KEY`` names one of several state
    dicts in a torch file.

    Raises:
        CheckpointError: no such file, damaged, a pickle that holds more than tensors, or several state dicts; names
            what there is to choose from.
    """
    path, key = split_key(path)
    if path.exists() and not (path.is_file() or path.is_dir()):  # reading a pipe or a device may never end
        raise CheckpointError(f"{path}: is not a regular file")
    first = b""
    try:
        with path.open("rb") as file:
            first = file.read(64)
            if first[8:9] == b"{":
                loaded: object = load_file(path)
            else:
                file.seek(0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of pickle protocols; the outcome is what counts
                    loaded = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path}: is a folder; give a file of weights in it") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error})") from error
    except Exception as error:  # a damaged file can fail in any way; whichever it was, the file is at fault
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        content = "" if first.startswith(b"PK") else guess_content(first)  # a torch file is a ZIP archive
        otherwise = f"it looks like {content}" if content else "it is damaged or something else"
        held = f"it holds {code[1]}, which is code" if code else otherwise
        raise CheckpointError(
            f"{path}: not a plain state dict ({held}). Only tensors are read, never pickled code: save it with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        ) from error
    return plain_state_dict(loaded, str(path), key)


def split_key(path: str | Path) -> tuple[Path, str]:
    """Split ``FILE::KEY`` into the file and the key, which is empty where there is none.

    >>> split_key("last.pth::params_ema")
    (PosixPath('last.pth'), 'params_ema')
    """
    file, _, key = str(path).partition(KEY)
    return (Path(path), "") if Path(path).exists() else (Path(file), key)


def plain_state_dict(loaded: object, where: str, key: str = "") -> dict[str, Tensor]:
    """Return the state dict that a checkpoint is or holds, without the prefixes of wrappers.

    Args:
        loaded: a state dict, or a mapping that holds one, at most two keys deep, beside anything else.
        where: how messages call it.
        key: which one, where there are several ("ema.module" for two keys); by default the only one, or the only one
            under ``WRAPPERS``.

    Raises:
        CheckpointError: it holds none, several, or tensors that are not plain (sparse, quantized); says what it holds.

    >>> weights = {"module.fc.bias": torch.zeros(3), "n_averaged": torch.tensor(7)}
    >>> list(plain_state_dict({"epoch": 3, "params": weights}, "the checkpoint"))
    ['fc.bias']
    """
    held = _find_states(loaded)
    if key:
        if key not in held:
            raise CheckpointError(where + ": " + not_one_of(key, held, "key of a state dict"))
        state = held[key]
    else:
        state = _choose(held, loaded, where)
    if all(name == "n_averaged" or name.startswith("module.") for name in state):
        state.pop("n_averaged", None)  # how many models torch averaged
    while found := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state)), None):
        state = {name.removeprefix(found): value for name, value in state.items()}
    if odd := [name for name, value in state.items() if not _is_plain(value)]:
        raise CheckpointError(
            f"{where}: {len(odd)} tensors are sparse, quantized, complex or without data (meta), not plain numbers: "
            f"{shorten(odd)}; save the weights as plain tensors"
        )
    return state


def _is_plain(value: Tensor) -> bool:
    return not (value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta)


def _find_states(loaded: object, depth: int = 2) -> dict[str, dict[str, Tensor]]:
    """The state dicts in a checkpoint by the keys that lead to them, joined by dots; "" for the checkpoint itself."""
    if not isinstance(loaded, Mapping) or not loaded:
        return {}
    if all(isinstance(value, Tensor) for value in loaded.values()):
        return {"": {str(name): value for name, value in loaded.items()}}
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in loaded.items() if depth else ():
        found |= {
            f"{key}.{inner}" if inner else str(key): state for inner, state in _find_states(value, depth - 1).items()
        }
    return found


def _choose(held: Mapping[str, dict[str, Tensor]], loaded: object, where: str) -> dict[str, Tensor]:
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{where}: expected a state dict (names and tensors), got {type(loaded).__name__}")
    usual = [key for key in WRAPPERS if isinstance(loaded.get(key), Mapping)]
    averaged = [key for key in held if "ema" in key.lower() or "averag" in key.lower()]
    if len(held) > 1 and len(usual) == 1 and usual[0] in held and not averaged:
        return held[usual[0]]
    if len(held) > 1:
        each = shorten(f"{key} ({len(state)} tensors)" for key, state in held.items())
        raise CheckpointError(
            f"{where} holds {len(held)} state dicts: {each}; name one, as in FILE{KEY}{next(iter(held))}"
            + (f" ({averaged[0]} is an average over the training)" if averaged else "")
        )
    if not held or (usual and usual[0] not in held):
        inner = loaded[usual[0]] if usual else loaded
        wrong = [str(name) for name, value in inner.items() if not isinstance(value, Tensor)]
        raise CheckpointError(f"{where}: a state dict holds tensors only, these are not: {shorten(wrong)}")
    return next(iter(held.values()))


def shorten(names: Iterable[str], most: int = 12) -> str:
    """Join names, the first ``most`` of them and how many more there are.

    >>> shorten(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = sorted(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def without_prefixes(state: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield a state dict, then without the first part of its names as long as all names share it.

    >>> [list(each) for each in without_prefixes({"model.net.a": torch.zeros(1), "model.net.b.c": torch.zeros(1)})]
    [['model.net.a', 'model.net.b.c'], ['net.a', 'net.b.c'], ['a', 'b.c']]
    """
    yield state
    while len(first := {name.partition(".")[0] for name in state}) == 1 and all("." in name for name in state):
        state = {name.removeprefix(f"{next(iter(first))}."): value for name, value in state.items()}
        yield state
