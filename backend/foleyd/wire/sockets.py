"""The daemon's three sockets: made with bounds, bound to free ports, read a frame at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import msgspec
import zmq
import zmq.asyncio

from foleyd.wire import connection as connections
from foleyd.wire.connection import Connection

Which = connections.Socket

_PORTS: Mapping[Which, str] = {
    "shell": "shell_port",
    "control": "control_port",
    "events": "iopub_port",
}
_OPTIONS: Mapping[int, int] = {
    zmq.LINGER: 500,
    # a peer that sleeps or was cut off is noticed, and its queue given up
    zmq.HEARTBEAT_IVL: 10_000,
    zmq.HEARTBEAT_TIMEOUT: 30_000,
}
_OPTIONS_OF: Mapping[int, Mapping[int, int]] = {
    # without it, ROUTER swallows what is for a peer that is gone
    zmq.ROUTER: {zmq.ROUTER_MANDATORY: 1},
    # subscriptions are all that comes in here, from whoever connects
    zmq.XPUB: {zmq.SNDHWM: 4096, zmq.MAXMSGSIZE: 256},
}


class Sockets:
    """The sockets of one daemon, made and bound on creation, inside the running loop.

    `queue`: messages that ZeroMQ holds for one peer each way; `frame_bytes`: the longest frame, a longer one
    ends the peer's connection. Other arguments are those of :class:`foleyd.wire.zmq.Endpoint`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        context: zmq.asyncio.Context | None,
        exact: bool,
        queue: int,
        frame_bytes: int,
    ) -> None:
        self._own = context is None
        self._context = context or zmq.asyncio.Context()
        self._sockets: dict[Which, zmq.asyncio.Socket] = {}
        self._plain: dict[Which, zmq.Socket[Any]] = {}
        try:
            for which in _PORTS:
                self._make(which, queue, frame_bytes)
            self.connection = self._bind(connection, exact)
        except BaseException:
            self.close(linger_ms=0)
            raise

    def __getitem__(self, which: Which) -> zmq.asyncio.Socket:
        return self._sockets[which]

    async def receive(self, which: Which, *, frames: int, most_bytes: int) -> tuple[list[bytes], str]:
        """The frames of the next message, and what was too much of it: that part is read and dropped."""
        frame = await self._sockets[which].recv(copy=False)
        kept, size, excess = [frame.bytes], len(frame), ""
        while frame.more:
            # the rest of a message is there as soon as its first frame is
            frame = self._plain[which].recv(zmq.NOBLOCK, copy=False)
            size += len(frame)
            if len(kept) >= frames:
                excess = f"more than {frames} frames"
            elif size > most_bytes:
                excess = f"more than {most_bytes} bytes"
            else:
                kept.append(frame.bytes)
        return kept, excess

    def close(self, linger_ms: int | None = None) -> None:
        """Close them; what was sent gets half a second to leave, unless `linger_ms` says otherwise."""
        for socket in self._sockets.values():
            socket.close(linger_ms)
        if self._own:
            self._context.term()

    def _make(self, which: Which, queue: int, frame_bytes: int) -> None:
        kind = zmq.XPUB if which == "events" else zmq.ROUTER
        socket = self._sockets[which] = self._context.socket(kind)
        self._plain[which] = zmq.Socket.shadow(socket)
        socket.set_hwm(queue)
        socket.setsockopt(zmq.MAXMSGSIZE, frame_bytes)
        for option, value in {**_OPTIONS, **_OPTIONS_OF[kind]}.items():
            socket.setsockopt(option, value)

    def _bind(self, connection: Connection, exact: bool) -> Connection:
        """The connection with the ports that the sockets got."""
        ports = {}
        for which, field in _PORTS.items():
            bind = partial(_bind, self._sockets[which], connection)
            ports[field] = connections.bind_free(bind, connection.port(which), exact=exact)
        return msgspec.structs.replace(connection, **ports)


def _bind(socket: zmq.asyncio.Socket, connection: Connection, port: int) -> int:
    socket.bind(f"{connection.transport}://{connection.ip}:{port}")
    return int(cast(bytes, socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").rpartition(b":")[2])
