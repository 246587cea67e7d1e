"""The recipes of a request for several clips: one after another, from one that says what they share."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from foleyd import recipe
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe


def series(base: Recipe, count: int, *, draw: Callable[[int], int] = secrets.randbelow) -> list[Recipe]:
    """`count` recipes. Seeds go up by one from the base's own or, where it has none, a drawn one; the stages
    of a morph keep their seed and go from its one end to the other.

    Raises BadRequest where seeds would pass the last there is.
    """
    first = draw(recipe.DRAWN_SEEDS - count + 1) if base.seed is None else base.seed
    if base.operation == "morph" and count > 1:
        return [recipe.change(base, seed=first, mix=stage / (count - 1)) for stage in range(count)]
    if first + count > recipe.SEED_LIMIT:
        raise BadRequest(
            f"seed is {first} with a count of {count}, which goes past {recipe.SEED_LIMIT - 1}: give a "
            "smaller one."
        )
    return [recipe.change(base, seed=first + k) for k in range(count)]
