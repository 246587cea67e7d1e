"""The table of properties: every value of a pad, the mixer, the clock and the host that can be read, set and
listened to.

OSC, MIDI learn, the page and the documentation all read :data:`PROPERTIES`; nobody repeats its names, ranges
or words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from foleyd.errors import BadRequest

PADS = 64
"""Pads of the host, in banks of sixteen; people count them from 1."""
BANK = 16

Scope = Literal["pad", "mixer", "clock", "host"]
Kind = Literal["number", "integer", "switch", "choice", "text", "colour"]
Value = float | int | str

MODES = ("one-shot", "gate", "loop", "toggle")
QUANTA = ("off", "beat", "bar", "2 bars", "4 bars", "8 bars")
SWAPS = ("now", "loop", "quantum")
PROMISES = ("later", "nearest", "wait")
SOURCES = ("internal", "midi", "link")


class Property(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a pad, the mixer, the clock or the host.

    ``low`` and ``high`` are inclusive, in ``unit``; ``choices`` are the words that a choice takes (OSC and
    MIDI may give their index instead); ``learn`` says whether a MIDI controller can be bound to it;
    ``read_only`` ones can be got and listened to.
    """

    scope: Scope
    name: str
    kind: Kind
    about: str
    default: Value
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    learn: bool = False
    read_only: bool = False

    @property
    def address(self) -> str:
        """The name with its scope: ``pad/gain``, ``mixer/gain``."""
        return f"{self.scope}/{self.name}"


def _pad(
    name: str,
    kind: Kind,
    default: Value,
    about: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    learn: bool = False,
    read_only: bool = False,
) -> Property:
    return Property(
        scope="pad",
        name=name,
        kind=kind,
        default=default,
        about=about,
        unit=unit,
        low=low,
        high=high,
        choices=choices,
        learn=learn,
        read_only=read_only,
    )


