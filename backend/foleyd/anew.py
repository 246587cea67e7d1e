"""Where a recording lies in the sound that is made of it, and which parts are made anew."""

from __future__ import annotations

import math

from foleyd.errors import BadRequest
from foleyd.operation_fields import LEAST_BAND, LONG, REACH_HZ
from foleyd.recipe import Recipe, length

Span = tuple[float, float]
"""From and to, in seconds of the sound; the end is infinite where everything to the end is meant."""

Band = tuple[float, float]
"""From and to, in Hz; the beginning is 0 where everything below the end is meant."""
HELD = 0.9
"""The share of half its rate up to which a recording is whole: above it are its converter's filters."""


def spans(recipe: Recipe) -> tuple[Span, ...]:
    """The parts of the sound that are the model's, in their order, where all others are the source's own
    samples; none for recipes whose whole sound is the model's."""
    return _SPANS[recipe.operation](recipe) if recipe.operation in _SPANS else ()


def lead(recipe: Recipe) -> float:
    """The seconds of the sound before its source begins."""
    return recipe.before or 0.0


def computed(recipe: Recipe, longest: float) -> float | None:
    """About how many seconds of sound a network makes for the recipe where `longest` fit into one piece: what
    is made in windows is made twice, since they overlap by half. None for a length of ``auto``."""
    whole = length(recipe)
    if whole is None:
        return None
    if whole <= longest or recipe.operation not in LONG:
        return float(whole)
    new = spans(recipe) or ((0.0, float(whole)),)
    return 2 * sum(min(stop, float(whole)) - start for start, stop in new)


def band(recipe: Recipe) -> Band | None:
    """The band that is made anew where the recipe names one; None where it is every frequency."""
    if recipe.redo_low is None and recipe.redo_high is None:
        return None
    return recipe.redo_low or 0.0, recipe.redo_high or REACH_HZ


def held_band(recipe: Recipe, rate: int) -> Band | None:
    """The part of :func:`band` that a recording at `rate` Hz holds; its end is infinite where that is all of
    the recording from its beginning on. Raises BadRequest where the recording ends below it."""
    found = band(recipe)
    if found is None:
        return None
    check_band(recipe.redo_low, rate)
    low, high = found
    return low, (high if high <= HELD * rate / 2 else math.inf)


def check_band(low: object, rate: int) -> None:
    """Raise BadRequest where a recording at `rate` Hz has no room for a band that begins at `low` Hz."""
    if isinstance(low, int | float) and low * LEAST_BAND > HELD * rate / 2:
        raise BadRequest(
            f"redo_low is {low:g}, the source at {rate} Hz ends at {rate // 2}: give a band that begins "
            "lower."
        )


def _inpainted(recipe: Recipe) -> tuple[Span, ...]:
    return ((recipe.redo_from or 0.0, math.inf if recipe.redo_to is None else recipe.redo_to),)


def _extended(recipe: Recipe) -> tuple[Span, ...]:
    before, after = recipe.before or 0.0, recipe.after or 0.0
    whole = float(length(recipe) or 0)
    return tuple(
        span for span, there in (((0.0, before), before), ((whole - after, math.inf), after)) if there
    )


_SPANS = {"inpaint": _inpainted, "extend": _extended}
OWN_SAMPLES = frozenset({*_SPANS, "upscale"})
"""The operations whose sound is a recording but for parts of it: spans of time, or its highs."""
