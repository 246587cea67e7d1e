"""The table of a recipe's fields: unit, range, grid, default and the words that explain each.

Validation, the command line's options and the documentation all read :data:`FIELDS`; nobody repeats its
numbers. :func:`check` turns whatever a wire, a file or a caller gave into the one value that a recipe stores.

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
from typing import Literal

import msgspec

from foleyd.errors import BadRequest

Part = Literal["generating", "finishing"]
Kind = Literal["text", "name", "number", "integer", "switch", "choice", "sources"]

SCHEDULERS: tuple[str, ...] = (
    "ddim",
    "dpmpp-2m",
    "dpmpp-2m-sde",
    "unipc",
    "euler",
    "euler-a",
    "heun",
    "lcm",
)
"""The samplers that a recipe may name; a model's capabilities say which of them it takes."""

SEED_LIMIT = 2**31
"""Seeds lie in ``0 … SEED_LIMIT - 1``."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a recipe.

    ``part`` says what the field decides: ``generating`` fields are what the model sees, ``finishing`` fields
    are applied to its output. ``low`` and ``high`` are inclusive, in ``unit`` (for text: characters).
    ``grid`` is the step that numbers are rounded to. ``choices`` are the words accepted: the only ones for a
    choice, those allowed besides a number otherwise. A default of None means "the model's own". ``flag`` is
    the command line's option, empty where it has none.

    ``optional`` fields are left out of the canonical form while they are at their default. Every field added
    after the first release is optional, and its default has to mean "as it was before the field existed": so
    the hashes of older recipes hold.
    """

    name: str
    part: Part
    kind: Kind
    help: str
    default: object
    unit: str = ""
    low: float | None = None
    high: float | None = None
    grid: float | None = None
    choices: tuple[str, ...] = ()
    flag: str = ""
    optional: bool = False


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sound that a recipe starts from.

    ``role`` is what the operation does with it, a name from the operation's own list. ``sha256`` (64
    lowercase hex digits) is the hash of the audio, so that a recipe means the same wherever the file lies and
    whatever its name.
    """

    role: str
    sha256: str


OPERATIONS: Mapping[str, tuple[str, ...]] = {"text": ()}
"""The operations that a recipe may name, each with the roles of the sources that it needs, in their order."""

_ROWS: tuple[Field, ...] = (
    Field(
        name="operation",
        part="generating",
        kind="choice",
        choices=tuple(OPERATIONS),
        default="text",
        help="What is done: 'text' makes a sound from words alone.",
    ),
    Field(
        name="prompt",
        part="generating",
        kind="text",
        unit="characters",
        low=1,
        high=1000,
        default="",
        help="What to hear, in words.",
    ),
    Field(
        name="negative",
        part="generating",
        kind="text",
        unit="characters",
        low=0,
        high=1000,
        default="",
        flag="--negative",
        help="What not to hear, in words; works when the guidance is above 1.",
    ),
    Field(
        name="seconds",
        part="generating",
        kind="number",
        unit="s",
        low=0.3,
        high=30.0,
        grid=0.001,
        choices=("auto",),
        default="auto",
        flag="--seconds",
        help="Length, exact to the sample; 'auto' keeps what sounds and cuts the silence after it.",
    ),
    Field(
        name="seed",
        part="generating",
        kind="integer",
        low=0,
        high=SEED_LIMIT - 1,
        default=None,
        optional=True,
        flag="--seed",
        help="Chooses one of the many sounds that fit the words; drawn when absent, and always told.",
    ),
    Field(
        name="steps",
        part="generating",
        kind="integer",
        low=1,
        high=200,
        default=None,
        optional=True,
        flag="--steps",
        help="Sampling steps: more take longer and are cleaner; the model's own number when absent.",
    ),
    Field(
        name="guidance",
        part="generating",
        kind="number",
        low=1.0,
        high=20.0,
        grid=0.01,
        default=None,
        optional=True,
        flag="--guidance",
        help="How strictly to follow the words; 1 is off, the model's own value when absent.",
    ),
    Field(
        name="scheduler",
        part="generating",
        kind="choice",
        choices=SCHEDULERS,
        default=None,
        optional=True,
        flag="--scheduler",
        help="The sampler, by name; the model's own when absent.",
    ),
    Field(
        name="model",
        part="generating",
        kind="name",
        unit="characters",
        low=1,
        high=255,
        default="starter",
        flag="--model",
        help="The model, by the name that 'foleyd models list' shows.",
    ),
    Field(
        name="revision",
        part="generating",
        kind="name",
        unit="characters",
        low=0,
        high=64,
        default="",
        optional=True,
        help="Which version of the model's files; the one on this disk when absent.",
    ),
    Field(
        name="sources",
        part="generating",
        kind="sources",
        default=(),
        optional=True,
        help="The sounds that the operation starts from, by role and content hash.",
    ),
    Field(
        name="trim",
        part="finishing",
        kind="switch",
        default=True,
        flag="--trim/--no-trim",
        help="Start the clip where the sound starts.",
    ),
    Field(
        name="fade_in",
        part="finishing",
        kind="number",
        unit="ms",
        low=0.0,
        high=10_000.0,
        grid=0.1,
        default=0.5,
        flag="--fade-in",
        help="Fade at the start; the default stops a click and leaves a drum its attack.",
    ),
    Field(
        name="fade_out",
        part="finishing",
        kind="number",
        unit="ms",
        low=0.0,
        high=10_000.0,
        grid=0.1,
        default=10.0,
        flag="--fade-out",
        help="Fade at the end.",
    ),
    Field(
        name="level",
        part="finishing",
        kind="choice",
        choices=("peak", "lufs", "none"),
        default="peak",
        flag="--level",
        help="'peak' brings the true peak to the ceiling, 'lufs' the loudness to its target, 'none' neither.",
    ),
    Field(
        name="ceiling",
        part="finishing",
        kind="number",
        unit="dBTP",
        low=-60.0,
        high=0.0,
        grid=0.01,
        default=-1.0,
        flag="--ceiling",
        help="The true peak that the clip reaches ('peak') or never passes ('lufs').",
    ),
    Field(
        name="loudness",
        part="finishing",
        kind="number",
        unit="LUFS",
        low=-60.0,
        high=-5.0,
        grid=0.01,
        default=-16.0,
        flag="--loudness",
        help="The loudness that level 'lufs' aims at.",
    ),
    Field(
        name="rate",
        part="finishing",
        kind="integer",
        unit="Hz",
        low=8_000,
        high=192_000,
        default=48_000,
        flag="--rate",
        help="Sample rate of the clip.",
    ),
    Field(
        name="width",
        part="finishing",
        kind="choice",
        choices=("mono", "dual", "stereo"),
        default="mono",
        flag="--width",
        help="'mono': one channel; 'dual': the same on two; 'stereo': widened, and mono again when summed.",
    ),
)

FIELDS: Mapping[str, Field] = {row.name: row for row in _ROWS}
"""Every field of a recipe by name, in the order of :class:`foleyd.recipe.Recipe`."""


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
    shown = repr(value)
    if len(shown) > 60:
        shown = shown[:57] + "..."
    return BadRequest(f"{field.name} is {shown}: give {accepts(field)}.")


def normalise(text: str) -> str:
    """NFC, runs of white space as one space, none at the ends; the same under every version of Python.

    Only characters that Unicode 3.2 already knew are composed, the database that every Python carries beside
    its own: their normalisation is frozen by Unicode's stability policy, while a newer character may be a
    plain unknown to one Python and a combining mark to the next, and a recipe's hash would follow.
    """
    known = unicodedata.ucd_3_2_0
    runs = groupby(text, key=lambda character: known.category(character) != "Cn")
    composed = (
        unicodedata.normalize("NFC", "".join(run)) if stable else "".join(run) for stable, run in runs
    )
    return _SPACES.sub(" ", "".join(composed)).strip(" ")


def _text(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise _refusal(field, value)
    text = normalise(value)
    if _UNPRINTABLE.search(text):
        raise BadRequest(f"{field.name} holds a control character or half a character: give plain text.")
    assert field.low is not None
    assert field.high is not None
    if len(text) < field.low:
        raise BadRequest(f"{field.name} is empty: give {accepts(field)}.")
    if len(text) > field.high:
        raise BadRequest(f"{field.name} has {len(text)} characters: give {accepts(field)}.")
    return text


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
    if isinstance(value, Integral):
        whole = int(value)
    elif float(value).is_integer():
        whole = int(float(value))
    else:
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


def _sources(field: Field, value: object) -> tuple[Source, ...]:
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
    "name": _text,
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
    "sources": _sources,
}
