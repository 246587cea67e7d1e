"""The lights of a pad controller: a note with the velocity that stands for the colour of what a pad is at.

Only what changed is sent, the latest alone, and so much at a time that a five-pin cable can carry it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from foleyd_live.midi_map import MidiMap
from foleyd_live.properties import BANK, Value

Light = Literal["empty", "ready", "playing", "waiting", "failed"]

LIGHTS: Mapping[str, Light] = {
    "empty": "empty",
    "loading": "waiting",
    "ready": "ready",
    "queued": "waiting",
    "rendering": "waiting",
    "failed": "failed",
}
"""What stands for each state of a pad that does not play."""
PER_FLUSH = 8
"""Lights that are sent at once."""
FLUSH_S = 0.025
"""Seconds from one flush to the next: eight messages of three bytes take 8 ms at MIDI's 31 250 baud."""
_NOTE_ON = 0x90
_WATCHED = frozenset(("pad/state", "pad/playing", "host/bank"))

Get = Callable[[str, int | None], Value]
Send = Callable[[bytes], object]


class Colours(msgspec.Struct, frozen=True):
    """The velocity of each light, 0 to 127; those of a Launchpad's palette where nothing is said."""

    empty: int = 0
    ready: int = 45
    playing: int = 21
    waiting: int = 13
    failed: int = 5


class Lights:
    """The lights of the shown bank. `get` reads a property, `send` sends a message to the controller."""

    def __init__(self, get: Get, send: Send, midi_map: MidiMap, colours: Colours | None = None) -> None:
        self._get = get
        self._send = send
        self._map = midi_map
        self._colours = colours or Colours()
        self._waiting: dict[int, None] = {}
        self._sent: dict[int, int] = {}

    def changed(self, address: str, pad: int | None) -> bool:
        """A property changed; whether there is something to flush."""
        if address in _WATCHED:
            self._waiting.update(dict.fromkeys(self._shown() if pad is None else (pad,)))
        return bool(self._waiting)

    def refresh(self) -> None:
        """Whatever the controller shows, it is sent all lights with the next flushes."""
        self._sent.clear()
        self._waiting = dict.fromkeys(self._shown())

    def flush(self) -> bool:
        """Send the lights that changed, at most :data:`PER_FLUSH`; whether there are more."""
        bank = int(self._get("host/bank", None))
        sent = 0
        while self._waiting and sent < PER_FLUSH:
            pad = next(iter(self._waiting))
            del self._waiting[pad]
            note = self._map.note(pad, bank)
            if note is not None:
                sent += self._show(note, getattr(self._colours, self._light(pad)))
        return bool(self._waiting)

    def off(self) -> None:
        """Darken every light that was lit."""
        for note, velocity in tuple(self._sent.items()):
            if velocity:
                self._show(note, 0)
        self._waiting.clear()

    def _show(self, note: int, velocity: int) -> bool:
        if self._sent.get(note) == velocity:
            return False
        self._sent[note] = velocity
        self._send(bytes((_NOTE_ON | max(self._map.channel - 1, 0), note, velocity)))
        return True

    def _light(self, pad: int) -> Light:
        if self._get("pad/playing", pad):
            return "playing"
        return LIGHTS[str(self._get("pad/state", pad))]

    def _shown(self) -> range:
        first = (int(self._get("host/bank", None)) - 1) * BANK
        return range(first, first + BANK)
