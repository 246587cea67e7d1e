"""Requests under way: each a task of its own, in order where order matters, never too many.

A lane is what keeps its order: the requests of one session for one command on one channel, where ``render``
and ``cancel`` count as one command. Nothing waits for another lane.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import cast

from foleyd.commands import Channel, Command
from foleyd.errors import Busy
from foleyd.messages import Message
from foleyd.wire.outlet import Peer

_LANES = {"render": "jobs", "cancel": "jobs"}
_EVERYBODY = ""  # no session is called that
_MOST_AFTER = 64


class Flight:
    """A request under way: who asked for its answer, and what has to go out after that."""

    def __init__(self, peer: Peer, command: Command, request: Message, buffers: tuple[bytes, ...]) -> None:
        self.peer, self.command, self.request, self.buffers = peer, command, request, buffers
        self.again: Peer | None = None
        self.bytes = sum(map(len, buffers))
        self.after: list[tuple[Peer, list[bytes]]] = []

    @property
    def key(self) -> tuple[str, str]:
        """Session and id of the message."""
        return self.peer.session, self.peer.header.msg_id

    @property
    def lane(self) -> tuple[Channel, str, str]:
        """What it keeps its place among."""
        return self.peer.channel, self.peer.session, _LANES.get(self.command.name, self.command.name)

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Who asked: first, and last where it was asked again."""
        return (self.peer,) if self.again is None else (self.peer, self.again)

    def then(self, peer: Peer, frames: list[bytes]) -> bool:
        """Send `frames` after the answer; False where there is no more room for that."""
        if len(self.after) >= _MOST_AFTER:
            return False
        self.after.append((peer, frames))
        return True


class Flights:
    """The table of flights, with the bounds of each channel: `most` in all, `a_session`, and
    `most_bytes` of buffers."""

    def __init__(self, *, most: int, a_session: int, most_bytes: int) -> None:
        self._most, self._a_session, self._most_bytes = most, a_session, most_bytes
        self._table: dict[tuple[str, str], Flight] = {}
        self._lanes: dict[tuple[Channel, str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count: Counter[tuple[Channel, str]] = Counter()
        self._bytes: Counter[Channel] = Counter()

    def __len__(self) -> int:
        """Entries of all its tables, which is what has to stay small."""
        return len(self._table) + len(self._lanes) + len(self._tasks) + len(self._count)

    def get(self, session: str, message_id: str) -> Flight | None:
        """The flight of this message, if it is under way."""
        return self._table.get((session, message_id))

    def begin(self, flight: Flight, work: Callable[[Flight], Awaitable[None]]) -> None:
        """Do `work` on a flight as soon as the one before on its lane is done. Raises Busy."""
        channel, session, _ = flight.lane
        if (
            self._count[channel, session] >= self._a_session
            or self._count[channel, _EVERYBODY] >= self._most
            or self._bytes[channel] + flight.bytes > self._most_bytes
        ):
            raise Busy("too many requests are under way: ask again in a second.", 1.0)
        self._add(flight, 1)
        self._table[flight.key] = flight
        task = asyncio.create_task(self._fly(flight, self._lanes.get(flight.lane), work))
        self._lanes[flight.lane] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, grace_s: float) -> None:
        """Wait `grace_s` seconds for the flights, then end them. The one that calls this is left alone."""
        under_way = self._tasks - {cast("asyncio.Task[None]", asyncio.current_task())}
        if under_way:
            await asyncio.wait(under_way, timeout=grace_s)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _fly(
        self,
        flight: Flight,
        before: asyncio.Task[None] | None,
        work: Callable[[Flight], Awaitable[None]],
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            await work(flight)
        finally:
            del self._table[flight.key]
            if self._lanes.get(flight.lane) is asyncio.current_task():
                del self._lanes[flight.lane]
            self._add(flight, -1)

    def _add(self, flight: Flight, number: int) -> None:
        channel, session, _ = flight.lane
        self._bytes[channel] += number * flight.bytes
        for whose in (session, _EVERYBODY):
            self._count[channel, whose] += number
            if not self._count[channel, whose]:
                del self._count[channel, whose]
