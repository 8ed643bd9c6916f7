"""The embeddings of fixed prompts: computed when weights have changed, kept in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

from iqa_zoo.layers.graphs import is_recorded
from iqa_zoo_liqe.prompts import TextTree, text_tree, tokenise
from iqa_zoo_liqe.text_tower import TextTower


class PromptEmbeddings(nn.Module):
    """The vectors, of length one, that a text tower makes of fixed prompts: P of them, D wide.

    They depend on no image. Where no gradient can reach the tower (under ``torch.no_grad``, or with all of it frozen)
    they are computed once and kept until a weight changes, the type or the device. A change is what torch counts as one:
    an optimiser's step, ``load_state_dict``, any operation in place under ``torch.no_grad``. It does not count writing
    through ``weight.data``; after that call ``forget``.

    Args:
        tower: what makes them.
        prompts: the texts.

    >>> embeddings = PromptEmbeddings(tower=TextTower(width=8, layers=1, out_width=4), prompts=["a photo"])
    >>> with torch.no_grad():
    ...     embeddings() is embeddings()
    True
    """

    def __init__(self, *, tower: TextTower, prompts: Sequence[str]):
        super().__init__()
        self.tower = tower
        for name, value in text_tree(tokenise(prompts))._asdict().items():
            self.register_buffer(name, value, persistent=False)
        self.forget()

    def forget(self) -> None:
        """Compute them anew when they are asked for next."""
        self._kept: tuple[Any, Tensor] | None = None

    def forward(self) -> Tensor:
        if is_recorded() and not torch.jit.is_tracing():  # weights have no address there; a trace may hold constants
            return self._computed()
        weights = list(self.tower.parameters())
        if isinstance(weights[0], FakeTensor):  # without values, and so without an address
            return self._computed()
        if torch.is_grad_enabled() and any(weight.requires_grad for weight in weights):
            self.forget()
            return self._computed()
        autocast = torch.is_autocast_enabled(weights[0].device.type)
        state = autocast, [(weight.data_ptr(), weight._version) for weight in weights if not weight.is_inference()]
        if self._kept is None or self._kept[0] != state:
            with torch.inference_mode(False), torch.no_grad():
                self._kept = state, self._computed()
        return self._kept[1]

    def _computed(self) -> Tensor:
        return F.normalize(self.tower(*(getattr(self, name) for name in TextTree._fields)), dim=-1)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PromptEmbeddings:
        self.forget()  # another device or type, perhaps at an address that was in use before
        super()._apply(fn, recurse)
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}  # a copy's weights lie elsewhere
