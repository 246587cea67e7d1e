"""What recipes must have in common to be rendered at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from foleyd.engines.base import SHARED, Capabilities, SourceSound
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe, is_resolved


def check(
    recipes: Sequence[Recipe],
    sources: Mapping[str, SourceSound],
    can: Capabilities,
    bucket: Callable[[Recipe], str],
) -> None:
    """Raises BadRequest where `recipes` are none, are not resolved, are more than a model `can` do, lack a
    source, or are of different shapes. `bucket`: as `foleyd.engines.base.Engine.bucket`."""
    if not recipes:
        raise BadRequest("there is no recipe to render: give at least one.")
    first = recipes[0]
    for recipe in recipes:
        if not is_resolved(recipe):
            raise BadRequest(
                "the recipe leaves seed, steps, guidance or scheduler open: fill them with "
                "foleyd.recipe.resolve."
            )
        can.check(recipe)
        missing = [source for source in recipe.sources if source.sha256 not in sources]
        if missing:
            raise BadRequest(
                f"the recipe's {missing[0].role} did not come with it: import it into the library first."
            )
        different = [name for name in SHARED if getattr(recipe, name) != getattr(first, name)]
        if bucket(recipe) != bucket(first):
            different.append("seconds")
        if different:
            raise BadRequest(
                f"the recipes of one batch differ in {', '.join(different)}: render those apart."
            )
