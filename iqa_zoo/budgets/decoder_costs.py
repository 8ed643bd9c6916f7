"""The cost of decoders on one backbone, by part, so that a search counts each part once and never the backbone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from iqa_zoo.budgets.budget import SIZES, Budget
from iqa_zoo.budgets.measure import BackboneShapes, measure_decoder, measure_parameters
from iqa_zoo.config import Config
from iqa_zoo.contracts import HasOutDim
from iqa_zoo.errors import ConfigError
from iqa_zoo.registry import SLOTS

HUGE = 300_000_000  # parameters above which the MACs of a decoder are not counted

Sizes = Counter[str]  # name of the size -> value


class DecoderCosts:
    """Sizes of the decoders that fit one backbone.

    The cost of a part depends only on its own config, the model width, the queries and the memory, so a part counted in one
    decoder is reused in others. If the queries or a block change the model width (``out_dim``), decoders are counted as a whole.
    """

    def __init__(self, backbone: BackboneShapes) -> None:
        self.backbone = backbone
        self.known: dict[bool, dict[str, Sizes]] = {False: {}, True: {}}  # by whether MACs are counted
        self.impossible: set[str] = set()

    def compute_size(self, cfg: Config, by: str) -> int | None:
        """Compute one size of a config's decoder; None if the model is invalid, or too large to count its MACs."""
        sizes = self.compute_sizes(cfg, macs=by == "macs")
        return None if sizes is None else sizes[by]

    def compute_sizes(self, cfg: Config, *, macs: bool) -> Sizes | None:
        """Compute all sizes of a config's decoder, MACs only if requested; None as in :meth:`compute_size`."""
        found = self._sum_parts(cfg, macs=False)
        if not macs or found is None:
            return found
        return None if found["params"] > HUGE else self._sum_parts(cfg, macs=True)

    def _sum_parts(self, cfg: Config, *, macs: bool) -> Sizes | None:
        stack = cfg.get("interactions") or ()
        if _changes_width("queries", cfg["queries"]) or any(_changes_width("interactions", block) for block in stack):
            return self._count_whole(cfg, macs=macs)
        known = self.known[macs]
        times = Counter(json.dumps(block, sort_keys=True) for block in stack)
        shared = json.dumps([cfg.get("dim"), cfg["queries"], cfg.get("memory")], sort_keys=True)
        head = f"{shared} head {json.dumps(cfg['head'], sort_keys=True)}"
        blocks = {block: f"{shared} block {block}" for block in times}
        missing = [block for block, key in blocks.items() if key not in known]
        if missing or head not in known:
            lean = {**cfg, "interactions": [json.loads(block) for block in missing], "losses": []}
            counted = self._measure(lean, macs=macs)
            if counted is None:
                return None
            known[shared] = _sum(counted.by_slot.get(slot) for slot in ("queries", "memory"))
            known[head] = _sum([counted.by_slot.get("head")])
            known |= {blocks[b]: _sum([part]) for b, part in zip(missing, counted.by_block.values(), strict=True)}
        total = known[shared] + known[head]
        for block, n in times.items():
            total.update({name: n * size for name, size in known[blocks[block]].items()})
        return total

    def _count_whole(self, cfg: Config, *, macs: bool) -> Sizes | None:
        known, key = self.known[macs], json.dumps({**cfg, "losses": []}, sort_keys=True)
        if key not in known:
            counted = self._measure({**cfg, "losses": []}, macs=macs)
            if counted is None:
                return None
            known[key] = _sum([counted.decoder])
        return known[key]

    def _measure(self, lean: Config, *, macs: bool) -> Budget | None:
        key = json.dumps(lean, sort_keys=True)
        if key in self.impossible:
            return None
        try:
            if macs:
                return measure_decoder(lean, self.backbone.spec, self.backbone.features())
            return measure_parameters(lean, self.backbone.spec)
        except ConfigError:  # the config was valid before its knobs were turned
            self.impossible.add(key)
            return None


def _changes_width(slot: str, part: Config) -> bool:
    return isinstance(SLOTS[slot].get(part["type"]), HasOutDim)


def _sum(budgets: Any) -> Sizes:
    total: Sizes = Counter()
    for budget in budgets:
        total.update({name: getattr(budget, name) if budget else 0 for name in SIZES})
    return total
