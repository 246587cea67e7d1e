"""Values as they come in, and as a recipe stores them.

:func:`check` turns what a wire, a file or a caller gave for a field into the one value that a recipe keeps.

Numbers with a grid are first rounded to float32 and then to the grid. Some hosts only know float32 (OSC),
JSON knows doubles; this way 0.3 of either kind, and also a value halfway between two grid points, becomes the
same recipe.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections.abc import Callable, Mapping
from itertools import groupby
from numbers import Integral, Real

from foleyd.errors import BadRequest
from foleyd.fields import Field, Kind, Source


def check(field: Field, value: object) -> object:
    """The stored form of ``value``: on the grid, in range, whole numbers as int, text normalised.

    Raises BadRequest naming the field, what it was given and what it takes.
    """
    if value is None and field.default is None:
        return None
    return _CHECKS[field.kind](field, value)


def read_text(field: Field, text: str) -> object:
    """The value written as ``text`` on a command line or in a CSV cell, checked.

    Raises BadRequest as :func:`check` does.
    """
    word = text.strip()
    if field.kind in ("number", "integer") and word.lower() not in field.choices:
        try:
            # int first: a float would lose the last digits of a long seed
            return check(field, int(word) if _WHOLE.fullmatch(word) else float(word))
        except ValueError:
            raise _refusal(field, text) from None
    if field.kind == "switch":
        if word.lower() not in _SWITCH_WORDS:
            raise _refusal(field, text)
        return _SWITCH_WORDS[word.lower()]
    return check(field, text)


def accepts(field: Field) -> str:
    """What the field takes, as a phrase that follows "give": ``a number from 0.3 to 30 s, or 'auto'``."""
    span = f"{field.low:.10g} to {field.high:.10g} {field.unit}".rstrip() if field.high is not None else ""
    words = ", ".join(field.choices)
    phrases: Mapping[Kind, str] = {
        "text": span,
        "name": f"a name of {span}",
        "number": f"a number from {span}",
        "integer": f"a whole number from {span}",
        "switch": "true or false",
        "choice": f"one of {words}" if len(field.choices) > 1 else f"'{words}'",
        "sources": "a list of sources, each with a role and a sha256",
    }
    phrase = phrases[field.kind]
    return f"{phrase}, or '{words}'" if words and field.kind == "number" else phrase


_WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
_SWITCH_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
# spelled out: what str.isspace and \s take for a space has changed with Unicode before
_SPACES = re.compile("[\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHA256 = re.compile("[0-9a-f]{64}")


def _refusal(field: Field, value: object) -> BadRequest:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # an int of thousands of digits, a thousand lists in each other
        shown = f"an endless {type(value).__name__}"
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return BadRequest(f"{field.name} is {shown}: give {accepts(field)}.")


def normalise(text: str) -> str:
    """NFC, runs of white space as one space, none at the ends; the same under every version of Python.

    Only characters that Unicode 3.2 already knew are composed, the database that every Python carries beside
    its own: their normalisation is frozen by Unicode's stability policy, while a newer character may be a
    plain unknown to one Python and a combining mark to the next, and a recipe's hash would follow.
    """
    if text.isascii():
        return _SPACES.sub(" ", text).strip(" ")
    known = unicodedata.ucd_3_2_0
    runs = groupby(text, key=lambda character: known.category(character) != "Cn")
    composed = (
        unicodedata.normalize("NFC", "".join(run)) if stable else "".join(run) for stable, run in runs
    )
    return _SPACES.sub(" ", "".join(composed)).strip(" ")


def _text(field: Field, value: object) -> str:
    return _name(field, normalise(value) if isinstance(value, str) else value)


def _name(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise _refusal(field, value)
    if _UNPRINTABLE.search(value):
        raise BadRequest(f"{field.name} holds a control character or half a character: give plain text.")
    assert field.low is not None
    assert field.high is not None
    if len(value) < field.low:
        raise BadRequest(f"{field.name} is empty: give {accepts(field)}.")
    if len(value) > field.high:
        raise BadRequest(f"{field.name} has {len(value)} characters: give {accepts(field)}.")
    return value


def _number(field: Field, value: object) -> float | str:
    if isinstance(value, str) and value.strip().lower() in field.choices:
        return value.strip().lower()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _refusal(field, value)
    assert field.low is not None
    assert field.high is not None
    assert field.grid is not None
    per_unit = round(1 / field.grid)
    single: float
    try:
        (single,) = struct.unpack("<f", struct.pack("<f", float(value)))
        quanta = round(single * per_unit)
    except (OverflowError, ValueError):  # beyond float32, infinite, not a number
        raise _refusal(field, value) from None
    on_grid = quanta / per_unit
    if not field.low <= on_grid <= field.high:
        raise _refusal(field, value)
    return on_grid


def _integer(field: Field, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _refusal(field, value)
    try:
        whole = int(value) if isinstance(value, Integral) else int(float(value))
    except (OverflowError, ValueError):  # infinite, not a number
        raise _refusal(field, value) from None
    if whole != value:
        raise _refusal(field, value)
    assert field.low is not None
    assert field.high is not None
    if not field.low <= whole <= field.high:
        raise _refusal(field, value)
    return whole


def _switch(field: Field, value: object) -> bool:
    # OSC has only numbers for yes and no, and Pure Data only floats
    if not isinstance(value, Real) or value not in (0, 1):
        raise _refusal(field, value)
    return bool(value)


def _choice(field: Field, value: object) -> str:
    if not isinstance(value, str) or value.strip().lower() not in field.choices:
        raise _refusal(field, value)
    return value.strip().lower()


def sources(field: Field, value: object) -> tuple[Source, ...]:
    """The sources that a list names. Raises BadRequest as :func:`check` does."""
    if not isinstance(value, (list, tuple)):
        raise _refusal(field, value)
    return tuple(_source(field, item) for item in value)


def _source(field: Field, item: object) -> Source:
    if isinstance(item, Mapping) and set(item) == {"role", "sha256"}:
        role, sha256 = item["role"], item["sha256"]
    elif isinstance(item, Source):
        role, sha256 = item.role, item.sha256
    else:
        raise _refusal(field, item)
    if not isinstance(role, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise _refusal(field, item)
    return Source(role, sha256)


_CHECKS: Mapping[Kind, Callable[[Field, object], object]] = {
    "text": _text,
    "name": _name,
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
    "sources": sources,
}
