"""Something at the daemon's address that is no daemon: it answers what the test wants, byte by byte."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import zmq
import zmq.asyncio

from foleyd.wire import connection as connections
from zmq_peers import INFO, free

WELL = json.loads(msgspec.json.encode(INFO)) | {"status": "ok"}
"""What a daemon says of itself."""


class Hostile:
    """A ROUTER on a free port, with a connection file whose key it has unless `key` is another one."""

    def __init__(self, key: str = "") -> None:
        self._key = key

    @asynccontextmanager
    async def serve(self, file: Path) -> AsyncIterator[None]:
        """Open it, and tell where it is."""
        with (
            zmq.asyncio.Context() as context,
            context.socket(zmq.ROUTER) as self.shell,
            context.socket(zmq.PUB) as events,
        ):
            ports = [one.bind_to_random_port("tcp://127.0.0.1") for one in (self.shell, events)]
            told = free(shell_port=ports[0], iopub_port=ports[1])
            self._key = self._key or told.key
            connections.write(told, file)
            yield
            for one in (self.shell, events):
                one.linger = 0

    async def asked(self, kind: str) -> tuple[bytes, dict[str, Any]]:
        """Wait for a request of a kind, answering hellos as a daemon does: who asks, and the header."""
        while True:
            who, _, _, header, *_ = await self.shell.recv_multipart()
            head = json.loads(header)
            if head["msg_type"] == "info_request":
                await self.answer(who, head, "info_reply", WELL)
            if head["msg_type"] == kind:
                return who, head

    async def answer(
        self, who: bytes, parent: dict[str, Any], kind: str, content: Any, *buffers: bytes
    ) -> None:
        """Send a well-formed message."""
        parts = [
            json.dumps({"msg_id": "1", "msg_type": kind}).encode(),
            json.dumps(parent).encode(),
            b"{}",
            json.dumps(content).encode(),
        ]
        await self.send_signed(who, parts, buffers)

    async def send_signed(self, who: bytes, parts: list[bytes], buffers: tuple[bytes, ...] = ()) -> None:
        """Send any four parts under the right signature."""
        signature = hmac.new(self._key.encode(), b"".join(parts), hashlib.sha256).hexdigest().encode()
        await self.shell.send_multipart([who, b"<IDS|MSG>", signature, *parts, *buffers])


def greeting() -> bytes:
    """The first bytes of a ZeroMQ peer (ZMTP 3.0, NULL), up to where messages begin."""
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"ROUTER"
    head = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
    return head + bytes((4, len(ready))) + ready


def huge_frame(size: int) -> bytes:
    """The head of a frame that announces so many bytes, and the first of them."""
    return b"\x02" + struct.pack(">Q", size) + bytes(4096)


@asynccontextmanager
async def announcing(file: Path, size: int) -> AsyncIterator[list[int]]:
    """A server that announces a message of `size` bytes to whoever connects; counts who did."""
    met: list[int] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting() + huge_frame(size))
        met.append(1)
        try:
            while await reader.read(65536):
                pass
        except ConnectionError:
            pass
        writer.close()

    servers = [await asyncio.start_server(greet, "127.0.0.1", 0) for _ in range(2)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    connections.write(free(shell_port=ports[0], iopub_port=ports[1]), file)
    try:
        yield met
    finally:
        for server in servers:
            server.close()


def wrong_parts(good: list[bytes], count: int) -> Iterator[list[bytes]]:
    """Headers and contents that no daemon sends, though their signature is right."""
    values = [
        b"", b"[", b"null", b"[]", b"3", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"status":3}',
        b'{"job_id":1e300}',
        b'{"state":"done","clips":7,"buffers":{}}', b'{"state":"done","buffers":[{}]}',
        b'{"clips":[[[]]],"total":"x"}',
    ]  # fmt: skip
    for k in range(count):
        parts = list(good)
        parts[(0, 1, 3)[k % 3]] = values[k // 3 % len(values)]
        yield parts
