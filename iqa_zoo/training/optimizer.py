"""The optimizer of both trainers: which parameters decay, and at which rate each is trained."""

from __future__ import annotations

from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from iqa_zoo.training.recipe import Decay, TrainingRecipe

PRODUCTS = (nn.Linear, nn.Bilinear, _ConvNd, nn.MultiheadAttention, nn.RNNBase)
TABLES = (nn.Embedding, nn.EmbeddingBag, _NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
WEIGHTS = {"weight", "weights", "kernel"}  # words of a name
EMBEDDINGS = ("embed", "token", "position", "quer", "prompt", "bias")  # how words of a name begin


def make_optimizer(
    model: nn.Module, recipe: TrainingRecipe, *, backbone_lr: float | None = None, fused: bool | None = None
) -> torch.optim.Optimizer:
    """Return the recipe's optimizer of a model's trainable parameters, in groups of one rate and one decay each.

    Args:
        model: a quality model; the parameters of its ``backbone`` may have a rate of their own.
        recipe: its ``optimizer``, ``lr``, ``weight_decay`` and ``decay``.
        backbone_lr: peak rate of the backbone; ``recipe.lr`` where it is None.
        fused: as torch's optimizers take it.
    """
    decayed = set(find_decayed_parameters(model, recipe.decay))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            lr = recipe.lr if backbone_lr is None or not name.startswith("backbone.") else backbone_lr
            decay = recipe.weight_decay if name in decayed else 0.0
            groups.setdefault((lr, decay), []).append(parameter)
    kind = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return kind(
        [
            {"params": parameters, "lr": lr, "initial_lr": lr, "weight_decay": decay}
            for (lr, decay), parameters in groups.items()
        ],
        lr=recipe.lr,
        fused=fused,
    )


def find_decayed_parameters(model: nn.Module, rule: Decay = "weights") -> list[str]:
    """Return the names of the parameters that decay: ``all`` of them, ``none``, or the ``weights``, by which inputs are multiplied.

    Decay keeps weights small because a product of large weights fits noise. That holds for the kernel of a convolution
    as for the matrix of a linear layer: a 1x1 convolution is a linear layer. So both decay, and a decoder of convolutions is
    trained as one of linear layers is. What is added to an input or scales it (a bias, a gain, an embedding of positions
    or queries) has its size from the data and does not decay. The rule ``weights`` in detail:

    - The weights of linear, bilinear, recurrent and attention layers and of convolutions decay, whatever their shape.
    - Parameters of fewer than two dimensions do not, nor do tables of embeddings, nor anything in a normalisation layer.
    - Names that a module lists in ``no_weight_decay()``, timm's convention, do not; they may be shell patterns.
    - Of the other tensors of a module of your own, those do not that are named like an embedding (a word of the name
      begins with embed, token, position, quer, prompt or bias, or is pos), and those that are broadcast (an axis of size
      1). The others decay: an adjacency, a stack of the matrices of experts.

    >>> find_decayed_parameters(nn.Sequential(nn.Conv2d(1, 2, 3), nn.LayerNorm([2, 4, 4]), nn.Embedding(5, 8), nn.Linear(8, 1)))
    ['0.weight', '3.weight']
    """
    names = [name for name, _ in model.named_parameters()]
    if rule != "weights":
        return names if rule == "all" else []
    owners = dict(model.named_modules())
    exempt = [
        f"{path}.{listed}" if path else listed
        for path, module in owners.items()
        if callable(list_names := getattr(module, "no_weight_decay", None))
        for listed in list_names()
    ]
    return [
        name
        for name in names
        if _is_weight(owners[name.rpartition(".")[0]], name.rpartition(".")[2])
        and not any(fnmatchcase(name, pattern) for pattern in exempt)
    ]


def _is_weight(owner: nn.Module, name: str) -> bool:
    parameter = owner._parameters[name]
    assert parameter is not None
    if parameter.ndim < 2 or isinstance(owner, TABLES):
        return False
    words = name.lower().split("_")
    weight = not WEIGHTS.isdisjoint(words)
    if isinstance(owner, PRODUCTS):
        return weight
    embedding = any(word == "pos" or word.startswith(EMBEDDINGS) for word in words)
    return 1 not in parameter.shape and (weight or not embedding)
