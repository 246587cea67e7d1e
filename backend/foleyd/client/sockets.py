"""The client's sockets to one daemon: made anew whenever the daemon, its ports or its key change."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

from foleyd.commands import Channel
from foleyd.errors import Busy
from foleyd.wire import envelope
from foleyd.wire.connection import Connection
from foleyd.wire.envelope import Header, Malformed, Parcel

_MOST_FRAME_BYTES = 1024 * 1024 * 1024
_OPTIONS = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: _MOST_FRAME_BYTES,
    zmq.HEARTBEAT_IVL: 10_000,
    zmq.HEARTBEAT_TIMEOUT: 30_000,
}


class Sockets:
    """Connected on creation, which does not mean that anybody is there.

    `take` gets each message of shell and control, `hear` each event (publisher's session, topic, content),
    and `welcome` the number of the last event when the subscription holds; `lost` is called once, when the
    connection of the shell ends (`ended` from then on). Messages that the daemon's key did not sign are
    dropped.
    """

    def __init__(
        self,
        context: zmq.asyncio.Context,
        connection: Connection,
        *,
        take: Callable[[Header, Parcel], None],
        hear: Callable[[str, str, bytes], None],
        welcome: Callable[[str, bytes], None],
        lost: Callable[[], None],
    ) -> None:
        self.connection = connection
        self.ended = False
        self.signer = envelope.Signer(connection.key)
        self._context = context
        self._take, self._hear, self._welcome, self._lost = take, hear, welcome, lost
        self._topic = f"welcome.{secrets.token_hex(16)}"
        self._sockets: list[zmq.asyncio.Socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listening: asyncio.Future[bool] | None = None
        shell = self._open(zmq.DEALER)
        self._watched = shell
        self._monitor = shell.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._start(self._watch(self._monitor))
        control = self._open(zmq.DEALER)
        self._dealers: dict[Channel, zmq.asyncio.Socket] = {"shell": shell, "control": control}
        for channel, dealer in self._dealers.items():
            dealer.connect(connection.address(channel))
            self._start(self._read(dealer))

    def send(self, channel: Channel, header: Header, content: bytes, buffers: Sequence[bytes] = ()) -> None:
        """Sign and send. Raises Busy where ZeroMQ's queue is full."""
        frames = self.signer.pack(header, content, buffers=buffers)
        # with NOBLOCK the future is resolved when it comes back
        done = cast("asyncio.Future[object]", self._dealers[channel].send_multipart(frames, zmq.NOBLOCK))
        if isinstance(done.exception(), zmq.Again):
            raise Busy("too much waits to be sent to the daemon: ask again in a second.", 1.0)
        done.result()

    async def listen(self) -> bool:
        """Subscribe to all events, since numbers only show gaps to those who hear everything.

        Returns True when the subscription holds, False when the sockets were closed before.
        """
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_future()
            events = self._open(zmq.SUB)
            events.connect(self.connection.address("events"))
            # in this order: the answer to the second says that the first holds
            events.setsockopt(zmq.SUBSCRIBE, b"")
            events.setsockopt(zmq.SUBSCRIBE, self._topic.encode())
            self._start(self._read_events(events))
        return await asyncio.shield(self._listening)

    async def close(self) -> None:
        """End it. May be called twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listens(False)
        if not self._watched.closed:
            self._watched.disable_monitor()
        self._monitor.close(0)
        for socket in self._sockets:
            socket.close(0)

    def _open(self, kind: int) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        for option, value in _OPTIONS.items():
            socket.setsockopt(option, value)
        self._sockets.append(socket)
        return socket

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _watch(self, monitor: zmq.asyncio.Socket) -> None:
        while parse_monitor_message(await monitor.recv_multipart())["event"] != zmq.EVENT_DISCONNECTED:
            pass
        self.ended = True
        self._lost()

    async def _read(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            with contextlib.suppress(Malformed):
                parcel = envelope.split(frames)
                if self.signer.good(parcel):
                    self._take(envelope.read_header(parcel.header), parcel)
            await asyncio.sleep(0)

    async def _read_events(self, socket: zmq.asyncio.Socket) -> None:
        while True:
            frames = await socket.recv_multipart()
            with contextlib.suppress(Malformed):
                parcel = envelope.split(frames)
                if self.signer.good(parcel) and len(parcel.identity) == 1:
                    header = envelope.read_header(parcel.header)
                    self._tell(header, parcel.identity[0].decode(errors="replace"), parcel.content)
            await asyncio.sleep(0)

    def _tell(self, header: Header, topic: str, content: bytes) -> None:
        if header.msg_type != f"{topic.partition('.')[0]}_event":
            return
        if topic == self._topic:
            self._welcome(header.session, content)
            self._listens(True)
        elif not topic.startswith("welcome."):
            self._hear(header.session, topic, content)

    def _listens(self, holds: bool) -> None:
        if self._listening is not None and not self._listening.done():
            self._listening.set_result(holds)
