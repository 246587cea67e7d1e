"""What a MIDI message means: notes are pads, what was learned drives its property or action.

A learned binding goes before the notes' own meaning. A message drives one thing, and a thing listens to one
message: learning again replaces. Faders take a value over only once they pass it, so that nothing jumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from foleyd.errors import BadRequest
from foleyd_live.actions import ACTIONS, Action
from foleyd_live.properties import BANK, PADS, PROPERTIES, Property, Value, whole

Kind = Literal["note", "control", "program", "bend"]
"""Kinds of messages that can be bound: note, control change, program change, pitch wheel."""

CONTINUOUS: frozenset[Kind] = frozenset(("control", "bend"))
"""Kinds that have a range of values."""
PRESSED = 0.5
"""A controller at or above this is on, as MIDI has it for pedals (64 and up)."""
NEAR = 2.5 / 127
"""A fader that is this near a value has taken it over."""


class Event(msgspec.Struct, frozen=True):
    """A MIDI message as the map sees it: `channel` 1 to 16, `number` 0 to 127 (0 for a bend), `value` 0 to 1,
    where 0 is a note's end."""

    kind: Kind
    channel: int
    number: int
    value: float


class Binding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A learned message and what it drives. `channel` 1 to 16, 0 for any; `number` 0 to 127; `target` is the
    address of a property or the name of an action; `pad` 1 to 64, 0 where the target belongs to no pad."""

    kind: Kind
    target: str
    number: int = 0
    channel: int = 0
    pad: int = 0


class Takeover:
    """Whether a fader may move a value: once it has met it, until something else moves the value away."""

    def __init__(self) -> None:
        self._last: float | None = None

    def moves(self, value: float, current: float) -> bool:
        """Whether `value` of the fader counts, where what it drives stands at `current`, both 0 to 1."""
        last, self._last = self._last, value
        last = value if last is None else last
        return min(last, value) - NEAR <= current <= max(last, value) + NEAR


class MidiMap:
    """The bindings, and the notes of the pads.

    `base_note` is that of the first pad of the shown bank, `channel` (1 to 16, 0 for all) where pads listen.
    """

    def __init__(self, base_note: int = 36, channel: int = 0, bindings: Sequence[Binding] = ()) -> None:
        self.base_note = base_note
        self.channel = channel
        self._bindings: dict[tuple[Kind, int, int], Binding] = {}
        self._learning: Binding | None = None
        self.replace(bindings)

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All that was learned, as a show keeps it."""
        return tuple(self._bindings.values())

    @property
    def learning(self) -> tuple[str, int] | None:
        """The target and pad (1 to 64, or 0) that wait for a message."""
        return (self._learning.target, self._learning.pad) if self._learning else None

    def replace(self, bindings: Sequence[Binding]) -> None:
        """Take these bindings instead of all others. Raises BadRequest for one that cannot be; the bindings
        are then as before."""
        for binding in bindings:
            _check(binding)
        self._bindings = {_key(binding): binding for binding in bindings}

    def learn(self, target: str, pad: int | None = None) -> None:
        """Bind the next message that suits `target` (and `pad`, 0 to 63). Raises BadRequest where the target
        cannot be bound, or a pad is missing."""
        self._learning = Binding(kind="control", target=target, pad=0 if pad is None else pad + 1)
        try:
            _check(self._learning)
        except BadRequest:
            self._learning = None
            raise

    def forget(self, target: str, pad: int | None = None) -> bool:
        """Unbind `target`; whether it was bound, or waited to be."""
        about = (target, 0 if pad is None else pad + 1)
        left = {key: one for key, one in self._bindings.items() if (one.target, one.pad) != about}
        known = len(left) < len(self._bindings) or self.learning == about
        if self.learning == about:
            self._learning = None
        self._bindings = left
        return known

    def take(self, event: Event) -> Binding | None:
        """The binding that `event` makes of what is being learned, None where nothing is or it does not
        suit. The event itself does nothing more then."""
        waiting = self._learning
        if waiting is None or event.value == 0 or event.kind not in _suits(driven(waiting.target)):
            return None
        self._learning = None
        self.forget(waiting.target, waiting.pad - 1 if waiting.pad else None)
        binding = Binding(
            kind=event.kind,
            target=waiting.target,
            number=event.number,
            channel=event.channel,
            pad=waiting.pad,
        )
        self._bindings.pop((event.kind, 0, event.number), None)
        self._bindings[_key(binding)] = binding
        return binding

    def find(self, event: Event) -> Binding | None:
        """What `event` was bound to."""
        own = self._bindings.get((event.kind, event.channel, event.number))
        return own or self._bindings.get((event.kind, 0, event.number))

    def pad(self, event: Event, bank: int) -> int | None:
        """The pad (0 to 63) that a note plays while `bank` (1 to 4) is shown, None for other events."""
        place = event.number - self.base_note
        if event.kind != "note" or self.channel not in (0, event.channel) or not 0 <= place < BANK:
            return None
        return (bank - 1) * BANK + place

    def note(self, pad: int, bank: int) -> int | None:
        """The note of a pad (0 to 63) while `bank` is shown, None where another bank has it."""
        note = self.base_note + pad - (bank - 1) * BANK
        return note if 0 <= pad - (bank - 1) * BANK < BANK and note <= 127 else None


