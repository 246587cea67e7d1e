"""The daemon's ZeroMQ sockets: requests in, answers, results and events out.

Order. The requests of one session for one command are taken one after the other, as they came, ``render``
and ``cancel`` as if they were one command; apart from that nobody waits for anybody, and ``control`` has a
task and bounds of its own. Answers come as they are ready, a result after its admission.

Trust. What is not signed with the key is counted and dropped without a word, as Jupyter does. What is signed
gets an answer, be it an error, as soon as its header can be read. Whatever a peer sends, tables, tasks and
queues stay within :class:`Limits`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Self, cast

import msgspec
import zmq
import zmq.asyncio

from foleyd import commands
from foleyd.commands import COMMANDS, Channel, Command
from foleyd.errors import BadRequest, Busy, FoleydError
from foleyd.messages import BufferInfo, Event, Message
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.answers import Answers, Kept, asks_only
from foleyd.wire.connection import Connection
from foleyd.wire.envelope import Header, Malformed, Parcel
from foleyd.wire.flights import Flight, Flights
from foleyd.wire.outlet import Outlet, Peer
from foleyd.wire.sockets import Sockets

__all__ = ["COUNTERS", "Answer", "Endpoint", "Handler", "Limits", "Peer"]

Answer = tuple[Message, Sequence[bytes]]
"""A reply and its raw buffers, which the reply's own `buffers` describe."""

Handler = Callable[[Command, Message, Peer, tuple[bytes, ...]], Awaitable[Answer]]
"""Answers one request. A FoleydError that it raises becomes an error reply."""

COUNTERS: Mapping[str, str] = {
    "received": "Messages that came.",
    "unsigned": "Dropped: not signed, or with another key.",
    "malformed": "Dropped: no message of Jupyter's.",
    "answered": "Requests that were answered, errors included.",
    "refused": "Answers that were errors.",
    "failed": "Requests that ran into a fault of the daemon.",
    "repeated": "Requests that came again and got the same answer.",
    "busy": "Requests refused because too many were under way.",
    "unreachable": "Messages for a peer that was gone.",
    "lost": "Messages for a peer that did not read.",
    "published": "Events.",
}
"""What :class:`Endpoint` counts."""

_REQUEST = re.compile(r"([a-z][a-z_]{0,39})_request")
_WELCOME = re.compile(rb"\x01(welcome\.[0-9a-f]{32})")
_CHANNELS: tuple[Channel, ...] = ("shell", "control")
_HASH_IN_THREAD = 1024 * 1024
"""Bytes of buffers that are hashed in another thread, so that the loop goes on."""