_PAD: tuple[Property, ...] = (
    _pad("name", "text", "", "What the pad is called; the clip's own name when empty."),
    _pad("colour", "colour", "#5b8def", "Colour of the pad, as #rrggbb."),
    _pad("gain", "number", 0.0, "Level.", unit="dB", low=-60, high=12, learn=True),
    _pad("pan", "number", 0.0, "Balance: -1 left, 0 as it is, 1 right.", low=-1, high=1, learn=True),
    _pad("tune", "number", 0.0, "Pitch by playback rate.", unit="semitones", low=-24, high=24, learn=True),
    _pad("fader", "number", 0.0, "Place between the stages of a morph.", low=0, high=1, learn=True),
    _pad("attack", "number", 0.0, "Time to full level.", unit="ms", low=0, high=5000, learn=True),
    _pad("release", "number", 5.0, "Time from a stop to silence.", unit="ms", low=1, high=10000, learn=True),
    _pad("mode", "choice", "one-shot", "What a press does.", choices=MODES),
    _pad("choke", "integer", 0, "Group of pads that end each other; 0 is none.", low=0, high=16),
    _pad(
        "voices",
        "integer",
        4,
        "Presses that sound at once; the oldest fades. Loops and toggles have one.",
        low=1,
        high=16,
    ),
    _pad("output", "integer", 1, "Pair of outputs; 1 is the main bus.", low=1, high=16),
    _pad("mute", "switch", 0, "Silent while on.", learn=True),
    _pad("solo", "switch", 0, "While on, pads without solo are silent.", learn=True),
    _pad("cue", "switch", 0, "Heard on the cue bus too.", learn=True),
    _pad("quantise", "choice", "off", "A press waits for the next one of these.", choices=QUANTA),
    _pad("swap", "choice", "loop", "When a new clip takes the old one's place.", choices=SWAPS),
    _pad("stretch", "switch", 0, "The clip is stretched from its bpm to the tempo."),
    _pad("bpm", "number", 0.0, "Tempo of the clip; 0 where it has none.", unit="bpm", low=0, high=400),
    _pad("clip", "text", "", "Id or path of the clip.", read_only=True),
    _pad("preset", "text", "", "Preset that the pad came from, as bank/name.", read_only=True),
    _pad("prompt", "text", "", "Words that the clip was made from.", read_only=True),
    _pad("seconds", "number", 0.0, "Length of the clip.", unit="s", read_only=True),
    _pad(
        "stages", "integer", 0, "Sounds that the fader goes through: 1 for any but a morph.", read_only=True
    ),
    _pad("state", "text", "empty", "empty, loading, ready, queued, rendering or failed.", read_only=True),
    _pad("progress", "number", 0.0, "Share of the render that is done.", low=0, high=1, read_only=True),
    _pad("eta", "number", 0.0, "Expected time to the clip.", unit="s", read_only=True),
    _pad("why", "text", "", "Why the last request failed; empty after the next that works.", read_only=True),
    _pad("playing", "integer", 0, "Voices that sound.", read_only=True),
)
_REST: tuple[Property, ...] = (
    Property(
        scope="mixer",
        name="gain",
        kind="number",
        default=0.0,
        unit="dB",
        low=-60,
        high=6,
        learn=True,
        about="Level of the main bus, before its limiter.",
    ),
    Property(
        scope="mixer",
        name="cue",
        kind="number",
        default=0.0,
        unit="dB",
        low=-60,
        high=6,
        learn=True,
        about="Level of the cue bus.",
    ),
    Property(
        scope="clock",
        name="tempo",
        kind="number",
        default=120.0,
        unit="bpm",
        low=20,
        high=400,
        learn=True,
        about="Tempo; follows the source while that is not internal.",
    ),
    Property(
        scope="clock",
        name="beats",
        kind="integer",
        default=4,
        low=1,
        high=16,
        about="Beats of a bar.",
    ),
    Property(
        scope="clock",
        name="source",
        kind="choice",
        default="internal",
        choices=SOURCES,
        about="What keeps the time: this host, MIDI clock, or Ableton Link.",
    ),
    Property(
        scope="clock",
        name="beat",
        kind="number",
        default=0.0,
        read_only=True,
        about="Beats since the clock began.",
    ),
    Property(
        scope="host",
        name="promise",
        kind="choice",
        default="later",
        choices=PROMISES,
        about="When a render cannot be there by the next bar: launch a bar later, play the nearest clip of "
        "the library, or wait until it is there.",
    ),
    Property(
        scope="host",
        name="bank",
        kind="integer",
        default=1,
        low=1,
        high=PADS // BANK,
        learn=True,
        about="Bank of pads that keys, controllers and the page show.",
    ),
    Property(
        scope="host",
        name="setlist",
        kind="integer",
        default=0,
        low=0,
        high=9999,
        about="Place in the setlist, 0 before its first.",
    ),
)
PROPERTIES: Mapping[str, Property] = {row.address: row for row in _PAD + _REST}
"""All properties by scope and name."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


def find(address: str) -> Property:
    """The property at `address`. Raises BadRequest."""
    row = PROPERTIES.get(address)
    if row is None:
        scope = address.partition("/")[0]
        known = ", ".join(p.name for p in PROPERTIES.values() if p.scope == scope)
        known = f"those of {scope} are {known}" if known else "its first part is pad, mixer, clock or host"
        raise BadRequest(f"there is no property {address!r}: {known}.")
    return row


def check(row: Property, value: object) -> Value:
    """`value` as `row` takes it: floats for whole numbers, switches and choices by index. Raises BadRequest
    naming the property, what it got and its range."""
    if row.read_only:
        raise BadRequest(f"{row.address} can only be read.")
    return _READERS[row.kind](row, value)


def index(pad: object) -> int:
    """The inside number 0 … 63 of a pad as people count it. Raises BadRequest."""
    number = whole(pad)
    if number is None or not 1 <= number <= PADS:
        raise BadRequest(f"pad is {_shown(pad)}: give 1 to {PADS}.")
    return number - 1


def _number(row: Property, value: object) -> Value:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{row.address} is {_shown(value)}: give a number {_span(row)}.")
    if not row.low <= value <= row.high:
        raise BadRequest(f"{row.address} is {value:g}: give {_span(row)}.")
    return float(value)


def _integer(row: Property, value: object) -> Value:
    number = whole(value)
    if number is None or not row.low <= number <= row.high:
        raise BadRequest(f"{row.address} is {_shown(value)}: give a whole number {_span(row)}.")
    return number


def _switch(row: Property, value: object) -> Value:
    if isinstance(value, bool):
        return int(value)
    number = whole(value)
    if number not in (0, 1):
        raise BadRequest(f"{row.address} is {_shown(value)}: give 1 for on or 0 for off.")
    return number


def _choice(row: Property, value: object) -> Value:
    if isinstance(value, str) and value in row.choices:
        return value
    place = None if isinstance(value, str) else whole(value)
    if place is not None and 0 <= place < len(row.choices):
        return row.choices[place]
    raise BadRequest(
        f"{row.address} is {_shown(value)}: give {', '.join(row.choices[:-1])} or {row.choices[-1]}."
    )


def _text(row: Property, value: object) -> Value:
    if not isinstance(value, str) or len(value) > 200 or not (value.isprintable() or not value):
        raise BadRequest(f"{row.address} is {_shown(value)}: give up to 200 printable characters.")
    return value


def _colour(row: Property, value: object) -> Value:
    if not isinstance(value, str) or not _COLOUR.fullmatch(value):
        raise BadRequest(f"{row.address} is {_shown(value)}: give a colour such as #5b8def.")
    return value.lower()


_READERS = {
    "number": _number,
    "integer": _integer,
    "switch": _switch,
    "choice": _choice,
    "text": _text,
    "colour": _colour,
}


def whole(value: object) -> int | None:
    """A whole number given as an int or a float, None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, float) and math.isfinite(value) and value == int(value) else None


def _span(row: Property) -> str:
    if math.isinf(row.low):
        return row.unit
    return f"{row.low:g} to {row.high:g} {row.unit}".strip()


def _shown(value: object) -> str:
    return repr(value)[:40]