def share(row: Property, value: Value) -> float:
    """Where `value` stands in the range of a number or an integer, 0 to 1."""
    return (float(value) - row.low) / (row.high - row.low)


def value_at(row: Property, at: float) -> Value:
    """The value of `row` at a share of its range: on or off for a switch."""
    if row.kind == "switch":
        return int(at >= PRESSED)
    if row.kind == "integer":
        return int(min(row.low + int(at * (row.high - row.low + 1)), row.high))
    return row.low + at * (row.high - row.low)


def centred(value: int, middle: int, most: int) -> float:
    """A controller's value as a share, 0 to 1, whose `middle` is one half exactly: a fader's middle is the
    middle."""
    return value / middle / 2 if value < middle else 0.5 + (value - middle) / (most - middle) / 2


def driven(target: str) -> Property | Action:
    """The property or action that a message can drive; of a name that is both, the one that can be learned.
    Raises BadRequest where there is none."""
    for row in (PROPERTIES.get(target), ACTIONS.get(target)):
        if row is not None and row.learn:
            return row
    raise BadRequest(
        f"{target!r} cannot be bound to MIDI: see the table of controls in bridge/live/README.md."
    )


def _suits(row: Property | Action) -> frozenset[Kind]:
    if isinstance(row, Action):
        return frozenset(("note", "control", "program"))
    return CONTINUOUS if row.kind in ("number", "integer") else frozenset(("note", "control"))


def _key(binding: Binding) -> tuple[Kind, int, int]:
    return (binding.kind, binding.channel, binding.number)


def _check(binding: Binding) -> None:
    row = driven(binding.target)
    of_pad = (
        row.scope == "pad" if isinstance(row, Property) else any(one.name == "pad" for one in row.arguments)
    )
    if of_pad and not 1 <= binding.pad <= PADS:
        raise BadRequest(f"{binding.target} belongs to a pad: give the pad, 1 to {PADS}.")
    if not of_pad and binding.pad:
        raise BadRequest(f"{binding.target} belongs to no pad: leave out the pad.")
    suits = _suits(row)
    if binding.kind not in suits:
        raise BadRequest(
            f"{binding.target} is bound to a {binding.kind}: give a {' or a '.join(sorted(suits))}."
        )
    for name, value, low, high in (
        ("channel", binding.channel, 0, 16),
        ("number", binding.number, 0, 127),
    ):
        if whole(value) is None or not low <= value <= high:
            raise BadRequest(f"{name} of the binding of {binding.target} is {value!r}: give {low} to {high}.")
