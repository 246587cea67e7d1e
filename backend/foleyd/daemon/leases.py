"""Leases: which clients are there. ROUTER sockets and datagrams cannot tell who vanished, so a client counts
as present for a while after each of its messages."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

MOST_CLIENTS = 1000
"""Leases that are remembered; beyond, the one nearest to its end goes."""


class _Lease(msgspec.Struct):
    ends: float
    length: float
    role: str = ""


class Leases:
    """The clients' leases. `clock` gives seconds; `ended` is called with the client whose lease ran out."""

    def __init__(self, ended: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ended = ended
        self._clock = clock
        self._leases: dict[str, _Lease] = {}

    def renew(self, client: str, length: float | None = None, role: str | None = None) -> float:
        """`client` is there: its lease begins anew. `length` in seconds and `role` are kept where None.

        Returns the length.
        """
        lease = self._leases.get(client)
        if lease is None:
            if len(self._leases) >= MOST_CLIENTS:
                self._end(min(self._leases, key=lambda key: self._leases[key].ends))
            lease = self._leases[client] = _Lease(0.0, 30.0)
        if length is not None:
            lease.length = length
        if role is not None:
            lease.role = role
        lease.ends = self._clock() + lease.length
        return lease.length

    def expire(self) -> list[str]:
        """End the leases whose time is over, and return their clients."""
        now = self._clock()
        over = [client for client, lease in self._leases.items() if lease.ends <= now]
        for client in over:
            self._end(client)
        return over

    def _end(self, client: str) -> None:
        del self._leases[client]
        self._ended(client)

    @property
    def live(self) -> bool:
        """Whether a live host is there."""
        return any(lease.role == "live" for lease in self._leases.values())

    def left(self) -> dict[str, float]:
        """Seconds left of every lease."""
        now = self._clock()
        return {
            client: round(lease.ends - now, 1) for client, lease in self._leases.items() if lease.ends > now
        }
