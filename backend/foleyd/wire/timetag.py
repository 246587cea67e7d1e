"""Timetags: when a bundle is meant to sound, and the clock that waits for it.

Waiting happens on a list of our own, so that a bundle for later never holds up the message behind it.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Callable

from foleyd.errors import BadRequest

IMMEDIATELY = 1
"""The timetag that means "now" (OSC 1.0); 0, which NTP calls unknown, is taken as the same."""
MOST_WAITING = 1000
"""Calls that may wait at once."""
FURTHEST_S = 3600.0
"""Seconds that a call may lie ahead."""

_log = logging.getLogger(__name__)
_SECOND = 2**32
_NTP_TO_UNIX_S = 2_208_988_800
_ERA_S = 2**32
# the wall clock may be set while something waits for it: it is looked at again after so many seconds
_LOOK_AGAIN_S = 1.0


def to_unix(ntp: int) -> float:
    """Seconds since 1970 of a 64-bit NTP timestamp (seconds since 1900 above, fractions of 2⁻³² s below).

    Seconds below 2³¹ belong to NTP's next era, which begins in February 2036 (RFC 4330, section 3).
    """
    era = 0 if ntp >= _SECOND * 2**31 else _ERA_S
    return (ntp + (era - _NTP_TO_UNIX_S) * _SECOND) / _SECOND


class Schedule:
    """Calls that wait for their time, at most 1 000 of them and none more than an hour ahead.

    Calls for one time are made in the order in which they came. Times are seconds since 1970 on `clock`.
    Used from one asyncio loop.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.late = 0
        """Calls that came after their time."""
        self.latest_s = 0.0
        """How late the latest of them was, in seconds; those of more than an hour are not looked at."""
        self._clock = clock
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def at(self, when: float, call: Callable[[], None], *, early_s: float = 0.0) -> None:
        """Make `call` `early_s` before `when`; at once if that is over. Where `when` is over, it is counted.

        Raises BadRequest where `when` is more than an hour ahead, or too many calls wait.
        """
        ahead = when - self._clock()
        if ahead <= 0:
            self._count_late(-ahead)
        if ahead <= early_s:
            call()
            return
        if ahead > FURTHEST_S:
            raise BadRequest(
                f"the bundle's time is {ahead:.0f} s ahead: send it at most {FURTHEST_S:.0f} s before it is "
                "due, and compare the clocks of both machines."
            )
        if len(self._waiting) >= MOST_WAITING:
            raise BadRequest(f"{MOST_WAITING} messages wait for their time already: send this one later.")
        heapq.heappush(self._waiting, (when - early_s, next(self._numbers), call))
        if self._waiting[0][0] == when - early_s:
            self._arm()

    def run_due(self) -> None:
        """Make the calls whose time has come, and wait for the next. The loop calls this by itself."""
        while self._waiting and self._waiting[0][0] <= self._clock():
            *_, call = heapq.heappop(self._waiting)
            try:
                call()
            except Exception:
                _log.exception("a scheduled call failed")
        self._arm()

    def close(self) -> None:
        """Forget all that waits."""
        self._waiting.clear()
        self._arm()

    def _count_late(self, seconds: float) -> None:
        if seconds > 0:
            self.late += 1
            # a time from decades ago is a clock that was never set, and says nothing about the way here
            if seconds <= FURTHEST_S:
                self.latest_s = max(self.latest_s, seconds)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            delay = min(max(self._waiting[0][0] - self._clock(), 0.0), _LOOK_AGAIN_S)
            self._timer = asyncio.get_running_loop().call_later(delay, self.run_due)
