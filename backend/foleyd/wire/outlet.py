"""The way out to peers of a ROUTER socket: who can be reached under which identity, and what to do when not.

ROUTER forgets a peer the moment its connection goes, and gives it a new identity when it returns. So the last
identity of each session is remembered, and what belongs to a session goes there when its old place is gone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import MutableMapping, Sequence
from typing import Literal, cast

import msgspec
import zmq
import zmq.asyncio

from foleyd.commands import Channel
from foleyd.wire.envelope import Header

_RETRY_S = 0.05


class Peer(msgspec.Struct, frozen=True):
    """Whom to answer: the routing frames, the session, the channel, and the header of the request."""

    identity: tuple[bytes, ...]
    session: str
    channel: Channel
    header: Header


class Outlet:
    """Sends to the peers of `sockets`, from the loop that these belong to.

    A peer that does not read fills its queue; a message to it is tried again for `patience_s` seconds, where
    fewer than `most_waiting` messages wait like that, and is then dropped and counted as ``lost``. One for a
    peer that is gone is counted as ``unreachable``. Results can be fetched by their job, and answers by
    repeating the request, so that nothing is lost for good.
    """

    def __init__(
        self,
        sockets: dict[Channel, zmq.asyncio.Socket],
        counters: MutableMapping[str, int],
        *,
        sessions: int,
        patience_s: float,
        most_waiting: int = 256,
    ) -> None:
        self._sockets, self._counters = sockets, counters
        self._most_routes, self._patience_s, self._most_waiting = 2 * sessions, patience_s, most_waiting
        self._routes: OrderedDict[tuple[str, Channel], tuple[bytes, ...]] = OrderedDict()
        self._waiting: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Sessions known, plus messages that wait: bounded."""
        return len(self._routes) + len(self._waiting)

    def seen(self, peer: Peer) -> None:
        """A signed message of this peer came."""
        self._routes[peer.session, peer.channel] = peer.identity
        self._routes.move_to_end((peer.session, peer.channel))
        while len(self._routes) > self._most_routes:
            self._routes.popitem(last=False)

    def send(self, peer: Peer, frames: Sequence[bytes]) -> None:
        """Send `frames`, which begin at the delimiter. Never blocks, never raises."""
        if self._try(peer, frames):
            return
        if len(self._waiting) >= self._most_waiting:
            self._count("lost")
            return
        task = asyncio.create_task(self._insist(peer, frames))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Give up what still waits."""
        waiting = list(self._waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _insist(self, peer: Peer, frames: Sequence[bytes]) -> None:
        # ROUTER tells when any peer can be written to, not when this one can: nothing but time to wait for
        until = asyncio.get_running_loop().time() + self._patience_s
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(_RETRY_S)
            if self._try(peer, frames):
                return
        self._count("lost")

    def _try(self, peer: Peer, frames: Sequence[bytes]) -> bool:
        """Whether the matter is settled: sent, or nobody there. False where the peer's queue is full."""
        latest = self._routes.get((peer.session, peer.channel), peer.identity)
        for identity in dict.fromkeys((peer.identity, latest)):
            outcome = self._offer(peer.channel, [*identity, *frames])
            if outcome != "gone":
                return outcome == "sent"
        self._count("unreachable")
        return True

    def _offer(self, channel: Channel, frames: list[bytes]) -> Literal["sent", "full", "gone"]:
        socket = self._sockets[channel]
        if socket.closed:
            return "gone"
        # with NOBLOCK the future is resolved when it comes back
        done = cast("asyncio.Future[object]", socket.send_multipart(frames, flags=zmq.NOBLOCK))
        error = done.exception()
        if error is None:
            return "sent"
        return "full" if isinstance(error, zmq.Again) else "gone"

    def _count(self, what: str) -> None:
        self._counters[what] = self._counters.get(what, 0) + 1
