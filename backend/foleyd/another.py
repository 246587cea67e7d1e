"""Another seed for a sound that came out as none."""

from __future__ import annotations

from foleyd import recipe
from foleyd.errors import FoleydError, RenderFailed
from foleyd.recipe import SEED_LIMIT, Recipe

MOST = 8
"""Times that a sound may be made again."""
STRIDE = 7919
"""Seeds between two tries: the ones that count up belong to the other clips of a request."""
_WORTH = frozenset({"silence", "nan", "inf"})


def worth(error: FoleydError) -> bool:
    """Whether another seed may mend what a render failed with."""
    return isinstance(error, RenderFailed) and error.reason in _WORTH


def another(made: Recipe) -> Recipe:
    """A resolved recipe with the next seed to try."""
    return recipe.change(made, seed=((made.seed or 0) + STRIDE) % SEED_LIMIT)


def note(wanted: Recipe, made: Recipe, why: str) -> str:
    """The sentence that goes with a sound that has another seed than was asked for; "" where it has that."""
    if wanted.seed == made.seed:
        return ""
    return f"Seed {made.seed} was taken in place of {wanted.seed}, for {why[:1].lower()}{why[1:]}"
