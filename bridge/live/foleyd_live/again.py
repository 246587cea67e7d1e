"""What a pad has, made anew: variations of it, sounds like it, a loop of it, itself in other words, or the
way from it to another sound.

Each is a render of the pad as any other: prompt and pairs as ``/pad/render`` takes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from foleyd.errors import BadRequest
from foleyd.fields import BOUND_FIELDS, FIELDS
from foleyd_live import memory as m
from foleyd_live.history import ClipSource
from foleyd_live.properties import Value

SHORTEST, LONGEST = FIELDS["seconds"].low or 0.0, FIELDS["seconds"].high or 0.0
STAGES = (2, m.STAGES)
"""Fewest and most stages of a morph."""
ANEW = (
    "operation",
    "prompt",
    "seed",
    "sources",
    "revision",
    "adapter_revision",
    "bars",
    "bpm",
    "beats",
    *BOUND_FIELDS,
)
"""Fields of a recipe that what is made of its sound does not take over."""

Pairs = dict[str, Any]


def vary(source: ClipSource, distance: float | None) -> tuple[str, Pairs]:
    """A sound near the pad's, which was made from words. Raises BadRequest for one that was not."""
    made = _from_words(source)
    centre = made["seed"] if made.get("operation", "text") == "text" else made["centre"]
    near = {} if distance is None else {"distance": distance}
    return str(made["prompt"]), {**_as_long(made), "operation": "vary", "centre": centre, **near}


def loop(source: ClipSource) -> tuple[str, Pairs]:
    """The pad's sound, which was made from words, as a loop: the same words and seed on a circle of time.
    Raises BadRequest for a sound of another kind."""
    made = _from_words(source)
    return str(made["prompt"]), {**_kept(made), "operation": "loop", "seed": made["seed"], **_length(source)}


def like(source: ClipSource, likeness: float | None) -> tuple[str, Pairs]:
    """A sound of the kind of the pad's, by ear and by its words. Raises BadRequest for a clip that the
    library does not have."""
    much = {} if likeness is None else {"likeness": likeness}
    pairs = {"operation": "like", "source": _in_library(source), **_length(source), **much}
    return source.prompt or source.name or "a sound", pairs


def restyle(source: ClipSource, strength: float | None) -> Pairs:
    """The pairs that make the pad's sound say other words. Raises as `like` does."""
    much = {} if strength is None else {"strength": strength}
    return {"operation": "restyle", "source": _in_library(source), **much}


def morph(source: ClipSource, towards: str, stages: int) -> tuple[str, Pairs]:
    """The way from the pad's sound, which was made from words, to other words, in so many stages. Raises
    BadRequest for a sound of another kind, and for too few or too many stages."""
    least, most = STAGES
    if not least <= stages <= most:
        raise BadRequest(f"stages is {stages}: give {least} to {most}.")
    made = source.recipe
    # the first stage of a morph is the sound that it began with
    begins = made.get("operation") == "morph" and made.get("mix") == 0
    if not begins and _from_words(source).get("operation", "text") != "text":
        raise BadRequest(
            "a morph begins with a sound of words alone, and this pad has a variation of one: undo to that."
        )
    stretch = {"seed": made["seed"], "towards": towards, "count": stages}
    return str(made["prompt"]), {**_as_long(made), "operation": "morph", **stretch}


def merged(made: Pairs, given: Mapping[str, Value]) -> dict[str, Value]:
    """What is asked for: what came with the action counts before what follows from the pad."""
    whole = {**made, **given}
    if {"bars", "seconds"} <= whole.keys():
        del whole["bars" if "seconds" in given else "seconds"]
    return whole


def _from_words(source: ClipSource) -> Mapping[str, Any]:
    if source.recipe.get("operation", "text") not in ("text", "vary") or not source.recipe:
        raise BadRequest(
            "this pad's sound was not made from words alone: ask for one like it with pad/like instead."
        )
    return source.recipe


def _kept(made: Mapping[str, Any]) -> Pairs:
    return {name: value for name, value in made.items() if name in FIELDS and name not in ANEW}


def _as_long(made: Mapping[str, Any]) -> Pairs:
    """As :func:`_kept`; what was made in bars gets as many of the tempo that there is now."""
    kept = _kept(made)
    if "bars" in made:
        kept.pop("seconds", None)
        kept["bars"] = made["bars"]
    return kept


def _in_library(source: ClipSource) -> str:
    if not source.clip_id:
        raise BadRequest("the clip of this pad is not in the library: import it, or load it by its id.")
    return source.clip_id


def _length(source: ClipSource) -> Pairs:
    return {"seconds": min(max(round(source.seconds, 3), SHORTEST), LONGEST)}
