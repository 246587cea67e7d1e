"""How many seeds a sound is chosen from: as many as were asked for, or where the seed was left open, too, as
the model chooses from by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foleyd.errors import BadRequest
from foleyd.recipe import DRAWN_SEEDS, SEED_LIMIT, Recipe

if TYPE_CHECKING:
    from foleyd.engines.base import Capabilities

MOST = 16
"""Seeds that a sound may be chosen from."""
SKETCH_STEPS = 4
"""Steps of the sketch that is listened to for each of them."""
STRIDE = 104_729
"""Seeds between two sketches of a sound: the ones that count up belong to the other clips of a request."""
CHOSEN = frozenset({"text", "loop"})
"""Operations whose sound the words and the seed alone decide."""


def best_of(asked: int | None, base: Recipe, able: Capabilities, *, hurried: bool = False) -> int:
    """Seeds to choose from for a sound of the recipe `base`, as it was asked for: `asked`, or where that is
    None the model's own number, and 1 where it does not apply.

    `hurried`: whether something is to be heard soon (a draft, a part, by a deadline), for which a model does
    not choose by itself. Raises BadRequest where a choice was asked for that cannot be made.
    """
    if asked is None:
        free = base.seed is None and base.operation in CHOSEN and not hurried
        return able.best_of if free and not able.in_windows(base) else 1
    if asked == 1:
        return 1
    for wrong, said in (
        (
            base.operation not in CHOSEN,
            f"operation is {base.operation!r}: give best_of for {' or '.join(sorted(CHOSEN))} alone",
        ),
        (
            not able.audio_tower,
            "the model has no audio tower to listen with: choose one that has, such as the starter",
        ),
        (able.in_windows(base), f"a choice is made up to {able.seconds[1]:g} s: give fewer seconds"),
    ):
        if wrong:
            raise BadRequest(f"best_of is {asked}, but {said}.")
    return asked


def seed_behind(seed: int, by: int) -> int:
    """The seed that lies so far behind another; one that a host with float32 can send back stays so."""
    return (seed + by) % (DRAWN_SEEDS if seed < DRAWN_SEEDS else SEED_LIMIT)