_log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of what peers can make the daemon hold.

    `flights`: requests under way on one channel, `flight_bytes`: of their buffers; `answers`, `sessions`,
    `kept_bytes`: see :class:`foleyd.wire.answers.Answers`; `queue`: messages that ZeroMQ holds for one peer
    each way.
    """

    frames: int = envelope.MOST_FRAMES
    frame_bytes: int = envelope.MOST_FRAME_BYTES
    content_bytes: int = 1024 * 1024
    flights: int = 512
    flights_a_session: int = 128
    flight_bytes: int = 256 * 1024 * 1024
    answers: int = 1000
    sessions: int = 256
    kept_bytes: int = 64 * 1024 * 1024
    queue: int = 256
    patience_s: float = 5.0


class Endpoint:
    """The three sockets, bound on creation (inside the running loop); :meth:`run` serves them.

    `connection` says the key and where to listen; ports that are taken give way to the next free ones unless
    `exact`, and :attr:`connection` tells which it became. `handle` answers requests. `counters` counts what
    :data:`COUNTERS` lists. ``async with`` serves for the length of the block. All methods belong to the loop.

    Raises BadRequest for an empty key, an address off this machine, or when no port is free.
    """

    def __init__(
        self,
        connection: Connection,
        handle: Handler,
        *,
        context: zmq.asyncio.Context | None = None,
        limits: Limits | None = None,
        counters: MutableMapping[str, int] | None = None,
        exact: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.counters: MutableMapping[str, int] = counters if counters is not None else Counter()
        self._handle = handle
        self._signer = envelope.Signer(connections.check(connection).key)
        self._session = envelope.new_header("-", "-").msg_id
        self._answers = Answers(
            a_session=self.limits.answers,
            sessions=self.limits.sessions,
            most_bytes=self.limits.kept_bytes,
        )
        self._flights = Flights(
            most=self.limits.flights,
            a_session=self.limits.flights_a_session,
            most_bytes=self.limits.flight_bytes,
        )
        self._serving: list[asyncio.Task[None]] = []
        self._last_event = 0
        self._closing = False
        self._closed = asyncio.Event()
        self._sockets = Sockets(
            connection,
            context=context,
            exact=exact,
            queue=self.limits.queue,
            frame_bytes=self.limits.frame_bytes,
        )
        self.connection = self._sockets.connection
        self._outlet = Outlet(
            {channel: self._sockets[channel] for channel in _CHANNELS},
            self.counters,
            sessions=self.limits.sessions,
            patience_s=self.limits.patience_s,
        )

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        await self._runner

    @property
    def held(self) -> dict[str, int]:
        """Sizes of the tables, all of them bounded by the limits."""
        return {
            "answers": len(self._answers),
            "answer_bytes": self._answers.size,
            "flights": len(self._flights),
            "outlet": len(self._outlet),
        }

    async def run(self) -> None:
        """Serve until :meth:`close`, or until cancelled (which closes too)."""
        if self._closing:
            return
        self._serving = [asyncio.create_task(self._serve(channel)) for channel in _CHANNELS]
        self._serving.append(asyncio.create_task(self._welcome()))
        try:
            await asyncio.gather(*self._serving)
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            await self.close()

    async def close(self, grace_s: float = 0.5) -> None:
        """Take no more requests, give those under way `grace_s` seconds, and close. May be called twice."""
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        try:
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            await self._flights.close(grace_s)
            await self._outlet.close()
        finally:
            self._sockets.close()
            self._closed.set()

    def tell(
        self,
        peer: Peer,
        message_type: str,
        content: Message,
        parent: Header | None = None,
        buffers: Sequence[bytes] = (),
    ) -> None:
        """Send `peer` what it did not ask for, such as `render_result`, on the channel of its request.

        `parent` is the header of the request that it belongs to, the peer's own where None; while that is not
        answered yet, this waits until it is.
        """
        parent = parent or peer.header
        frames = self._signer.pack(
            envelope.new_header(self._session, message_type),
            msgspec.json.encode(content),
            parent=parent,
            buffers=buffers,
        )
        flight = self._flights.get(peer.session, parent.msg_id)
        if flight is None or not flight.then(peer, frames):
            self._outlet.send(peer, frames)

    def publish(self, topic: str, event: Event) -> None:
        """Tell everybody who subscribed to `topic`; the message type is the topic with ``_event`` behind."""
        if self._sockets["events"].closed:
            return
        self._last_event = event.number
        self._count("published")
        self._send_event(topic.encode(), f"{topic}_event", event)

    def _send_event(self, topic: bytes, message_type: str, event: Event) -> None:
        header = envelope.new_header(self._session, message_type)
        frames = self._signer.pack(header, msgspec.json.encode(event), identity=(topic,))
        # XPUB drops for subscribers that are behind, who see the gap in the numbers; it never blocks
        sent = cast("asyncio.Future[object]", self._sockets["events"].send_multipart(frames, zmq.NOBLOCK))
        sent.result()

    async def _welcome(self) -> None:
        """Answer each subscription to ``welcome.<32 hex digits>`` with the number of the last event.

        A subscriber that has the answer knows that its earlier subscriptions hold, and what comes next.
        """
        while True:
            frames, _ = await self._receive("events")
            asked = _WELCOME.fullmatch(frames[0])
            if asked:
                event = Event(number=self._last_event, at=time.time())
                self._send_event(asked.group(1), "welcome_event", event)
            await asyncio.sleep(0)

    async def _serve(self, channel: Channel) -> None:
        while True:
            frames, excess = await self._receive(channel)
            try:
                self._take(channel, frames, excess)
            except Exception:
                self._count("failed")
                _log.exception("a message on %s could not be taken", channel)
            # a socket that always has one more message must not keep the loop to itself
            await asyncio.sleep(0)

    async def _receive(self, which: connections.Socket) -> tuple[list[bytes], str]:
        return await self._sockets.receive(
            which, frames=self.limits.frames, most_bytes=self.limits.flight_bytes
        )

    def _take(self, channel: Channel, frames: list[bytes], excess: str) -> None:
        self._count("received")
        try:
            parcel = envelope.split(frames)
            if not self._signer.good(parcel):
                self._count("unsigned")
                return
            header = envelope.read_header(parcel.header)
        except Malformed:
            self._count("malformed")
            return
        peer = Peer(parcel.identity, header.session, channel, header)
        self._outlet.seen(peer)
        if self._repeat(peer):
            return
        try:
            flight = self._read(peer, parcel, excess)
            self._flights.begin(flight, self._fly)
        except FoleydError as error:
            self._count("busy" if isinstance(error, Busy) else "refused")
            self._answer((peer,), Kept(_reply_type(header.msg_type), envelope.write_reply(error)))

    def _repeat(self, peer: Peer) -> bool:
        """Whether this request came before: then it gets the same answer, now or when there is one."""
        key = peer.session, peer.header.msg_id
        kept, flight = self._answers.get(*key), self._flights.get(*key)
        if kept is not None:
            self._answer((peer,), kept)
        elif flight is not None:
            flight.again = peer
        else:
            return False
        self._count("repeated")
        return True

    def _read(self, peer: Peer, parcel: Parcel, excess: str) -> Flight:
        named = _REQUEST.fullmatch(peer.header.msg_type)
        command = COMMANDS.get(named.group(1)) if named else None
        if command is None:
            raise BadRequest(f"there is no {peer.header.msg_type[:60]!r}: see bridge/PROTOCOL.md.")
        if peer.channel not in command.channels:
            raise BadRequest(
                f"{command.name}_request is not taken on {peer.channel}: send it on {command.channels[0]}."
            )
        if excess:
            raise BadRequest(f"the message has {excess}: send less at a time.")
        for raw, what in ((parcel.parent, "parent_header"), (parcel.metadata, "metadata")):
            envelope.read_object(raw, what, most_bytes=self.limits.content_bytes)
        content = envelope.read_object(parcel.content, "content", most_bytes=self.limits.content_bytes)
        return Flight(peer, command, commands.read(command, content), parcel.buffers)

    async def _fly(self, flight: Flight) -> None:
        kept = await self._ask(flight)
        self._answers.keep(*flight.key, kept)
        self._answer(flight.peers, kept)
        for peer, frames in flight.after:
            self._outlet.send(peer, frames)

    async def _ask(self, flight: Flight) -> Kept:
        """What the handler answers, or the error that it raised."""
        buffers: Sequence[bytes] = ()
        try:
            await _check_buffers(flight)
            reply, buffers = await self._handle(flight.command, flight.request, flight.peer, flight.buffers)
            content = envelope.write_reply(reply)
        except FoleydError as error:
            self._count("refused")
            content, buffers = envelope.write_reply(error), ()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            self._count("failed")
            _log.exception("%s_request failed", flight.command.name)
            fault = FoleydError("The daemon failed at this request: see its log, and try again.")
            content, buffers = envelope.write_reply(fault), ()
        query = asks_only(flight.command.name, flight.request)
        return Kept(f"{flight.command.name}_reply", content, tuple(buffers), query)

    def _answer(self, peers: Sequence[Peer], kept: Kept) -> None:
        self._count("answered")
        for peer in peers:
            frames = self._signer.pack(
                envelope.new_header(self._session, kept.message_type),
                kept.content,
                parent=peer.header,
                buffers=kept.buffers,
            )
            self._outlet.send(peer, frames)

    def _count(self, what: str) -> None:
        self.counters[what] = self.counters.get(what, 0) + 1


async def _check_buffers(flight: Flight) -> None:
    """Hold a request's raw buffers to what it says of them. Raises BadRequest."""
    infos = cast("Sequence[BufferInfo]", getattr(flight.request, "buffers", ()))
    if flight.bytes > _HASH_IN_THREAD:
        await asyncio.to_thread(envelope.check_buffers, infos, flight.buffers)
    else:
        envelope.check_buffers(infos, flight.buffers)


def _is_cancelled() -> bool:
    """Whether it is this task that is cancelled, and not just something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reply_type(message_type: str) -> str:
    named = _REQUEST.fullmatch(message_type)
    return f"{named.group(1)}_reply" if named else "error_reply"
