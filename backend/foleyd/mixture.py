"""Several prompts in one, with weights: ``rain:0.7 | fire:0.3``.

A text is a mixture where it has two parts or more with ``|`` between them and *every* part ends in a colon
and a weight; any other text is words, bars and colons among them. After a digit a weight needs its point: "a
808:0.5" has one, "at 10:30" has none.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from foleyd.errors import BadRequest

_PART = re.compile(r"\s*(.*[^\s:])\s*:\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*", re.ASCII)


class Part(NamedTuple):
    """A prompt of a mixture and its share; the shares of all are 1 together."""

    text: str
    share: float


def parts(text: str, name: str = "prompt") -> tuple[Part, ...]:
    """What a text is mixed of, in its order; parts that weigh nothing are left out, and words alone are one
    part. Raises BadRequest, naming the field `name`, for weights that are all 0.
    """
    pieces = text.split("|")
    weighed = [one for piece in pieces if (one := _weighed(piece)) is not None]
    if len(pieces) < 2 or len(weighed) < len(pieces):
        return (Part(text, 1.0),)
    whole = sum(weight for _, weight in weighed)
    if not whole:
        raise BadRequest(f"{name} has parts that all weigh 0: give one of them a weight above 0.")
    return tuple(Part(words, weight / whole) for words, weight in weighed if weight)


def between(text: str, other: str, mix: float) -> tuple[Part, ...]:
    """What is on the way from one text (`mix` 0) to another (1)."""
    ends = ((text, 1 - mix), (other, mix))
    return tuple(Part(part.text, part.share * share) for one, share in ends if share for part in parts(one))


def _weighed(piece: str) -> tuple[str, float] | None:
    """Words and their weight, None for a piece that has no weight."""
    found = _PART.fullmatch(piece)
    if found is None or (found[1][-1].isdigit() and "." not in found[2]):
        return None
    return found[1], float(found[2])
