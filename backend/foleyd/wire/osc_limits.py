"""Bounds on what goes back over OSC, so that nobody is flooded by replies that somebody else asked for.

UDP senders can be forged. A machine elsewhere is therefore sent less than a fixed multiple of what came from
its address, and complaints about bad packets go out at a bounded rate.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

UDP_HEADERS = 28
"""Bytes of IPv4 and UDP headers, which travel with each datagram either way."""
FACTOR = 16
"""Bytes that may go to another machine for each byte that came from it."""
REPLIES = 32
"""Datagrams that may go to another machine for each one that came from it."""
KEPT = 512
"""Bytes of a credit that are kept for what must arrive, such as how a job ended."""
MOST_SAVED = 64 * 1024
"""Bytes that a machine's credit grows to."""
MOST_SAVED_REPLIES = 1024
"""Datagrams that a machine's credit grows to."""


class Bucket:
    """So many a second, of which `most` may be saved up: those of one second, where it is not said."""

    def __init__(
        self, a_second: float, ticks: Callable[[], float] = time.monotonic, most: float | None = None
    ) -> None:
        self._a_second, self._ticks = a_second, ticks
        self._most = self._left = a_second if most is None else most
        self._seen = ticks()

    def take(self) -> bool:
        """Whether there is one to be had; it is gone then."""
        now = self._ticks()
        self._left = min(self._most, self._left + (now - self._seen) * self._a_second)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Buckets:
    """A bucket for each of the last `most` keys."""

    def __init__(
        self, a_second: float, ticks: Callable[[], float] = time.monotonic, most: int = 1024
    ) -> None:
        self._a_second, self._ticks, self._most = a_second, ticks, most
        self._by_key: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def take(self, key: Hashable) -> bool:
        """As :meth:`Bucket.take`, from the bucket of `key`."""
        bucket = self._by_key.pop(key, None) or Bucket(self._a_second, self._ticks)
        self._by_key[key] = bucket
        if len(self._by_key) > self._most:
            self._by_key.popitem(last=False)
        return bucket.take()


class Credit:
    """What may still be sent to one machine elsewhere. It lasts, since a sound may take minutes."""

    def __init__(self) -> None:
        self._bytes = 0
        self._replies = 0

    def earn(self, length: int) -> None:
        """A datagram of `length` bytes came from there."""
        self._bytes = min(MOST_SAVED, self._bytes + FACTOR * (length + UDP_HEADERS))
        self._replies = min(MOST_SAVED_REPLIES, self._replies + REPLIES)

    def spend(self, length: int, *, spare: bool = False) -> bool:
        """Whether a datagram of `length` bytes may go there; it is paid for then.

        A `spare` one, which may go missing, leaves enough for an answer that may not.
        """
        cost = length + UDP_HEADERS
        if self._replies < 1 or self._bytes - cost < (KEPT if spare else 0):
            return False
        self._bytes -= cost
        self._replies -= 1
        return True
