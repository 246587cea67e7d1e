"""Where a recording lies in the sound that is made of it, and which parts are made anew."""

from __future__ import annotations

import math

from foleyd.recipe import Recipe, length

Span = tuple[float, float]
"""From and to, in seconds of the sound; the end is infinite where everything to the end is meant."""


def spans(recipe: Recipe) -> tuple[Span, ...]:
    """The parts of the sound that are the model's, in their order, where all others are the source's own
    samples; none for recipes whose whole sound is the model's."""
    return _SPANS[recipe.operation](recipe) if recipe.operation in _SPANS else ()


def lead(recipe: Recipe) -> float:
    """The seconds of the sound before its source begins."""
    return recipe.before or 0.0


def _inpainted(recipe: Recipe) -> tuple[Span, ...]:
    return ((recipe.redo_from or 0.0, recipe.redo_to or 0.0),)


def _extended(recipe: Recipe) -> tuple[Span, ...]:
    before, after = recipe.before or 0.0, recipe.after or 0.0
    whole = float(length(recipe) or 0)
    return tuple(
        span for span, there in (((0.0, before), before), ((whole - after, math.inf), after)) if there
    )


_SPANS = {"inpaint": _inpainted, "extend": _extended}
OWN_SAMPLES = frozenset({*_SPANS, "upscale"})
"""The operations whose sound is a recording but for parts of it: spans of time, or its highs."""
