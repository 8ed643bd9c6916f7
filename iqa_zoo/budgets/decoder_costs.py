"""What decoders on one backbone cost, part by part, so that a search counts each part once and never the backbone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from iqa_zoo.budgets.budget import SIZES, Budget
from iqa_zoo.budgets.measure import BackboneShapes, measure_decoder, measure_parameters
from iqa_zoo.config import Config
from iqa_zoo.errors import ConfigError
from iqa_zoo.registry import SLOTS

HUGE = 300_000_000  # parameters above which a decoder is not run to count its MACs

Sizes = Counter[str]  # what is counted -> how much


class DecoderCosts:
    """Sizes of the decoders that fit one backbone.

    A part costs what its own config, the model width, the queries and the memory make it cost, wherever it stands:
    these are what is handed down to it. So a part that was counted in one decoder is not counted again in another. Where a
    block changes the model width (``out_dim``), what stands behind it is another part, and decoders are counted whole.

    Args:
        backbone: the shapes of what the decoders read.
    """

    def __init__(self, backbone: BackboneShapes) -> None:
        self.backbone = backbone
        self.known: dict[bool, dict[str, Sizes]] = {False: {}, True: {}}  # by whether MACs were counted
        self.impossible: set[str] = set()

    def size(self, cfg: Config, by: str) -> int | None:
        """One size of a config's decoder; None where there is no such model (sizes that do not divide) or, where MACs
        are asked for, it is huge."""
        sizes = self.sizes(cfg, macs=by == "macs")
        return None if sizes is None else sizes[by]

    def sizes(self, cfg: Config, *, macs: bool) -> Sizes | None:
        """All sizes of a config's decoder, the MACs among them if asked for; None as above."""
        found = self._added(cfg, macs=False)
        if not macs or found is None:
            return found
        return None if found["params"] > HUGE else self._added(cfg, macs=True)

    def _added(self, cfg: Config, *, macs: bool) -> Sizes | None:
        if any(_changes_width(block) for block in cfg.get("interactions") or ()):
            return self._whole(cfg, macs=macs)
        known = self.known[macs]
        times = Counter(json.dumps(block, sort_keys=True) for block in cfg.get("interactions") or ())
        shared = json.dumps([cfg.get("dim"), cfg["queries"], cfg.get("memory")], sort_keys=True)
        head = f"{shared} head {json.dumps(cfg['head'], sort_keys=True)}"
        blocks = {block: f"{shared} block {block}" for block in times}
        missing = [block for block, key in blocks.items() if key not in known]
        if missing or head not in known:
            lean = {**cfg, "interactions": [json.loads(block) for block in missing], "losses": []}
            counted = self._counted(lean, macs=macs)
            if counted is None:
                return None
            known[shared] = _sum(counted.by_slot.get(slot) for slot in ("queries", "memory"))
            known[head] = _sum([counted.by_slot.get("head")])
            known |= {blocks[b]: _sum([part]) for b, part in zip(missing, counted.by_block.values(), strict=True)}
        total = known[shared] + known[head]
        for block, n in times.items():
            total.update({name: n * size for name, size in known[blocks[block]].items()})
        return total

    def _whole(self, cfg: Config, *, macs: bool) -> Sizes | None:
        known, key = self.known[macs], json.dumps({**cfg, "losses": []}, sort_keys=True)
        if key not in known:
            counted = self._counted({**cfg, "losses": []}, macs=macs)
            if counted is None:
                return None
            known[key] = _sum([counted.decoder])
        return known[key]

    def _counted(self, lean: Config, *, macs: bool) -> Budget | None:
        key = json.dumps(lean, sort_keys=True)
        if key in self.impossible:
            return None
        try:
            if macs:
                return measure_decoder(lean, self.backbone.spec, self.backbone.features())
            return measure_parameters(lean, self.backbone.spec)
        except ConfigError:  # the config was sound before its knobs were turned
            self.impossible.add(key)
            return None


def _changes_width(block: Config) -> bool:
    return hasattr(SLOTS["interactions"].get(block["type"]), "out_dim")


def _sum(budgets: Any) -> Sizes:
    total: Sizes = Counter()
    for budget in budgets:
        total.update({name: getattr(budget, name) if budget else 0 for name in SIZES})
    return total
