"""What the routing of a mixture of experts must hold to, in a head and in an interaction."""

import torch
from torch import Tensor

from iqa_zoo.contracts import Routing


def per_image(name: str, routing: Routing, num_queries: int) -> dict[str, Tensor]:
    """The tensors of a routing by name, with the images as the first dimension."""
    return {f"{name}.{key}": value.unflatten(0, (-1, num_queries)) for key, value in vars(routing).items()}


def check_choice(routing: Routing, tokens: int) -> None:
    """Assert that the weights of each token sum to 1 over the chosen experts and are 0 for the others."""
    experts = routing.logits_TE.shape[1]
    assert routing.logits_TE.shape == routing.weights_TE.shape == (tokens, experts)
    assert torch.allclose(routing.weights_TE.sum(-1), torch.ones(tokens), atol=1e-6)
    assert 0 <= routing.choice_TK.min() <= routing.choice_TK.max() < experts
    chosen = torch.zeros(tokens, experts, dtype=torch.bool).scatter(-1, routing.choice_TK, True)
    assert (chosen.sum(-1) == routing.choice_TK.shape[1]).all()
    assert (routing.weights_TE[~chosen] == 0).all()
