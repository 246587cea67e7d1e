"""Ableton Link: the tempo and the beat that programs on a network share.

aalink, which speaks it, is under the GPL: it comes with the extra ``link`` and is imported when it is asked
for.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from foleyd.errors import FoleydError
from foleyd_live.tempo import Tempo

POLL_S = 0.1
"""How often the session is asked where it is; changes of tempo are told at once."""
SLACK_S = 0.0005
"""A line that lies this near to the session's is left as it is, so that bars stay exactly even."""
LOOKS = 4
"""Times that the beat is read in a row: the reading that took the shortest counts."""


class NoLink(FoleydError):
    """Ableton Link is not installed."""

    code = "no_link"


class LinkClock:
    """Leads a :class:`~foleyd_live.tempo.Tempo` by an Ableton Link session.

    `frame_at` gives the frame that sounds at a time in seconds, `now` that time. Runs on the asyncio loop
    that runs when it is started.
    """

    def __init__(
        self, tempo: Tempo, frame_at: Callable[[float], float], now: Callable[[], float] = time.time
    ) -> None:
        self._tempo = tempo
        self._frame_at = frame_at
        self._now = now
        self._beats = tempo.beats
        self._link: Any = None
        self._polling: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        """Whether the session is joined; it goes on with no one else in it."""
        return self._link is not None

    @property
    def unit(self) -> Fraction:
        """A beat: those of the session stay where they are."""
        return Fraction(1)

    @property
    def peers(self) -> int:
        """Others in the session."""
        return int(self._link.num_peers) if self._link is not None else 0

    def start(self) -> None:
        """Join the session, with the present tempo where no one is in it. Raises NoLink."""
        if self._link is not None:
            return
        link = _aalink().Link(self._tempo.bpm)
        link.quantum = float(self._beats)
        link.add_tempo_callback(self._changed)
        link.enabled = True
        self._link = link
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    def stop(self) -> None:
        """Leave the session."""
        if self._link is None:
            return
        self._link.remove_tempo_callback(self._changed)
        self._link.enabled = False
        self._link = None
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    def wish(self, bpm: float) -> None:
        """Ask the session for this tempo; all follow."""
        self._link.tempo = bpm
        self._look()

    def set_beats(self, beats: int) -> None:
        """Bars have this many beats: their first is the session's first for all that count as many."""
        self._beats = beats
        if self._link is not None:
            self._link.quantum = float(beats)

    def _changed(self, bpm: float) -> None:
        self._look()

    def _look(self) -> None:
        """Follow the session where it is now."""
        if self._link is None:
            return
        readings = []
        for _ in range(LOOKS):
            before = self._now()
            beat = self._link.beat
            after = self._now()
            readings.append((after - before, (before + after) / 2, beat))
        _, at, beat = min(readings)
        # a Link tempo is a whole number of microseconds a beat: 133 comes as 132.99995
        self._tempo.follow("link", self._frame_at(at), beat, round(self._link.tempo, 3), slack_s=SLACK_S)

    async def _poll(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(POLL_S)


def _aalink() -> Any:
    try:
        return importlib.import_module("aalink")
    except ImportError as error:
        raise NoLink(
            "Ableton Link is not installed: install it with pip install 'foleyd[link]', or use another "
            "clock/source."
        ) from error
