"""The client's link to the daemon: requests and their answers, results, the lease, and coming back.

When the daemon goes away, the link looks for it again with growing pauses: at the same place, or where a new
connection file says. What was asked and not answered is then sent again. To the same daemon under the same
``msg_id``, which it knows; to a new one only what may be done twice (:func:`_repeatable`). Jobs that were
admitted are asked for by their id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
import weakref
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import zmq.asyncio

from foleyd.client.events import Ears, Stream
from foleyd.client.order import Asked, Order
from foleyd.client.sockets import Sockets
from foleyd.commands import Channel
from foleyd.errors import BadRequest, Busy, FoleydError, JobLost, NoDaemon
from foleyd.messages import (
    ClipReply,
    ClipRequest,
    Event,
    InfoReply,
    InfoRequest,
    JobEvent,
    Message,
    RenderChunk,
    RenderReply,
    RenderRequest,
    RenderResult,
)
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.answers import asks_only
from foleyd.wire.connection import Connection
from foleyd.wire.envelope import Header, Parcel

Role = Literal["", "live", "plugin"]
M = TypeVar("M", bound=Message)
_MOST_BUFFERS = envelope.MOST_FRAMES - 8
_FIRST_HELLO_S = 0.5
"""How long a daemon that came back may take to answer at the first try; each try after it waits longer."""
_PAUSES = (0.05, 2.0)
"""Seconds between two tries to reach the daemon again: the first pause, and the longest."""


class Link:
    """One session with the daemon, over all its restarts. Made inside the loop that it belongs to.

    `where` is a connection, the path of a connection file, or None for the file's usual place. `client` and
    `role` say who asks (see InfoRequest), `lease_s` how long the daemon remembers a client that fell silent,
    `timeout_s` how long an answer may take, and `reconnect_s` how long jobs wait for a daemon that went away.
    """

    def __init__(
        self,
        where: Connection | Path | None = None,
        *,
        client: str = "",
        role: Role = "",
        lease_s: float = 30.0,
        timeout_s: float = 10.0,
        reconnect_s: float = 60.0,
    ) -> None:
        self._where, self.client = where, client
        self._timeout_s, self._reconnect_s, self._lease_s = timeout_s, reconnect_s, lease_s
        self.here = InfoRequest(client=client, role=role, lease_s=lease_s)
        self._session = uuid.uuid4().hex
        self.ears = Ears(self._hear_job)
        self._asked: dict[str, Asked] = {}
        self._orders: weakref.WeakValueDictionary[str, Order] = weakref.WeakValueDictionary()
        self._up = asyncio.Event()
        self._wants_events = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._recovering = True
        self.closed = False

    async def open(self) -> InfoReply:
        """Find the daemon and begin the session. Raises NoDaemon, BadRequest for a connection file that
        cannot be used."""
        self._context = zmq.asyncio.Context()
        try:
            info = await self._connect(self._find(), self._timeout_s)
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._recovering = False
        self._up.set()
        self._start(self._renew())
        return info

    async def close(self) -> None:
        """End the session; whoever waits for something gets NoDaemon. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self._up.set()  # whoever waits for the daemon sees that the link is closed
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        over = _closed()
        for asked in self._asked.values():
            asked.settle(over)
        for order in list(self._orders.values()):
            order.settle(over)
        self.ears.close()
        await self._sockets.close()
        self._context.term()

    async def ask(
        self,
        name: str,
        request: Message,
        kind: type[M],
        *,
        buffers: Sequence[bytes] = (),
        channel: Channel = "shell",
        timeout_s: float | None = None,
        message_id: str = "",
    ) -> tuple[M, tuple[bytes, ...]]:
        """The answer to a request, with its raw buffers (not held to what it says of them).

        Raises what the daemon answered with, NoDaemon where none came in time, BadRequest for a request that
        cannot be sent.
        """
        asked = self._new(name, request, buffers, channel, message_id)
        limit = self._timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit):
                await self._wait_until_up()
                self._send(asked)
                return await asked.read(kind)
        except TimeoutError:
            raise NoDaemon(
                f"The daemon did not answer {name}_request within {limit:g} s: see 'foleyd status', or start "
                "one with 'foleyd serve'."
            ) from None
        finally:
            self._asked.pop(asked.header.msg_id, None)

    async def order(
        self, request: RenderRequest, buffers: Sequence[bytes] = (), timeout_s: float | None = None
    ) -> Order:
        """Ask for a job, `buffers` being the sounds that it starts from; the order comes back with its
        admission. Raises what the daemon refused it with."""
        await self.listen()
        order = Order(request)
        order.since = self.ears.last
        self._orders[order.message_id] = order
        order.reply, _ = await self.ask(
            "render",
            request,
            RenderReply,
            buffers=buffers,
            timeout_s=timeout_s,
            message_id=order.message_id,
        )
        order.key = self._sockets.connection.key
        for event in self.ears.recent:  # events have a socket of their own, and may have been quicker
            order.hear(event)
        return order

    def stream(self, topics: tuple[str, ...]) -> Stream:
        """Events of `topics`, of all where none is named. Raises BadRequest for an unknown one."""
        return self.ears.stream(topics, self.listen)

    async def listen(self) -> None:
        """Hear events from now on. Raises NoDaemon where the subscription does not hold in time."""
        if self._wants_events and not self.closed:
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                holds = False
                while not holds:
                    await self._wait_until_up()
                    holds = await self._sockets.listen()
        except TimeoutError:
            raise NoDaemon("The daemon sends no events: start it anew with 'foleyd serve'.") from None
        self._wants_events = True

    def _new(
        self, name: str, request: Message, buffers: Sequence[bytes], channel: Channel, message_id: str = ""
    ) -> Asked:
        if len(buffers) > _MOST_BUFFERS or any(len(one) > envelope.MOST_FRAME_BYTES for one in buffers):
            raise BadRequest(
                f"{name}_request carries too much: send {_MOST_BUFFERS} files at a time, each at most "
                f"{envelope.MOST_FRAME_BYTES // 2**20} MiB."
            )
        try:
            content = msgspec.json.encode(request)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRequest(f"{name}_request is no JSON ({error}): give plain values.") from None
        header = envelope.new_header(self._session, f"{name}_request", message_id=message_id)
        repeatable = name == "render" or asks_only(name, request)
        asked = Asked(name, header, content, buffers, channel, repeatable)
        self._asked[header.msg_id] = asked
        return asked

    def _send(self, asked: Asked) -> None:
        self._sockets.send(asked.channel, asked.header, asked.content, asked.buffers)
        asked.sent = True

    async def _wait_until_up(self) -> None:
        await self._up.wait()
        if self.closed:
            raise _closed()

    def _take(self, header: Header, parcel: Parcel) -> None:
        parent = envelope.read_header(parcel.parent).msg_id
        order, asked = self._orders.get(parent), self._asked.get(parent)
        if header.msg_type == "render_result" and order is not None:
            told = envelope.read_reply(parcel.content, RenderResult)
            order.settle((ClipReply(result=told, buffers=told.buffers), parcel.buffers))
        elif header.msg_type == "render_chunk" and order is not None:
            order.chunks.put((envelope.read_reply(parcel.content, RenderChunk), parcel.buffers))
        elif asked is not None and header.msg_type == f"{asked.name}_reply":
            asked.settle(parcel)

    def _hear_job(self, event: JobEvent) -> None:
        for order in list(self._orders.values()):
            order.hear(event)

    def _welcome(self, publisher: str, content: bytes) -> None:
        with contextlib.suppress(ValueError):
            self.ears.welcome(publisher, msgspec.json.decode(content, type=Event).number)

    def _find(self) -> Connection:
        if isinstance(self._where, Connection):
            return connections.check(self._where)
        return connections.read(self._where)

    async def _connect(self, connection: Connection, limit_s: float) -> InfoReply:
        """Open sockets to this daemon and wait for its answer. Raises NoDaemon."""
        absent = NoDaemon(
            f"No daemon answers at {connection.address('shell')}: start one with 'foleyd serve'."
        )
        if not await _is_reachable(connection):
            raise absent
        sockets = self._sockets = Sockets(
            self._context,
            connection,
            take=self._take,
            hear=self.ears.take,
            welcome=self._welcome,
            lost=self._lost,
        )
        hello = self._new("info", self.here, (), "shell")
        try:
            async with asyncio.timeout(limit_s):
                self._send(hello)
                info, _ = await hello.read(InfoReply)
                # before anything is asked again, so that its events are heard
                hears = not self._wants_events or await sockets.listen()
            if sockets.ended or not hears:
                raise absent
            return info
        except BaseException as error:
            await sockets.close()
            raise absent from None if isinstance(error, TimeoutError) else error
        finally:
            self._asked.pop(hello.header.msg_id, None)

    def _lost(self) -> None:
        """The daemon went away, or does not answer."""
        if self._recovering or self.closed:
            return
        self._recovering = True
        self._up.clear()
        self._start(self._recover())

    async def _recover(self) -> None:
        await self._sockets.close()
        before = self._sockets.connection.key
        give_up = asyncio.get_running_loop().time() + self._reconnect_s
        pause, longest = _PAUSES
        # a daemon that just started has the ports already while the file still holds the key of the one
        # before, which it does not answer to: a short wait at first, then the file is read again
        limit_s = min(_FIRST_HELLO_S, self._timeout_s)
        while True:
            with contextlib.suppress(FoleydError):
                await self._connect(self._find(), limit_s)
                break
            limit_s = min(2 * limit_s, self._timeout_s)
            if asyncio.get_running_loop().time() > give_up:
                self._abandon()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, longest)
        self._recovering = False
        self._up.set()
        self._resume(restarted=self._sockets.connection.key != before)

    def _abandon(self) -> None:
        for order in list(self._orders.values()):
            if order.reply is not None:
                order.settle(
                    NoDaemon(
                        f"The daemon went away and did not return within {self._reconnect_s:g} s: start it "
                        "with 'foleyd serve'."
                    )
                )

    def _resume(self, *, restarted: bool) -> None:
        """Take up what was going on when the daemon went away."""
        for asked in list(self._asked.values()):
            if asked.sent and restarted and not asked.repeatable:
                asked.settle(_undone(asked))
            elif asked.sent:
                try:
                    self._send(asked)
                except FoleydError as error:
                    asked.settle(error)
        for order in list(self._orders.values()):
            order.since = 0 if restarted else order.since
            if order.reply is not None and not order.outcome.done():
                self._start(self._fetch(order))

    async def _renew(self) -> None:
        """Keep the lease, notice a daemon that hangs, and ask for results that should be there."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            if self._recovering:
                continue
            try:
                await self.ask("info", self.here, InfoReply)
            except NoDaemon:
                self._lost()
            except FoleydError:
                continue
            for order in list(self._orders.values()):
                if order.overdue and order.reply is not None and not order.outcome.done():
                    await self._fetch(order)

    async def _fetch(self, order: Order) -> None:
        """Ask how a job ended, and settle its order if it did."""
        assert order.reply is not None
        job = order.reply.job_id
        request = ClipRequest(job_id=job, audio=order.request.deliver != "none", client=self.client)
        order.overdue = False
        try:
            found, buffers = await self.ask("clip", request, ClipReply)
        except (NoDaemon, Busy):
            order.overdue = True
            return
        except FoleydError as error:
            order.settle(_job_lost(job, str(error)))
            return
        restarted = order.key != self._sockets.connection.key
        if found.result is None or (restarted and not order.is_mine(found.result)):
            order.settle(_job_lost(job, "it was restarted"))
        elif found.result.state not in ("queued", "running"):
            order.settle((found, buffers))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _is_reachable(connection: Connection) -> bool:
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(connection.ip, connection.shell_port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


def _closed() -> NoDaemon:
    return NoDaemon("The client is closed: open another one.")


def _job_lost(job: int, why: str) -> JobLost:
    return JobLost(f"The daemon no longer knows job {job} ({why.rstrip('.')}): ask for the sound again.")


def _undone(asked: Asked) -> NoDaemon:
    return NoDaemon(
        f"The daemon was restarted before it answered {asked.name}_request: see whether it was done, then "
        "ask again."
    )
