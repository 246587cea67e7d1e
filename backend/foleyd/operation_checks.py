"""Whether a recipe's fields fit its operation: what it needs, what belongs to others, what agrees."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from foleyd.errors import BadRequest
from foleyd.fields import BOUND_FIELDS, FIELDS, LEAST_BAND, OWN_FIELDS
from foleyd.values import accepts

if TYPE_CHECKING:
    from foleyd.recipe import Recipe

ATTACK_SHARE, TAIL_SHARE = 0.5, 0.25
"""Around its place, the share of the time until then in which a layer gives way to the next."""


def filled(operation: str, values: Mapping[str, object]) -> dict[str, object]:
    """The fields that the operation needs and that `values` leave open. Raises BadRequest for one that has to
    be given, and for one of another operation."""
    mine = OWN_FIELDS.get(operation, {})
    found: dict[str, object] = {}
    for name in BOUND_FIELDS:
        if name in mine and values[name] is None:
            if mine[name] is None:
                raise BadRequest(f"{name} is missing: give {accepts(FIELDS[name])} for '{operation}'.")
            if mine[name] is not msgspec.UNSET:
                found[name] = mine[name]
        elif name not in mine and values[name] is not None:
            owners = " and ".join(f"'{one}'" for one, fields in OWN_FIELDS.items() if name in fields)
            raise BadRequest(f"{name} is given: it belongs to {owners}, not to '{operation}'.")
    return found


def check(recipe: Recipe, whole: Fraction | None) -> None:
    """Raise BadRequest where the operation's own fields do not agree; `whole`: the recipe's seconds,
    None for ``auto``."""
    if recipe.operation in _CHECKS:
        _CHECKS[recipe.operation](recipe, whole)


def _part(recipe: Recipe, whole: Fraction | None) -> None:
    start, stop, low, high = recipe.redo_from, recipe.redo_to, recipe.redo_low, recipe.redo_high
    if (start, stop, low, high).count(None) == 4 or (start is None) != (stop is None):
        name = "redo_from" if start is None else "redo_to"
        band = ", or a band with redo_low and redo_high" if stop is None else ""
        raise BadRequest(f"{name} is missing: give {accepts(FIELDS[name])} for 'inpaint'{band}.")
    if start is not None and stop is not None and not start < stop:
        raise BadRequest(f"redo_from is {start:g}, redo_to {stop:g}: give a range that ends after it begins.")
    if low is not None and high is not None and high < LEAST_BAND * low:
        raise BadRequest(
            f"redo_low is {low:g}, redo_high {high:g}: give a band of a third of an octave or more, from "
            f"{low:g} to {math.ceil(LEAST_BAND * low)} Hz at least."
        )


def _extension(recipe: Recipe, whole: Fraction | None) -> None:
    added = (recipe.before or 0.0) + (recipe.after or 0.0)
    if not added:
        raise BadRequest("before and after are missing: give the seconds to add, before, after or both.")
    if whole is None or whole <= added:
        raise BadRequest(
            "seconds is the length of the whole of an 'extend', its source included: give the source, "
            "and leave seconds out."
        )


def _layers(recipe: Recipe, whole: Fraction | None) -> None:
    if recipe.attack is None and recipe.tail is None:
        raise BadRequest("attack and tail are missing: say in words how it begins, how it ends, or both.")
    until, start = recipe.attack_until or 0.0, recipe.tail_from or 0.0
    if None not in (recipe.attack, recipe.tail) and until * (1 + ATTACK_SHARE) > start * (1 - TAIL_SHARE):
        raise BadRequest(
            f"attack_until is {until:g}, tail_from {start:g}: leave the body room, with a tail from "
            f"{until * (1 + ATTACK_SHARE) / (1 - TAIL_SHARE):.3g} s on or later."
        )


_CHECKS: Mapping[str, Callable[[Recipe, Fraction | None], None]] = {
    "inpaint": _part,
    "extend": _extension,
    "layers": _layers,
}
