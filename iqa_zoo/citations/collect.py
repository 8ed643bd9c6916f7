"""Collect what models, data sets and results rest on, as BibTeX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from iqa_zoo.citations.entries import find_backbone_keys, find_model_keys, load_sources, select_entries
from iqa_zoo.errors import UnknownName, not_one_of

HEADER = """\
% What {what} on.
% Compared with public records (title, authors, venue, year, pages): {compared}. Pages of CVPR and ICCV are those of the open-access edition."""


@dataclass
class Citations:
    """The keys of what is rested on, in order, and what no reference is known for."""

    what: str
    keys: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, name: str, keys: Sequence[str]) -> None:
        """Add the keys of one thing; without any, its name is among ``unknown``."""
        if not keys and name not in self.unknown:
            self.unknown.append(name)
        self.keys += [key for key in keys if key not in self.keys]

    def bibtex(self) -> str:
        """Return the entries as BibTeX, after a comment: what they are of, which were not compared with public records, and what has none."""
        checked = load_sources().checked
        others = [key for key in self.keys if key not in checked]
        compared = "all" if not others else f"all but {', '.join(others)}" if len(others) < len(self.keys) else "none"
        head = [HEADER.format(what=self.what, compared=compared)]
        if self.unknown:
            head.append(f"% No reference is known here for: {', '.join(self.unknown)}.")
        return "\n\n".join(["\n".join(head), *select_entries(self.keys)]) + "\n"


def cite_names(names: Sequence[str]) -> Citations:
    """Return what models, data sets and backbones rest on; a model rests on its backbone too.

    Raises:
        UnknownName: neither a model, nor a data set, nor a backbone with a reference.

    >>> cite_names(["deiqt", "livec"]).keys
    ['qin2023deiqt', 'touvron2022deit3', 'wightman2019timm', 'ghadiyaram2016livec']
    """
    from iqa_zoo.registry import DATASETS, MODELS

    verb = "rests" if len(names) == 1 else "rest"
    found = Citations(f"{', '.join(names)} {verb}")
    for name in names:
        if name in MODELS.names():
            found.add(name, find_model_keys(name))
            _add_backbone(found, _read_backbone(name))
        elif name in DATASETS.names():
            found.add(name, load_sources().datasets.get(name, []))
        elif keys := find_backbone_keys(name):
            found.add(name, keys)
        else:
            known = [*MODELS.names(), *DATASETS.names()]
            raise UnknownName(not_one_of(name, known, "model or data set (a timm model serves too)"))
    return found


def _read_backbone(model: str) -> str:
    from iqa_zoo.config import load_config

    return _name_backbone(load_config(model))


def _name_backbone(cfg: Mapping[str, Any]) -> str:
    backbone = cfg.get("backbone") or {}
    return str(backbone.get("name", backbone.get("type", ""))).split(".")[0]


def _add_backbone(found: Citations, backbone: str) -> None:
    if backbone:
        found.add(backbone, find_backbone_keys(backbone))


def cite_results(values: Mapping[str, Any]) -> Citations:
    """Return what the results of a study rest on: models, baseline, data, backbones, weights, statistics and training.

    Args:
        values: of a :class:`iqa_zoo.studies.results.StudyResult`.

    >>> cite_results({"study": "compare", "compared": ["deiqt"], "data": {"name": "livec"}, "backbone": "resnet18"}).keys
    ['qin2023deiqt', 'ghadiyaram2016livec', 'he2016resnet', 'wightman2019timm']
    """
    from iqa_zoo.registry import MODELS

    found, methods = Citations(f"these results of {values['study']} rest"), load_sources().methods
    for model in _list_models(values):
        if model in MODELS.names():
            found.add(model, find_model_keys(model))
        else:
            found.add(model, [])
    for data in values.get("datasets") or [values.get("data")]:
        if isinstance(data, Mapping):
            found.add(data["name"], load_sources().datasets.get(data["name"], []))
    for backbone in _list_backbones(values):
        _add_backbone(found, backbone)
    used = {
        "imagenet": "imagenet" in f"{values.get('weights')}{values.get('backbones')}".lower(),
        "intervals": bool(values.get("differences")),
        "equivalence": bool(values.get("differences")),
        "raters": bool(values.get("raters")),
        "adamw": bool(values.get("runs")),
        values["study"]: True,
    }
    for method, is_used in used.items():
        if is_used:
            found.keys += [key for key in methods.get(method, []) if key not in found.keys]
    return found


def _list_models(values: Mapping[str, Any]) -> list[str]:
    """Return the models of a study; its baseline last."""
    named = [values.get("base"), values.get("about"), *values.get("compared", []), values.get("baseline")]
    return list(dict.fromkeys(str(name) for name in named if name))


def _list_backbones(values: Mapping[str, Any]) -> list[str]:
    """Return the backbones of a study, each once: the shared one, or those of the configs."""
    shared = str(values.get("backbone", ""))
    if shared not in ("own", "backbone", ""):
        return [name.split(".")[0] for name in shared.split(", ")]
    rows = [*values.get("matched", []), *values.get("rows", []), *values.get("backbones", [])]
    found = [_name_backbone(row["config"]) for row in rows if isinstance(row, Mapping) and "config" in row]
    found += [str(row["backbone"]).split(".")[0] for row in rows if isinstance(row, Mapping) and "backbone" in row]
    return list(dict.fromkeys(filter(None, found)))
