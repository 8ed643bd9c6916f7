"""The command that repeats a study of one claim."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

from iqa_zoo.studies.make_spec import GROUPS, list_settings
from iqa_zoo.studies.spec import DataSpec, StudySpec


def spell_command(spec: StudySpec, claim: str) -> str:
    """Return the command that tests one claim under the settings of a spec; paths by their last part.

    Args:
        spec: of a study of claims, completed.
        claim: id of the claim.

    >>> from iqa_zoo.studies.study import plan_study
    >>> spell_command(plan_study("claims", ["lifeiqa"], splits=5, match="params"), "moe_over_ffn")
    'iqa-zoo claims lifeiqa --claims moe_over_ffn --match params --splits 5'
    """
    only = replace(spec, options=replace(spec.options, claims=(claim,)))
    usual = _make_usual(only)
    words = [f"iqa-zoo {spec.study.replace('_', '-')}", *map(str, spec.models.values())]
    given, left_out = only.to_dict(), usual.to_dict()
    for _, each, _ in list_settings(type(spec.options), ("budget",)):
        value = given.get(each.name)
        if value != left_out.get(each.name):
            words += ["--" + each.name.replace("_", "-"), *_spell_value(value)]
    return f"{words[0]} {shlex.join(words[1:])}"


def _make_usual(spec: StudySpec) -> StudySpec:
    """Return the spec of the same models, data and backbone with every other setting left out, and then these as well."""
    groups: dict[str, Any] = {name: kind() for name, kind in GROUPS.items()}
    groups["data"] = DataSpec(data=spec.data.data, root=spec.data.root)
    usual = StudySpec(spec.study, spec.models, **groups, options=type(spec.options)())
    completed = replace(usual, backbone=spec.backbone).complete()  # views depend on the backbone
    data = replace(completed.data, data=DataSpec.data, root=None)
    return replace(completed, data=data, backbone=usual.complete().backbone)


def _spell_value(value: Any) -> list[str]:
    """Return the words of a value as JSON holds it; an option without a value has none.

    >>> _spell_value([["mos", "score"]]), _spell_value(True), _spell_value(0.5)
    (['mos=score'], [], ['0.5'])
    """
    if value is True:
        return []
    values = value if isinstance(value, list) else [value]
    return ["=".join(map(str, each)) if isinstance(each, list) else str(each) for each in values]
