"""The claims of a paper, one by one, as the card of its model keeps them under ``claims``."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Literal, TypeVar

from iqa_zoo.cards import Card, load_cards, load_plugin_cards
from iqa_zoo.errors import ConfigError, UnknownName, not_one_of
from iqa_zoo.values import Range, value_problem

Match = Literal["params", "macs", "none"]
Kept = TypeVar("Kept", "Side", "Claim")


@dataclass(frozen=True)
class Side:
    """One side of a claim: a model with changes, trained on a share of the training part.

    Attributes:
        name: in tables.
        model: a zoo name; that of the card's first model where left out.
        overrides: values by dotted path, as :func:`iqa_zoo.config_overrides.apply_overrides` takes them.
        share: of the training part, above 0 and at most 1.
    """

    name: str
    model: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    share: Annotated[float, Range(0.01, 1)] = 1.0


@dataclass(frozen=True)
class Claim:
    """A claim of a paper: one side is ahead of the other.

    Attributes:
        id: a short name, as ``--claims`` takes it.
        sentence: the claim.
        source: where the paper makes it.
        ahead, behind: the two sides, named by what the paper says.
        match: what ``behind`` is brought to the size of ``ahead`` by; none where the paper compares the two as they are.
        note: what the paper leaves open, or what differs here.
    """

    id: str
    sentence: str
    source: str
    ahead: Side
    behind: Side
    match: Match = "none"
    note: str = ""


def list_claim_cards() -> dict[str, Card]:
    """Return the cards with claims by the model that the claims are about, the first of the card; those of plugins too."""
    cards = load_plugin_cards() | load_cards()
    return {name: card for name, card in cards.items() if card.get("claims") and name == card["models"][0]}


def find_claims(model: str) -> tuple[Claim, ...]:
    """Return the claims about a model.

    Raises:
        UnknownName: its card has none; names the models with claims.
        ConfigError: the claims cannot be read; lists every problem.

    >>> [claim.id for claim in find_claims("lifeiqa")][:2]
    ['deep_stages', 'stage_3_memory']
    >>> find_claims("deiqt")
    Traceback (most recent call last):
    iqa_zoo.errors.UnknownName: no card holds claims about 'deiqt'; models with claims: lifeiqa
    """
    cards = list_claim_cards()
    if model not in cards:
        known = ", ".join(sorted(cards)) or "none"
        raise UnknownName(f"no card holds claims about {model!r}; models with claims: {known}")
    return read_claims(cards[model])


def select_claims(claims: Sequence[Claim], ids: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims with these ids, in the order of the card; all of them where no id is given.

    Raises:
        UnknownName: no such claim; names the closest.
    """
    known = [claim.id for claim in claims]
    for each in ids:
        if each not in known:
            raise UnknownName(not_one_of(each, known, "claim"))
    return tuple(claim for claim in claims if claim.id in ids or not ids)


def read_claims(card: Card) -> tuple[Claim, ...]:
    """Return the claims of a card.

    Raises:
        ConfigError: they cannot be read; lists every problem.
    """
    problems: list[str] = []
    found = []
    for i, given in enumerate(card["claims"]):
        path = f"claims.{i}"
        values = dict(given) if isinstance(given, Mapping) else {}
        for side in (side for side in ("ahead", "behind") if side in values):
            if isinstance(values[side], Mapping):
                of_side = {"model": card["models"][0], **values[side]}
                values[side] = _read(Side, of_side, f"{path}.{side}", problems)
            else:
                problems.append(f"{path}.{side}: expected a name, a model and overrides, got {values[side]!r}")
        found.append(_read(Claim, values, path, problems))
    claims = [claim for claim in found if claim is not None]
    ids = [claim.id for claim in claims]
    problems += [f"claims: the id {each!r} is given twice" for each in sorted({i for i in ids if ids.count(i) > 1})]
    if problems:
        raise ConfigError(problems, title=f"the claims in the card of {card['models'][0]}")
    return tuple(claims)


def _read(kind: type[Kept], values: Mapping[str, Any], path: str, problems: list[str]) -> Kept | None:
    """Return a dataclass of these values; None, and the problems are added, where that cannot be."""
    known = {each.name: each for each in fields(kind)}
    hints = typing.get_type_hints(kind, include_extras=True)
    wrong = [f"{path}.{key}: {not_one_of(key, known, 'key')}" for key in values if key not in known]
    for name, each in known.items():
        if name not in values:
            needed = each.default is MISSING and each.default_factory is MISSING
            wrong += [f"{path}.{name}: is missing"] if needed else []
        elif problem := value_problem(values[name], hints[name]):
            wrong.append(f"{path}.{name}: {problem}")
    problems += wrong
    return None if wrong else kind(**values)
