"""Clips follow the tempo: how far each is stretched, and when it is made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

QUIET_S = 0.3
"""How long the tempo has to stand before clips are made for it: while a knob turns, none are."""


def stretch_of(on: bool, bpm: float, tempo: float) -> float:
    """How many times as long a clip of `bpm` becomes at `tempo`; 1 where it is not to follow or has no
    tempo."""
    return round(bpm / tempo, 6) if on and bpm > 0 else 1.0


class Stretching:
    """Calls `fit` for pads once nothing more was asked for :data:`QUIET_S` seconds, one after the other.

    `fit` raises nothing. Belongs to one event loop.
    """

    def __init__(self, fit: Callable[[int], Awaitable[None]], *, quiet_s: float = QUIET_S) -> None:
        self._fit = fit
        self._quiet_s = quiet_s
        self._pads: dict[int, None] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether pads are still to be fitted."""
        return self._task is not None

    def later(self, pads: Iterable[int]) -> None:
        """Fit these pads, when it is quiet."""
        self._pads.update(dict.fromkeys(pads))
        if not self._pads or self._closed:
            return
        self._changed.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Fit no more."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while self._pads:
                await self._quiet()
                pad = next(iter(self._pads))
                del self._pads[pad]
                await self._fit(pad)
        finally:
            self._task = None

    async def _quiet(self) -> None:
        while self._changed.is_set():
            self._changed.clear()
            await asyncio.sleep(self._quiet_s)
