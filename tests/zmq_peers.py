"""Both ends of the ZeroMQ wire for tests: a plain desk to put behind an endpoint, and a peer that signs and
reads with ``jupyter_client``, which we did not write."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import zmq
import zmq.asyncio
from jupyter_client.session import Session

from foleyd import messages as m
from foleyd.commands import PROTOCOL, Command
from foleyd.wire import connection as connections
from foleyd.wire.connection import Connection
from foleyd.wire.zmq import Answer, Peer

DEADLINE = 120.0
"""Seconds that anything may take on a machine that is busy with something else."""

INFO = m.InfoReply(
    protocol=PROTOCOL,
    version="0",
    pid=1,
    library="/library",
    osc="",
    model="starter",
    operations=("text",),
    schedulers=("ddim",),
    limits={},
    clips_a_job=16,
    lease_s=30.0,
)
RENDER = {"recipe": {"prompt": "rain"}}
ADMITTED = m.RenderReply(job_id=7, state="queued", position=0, eta_s=1.5, recipes=({"prompt": "rain"},))
Deed = Callable[[Any, Peer, tuple[bytes, ...]], Awaitable[Answer]]


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine, and see that it leaves neither a task nor an open socket behind."""

    async def limited() -> None:
        async with asyncio.timeout(4 * DEADLINE):
            await scenario()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(limited())
    gc.collect()  # a socket that was left open warns now, which is an error


def free(**fields: Any) -> Connection:
    """A connection on any free ports."""
    return connections.fresh(**{"shell_port": 0, "control_port": 0, "iopub_port": 0, **fields})


async def admit(request: m.RenderRequest, peer: Peer, buffers: tuple[bytes, ...]) -> Answer:
    """A desk's answer to render_request."""
    return ADMITTED, ()


def code(reply: dict[str, Any]) -> tuple[str, str]:
    """Code and sentence of an error reply."""
    assert reply["content"]["status"] == "error"
    return reply["content"]["code"], reply["content"]["message"]


class Desk:
    """Answers requests: `info` by itself, every other command by what `deeds` has for its name. Keeps what it
    was asked, in order."""

    def __init__(self, **deeds: Deed) -> None:
        self.deeds = deeds
        self.asked: list[tuple[str, m.Message, Peer]] = []
        self._changed = asyncio.Condition()

    async def handle(
        self, command: Command, request: m.Message, peer: Peer, buffers: tuple[bytes, ...]
    ) -> Answer:
        async with self._changed:
            self.asked.append((command.name, request, peer))
            self._changed.notify_all()
        if command.name in self.deeds:
            return await self.deeds[command.name](request, peer, buffers)
        assert command.name == "info", f"nobody answers {command.name}"
        return INFO, ()

    async def until(self, number: int) -> None:
        """Wait until so many requests have reached the desk."""
        async with self._changed, asyncio.timeout(DEADLINE):
            await self._changed.wait_for(lambda: len(self.asked) >= number)


class JupyterPeer:
    """A DEALER socket at the endpoint of `connection`, with Jupyter's own session behind it."""

    def __init__(self, connection: Connection, channel: str = "shell", *, key: str = "") -> None:
        self.session = Session(key=(key or connection.key).encode())
        self._context = zmq.asyncio.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        port = {"shell": connection.shell_port, "control": connection.control_port}[channel]
        self.socket.connect(f"tcp://127.0.0.1:{port}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.destroy(linger=0)

    def message(self, message_type: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """A message with a new header."""
        made: dict[str, Any] = self.session.msg(message_type, content=content or {})
        return made

    async def send(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> dict[str, Any]:
        """Send a message; returns its header."""
        async with asyncio.timeout(DEADLINE):
            await self.socket.send_multipart([*self.session.serialize(message), *buffers])
        header: dict[str, Any] = message["header"]
        return header

    async def send_signed(self, *parts: bytes, extra: Sequence[bytes] = ()) -> None:
        """Send header, parent, metadata and content as these bytes, well signed."""
        async with asyncio.timeout(DEADLINE):
            await self.socket.send_multipart([b"<IDS|MSG>", self.session.sign(list(parts)), *parts, *extra])

    async def receive(self) -> dict[str, Any]:
        """The next message, whose signature Jupyter has checked."""
        async with asyncio.timeout(DEADLINE):
            frames = await self.socket.recv_multipart()
        _, rest = self.session.feed_identities(frames)
        message: dict[str, Any] = self.session.deserialize(rest)
        return message

    async def ask(
        self, message_type: str, content: dict[str, Any] | None = None, buffers: Sequence[bytes] = ()
    ) -> dict[str, Any]:
        """Send a request and wait for the answer to it."""
        header = await self.send(self.message(message_type, content), buffers)
        while (reply := await self.receive())["parent_header"].get("msg_id") != header["msg_id"]:
            pass
        return reply
