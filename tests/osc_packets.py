"""OSC packets made by hand, byte by byte, and the two ends that tests put on a wire."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pythonosc.osc_message import OscMessage

from foleyd.wire.osc_endpoint import Endpoint, Handler, Sender, open_endpoint

DEADLINE_S = 60
Answer = tuple[Any, ...]
Address = tuple[str, int]


def text(characters: str | bytes) -> bytes:
    """An OSC string: NUL behind it, up to a multiple of four."""
    raw = characters.encode() if isinstance(characters, str) else characters
    return raw + b"\0" * (4 - len(raw) % 4)


def message(address: str | bytes, tags: str = "", *body: bytes) -> bytes:
    return text(address) + text("," + tags) + b"".join(body)


def element(content: bytes, size: int | None = None) -> bytes:
    return struct.pack(">i", len(content) if size is None else size) + content


def bundle(*contents: bytes, time: int = 1) -> bytes:
    return b"#bundle\0" + struct.pack(">Q", time) + b"".join(map(element, contents))


def nested(depth: int) -> bytes:
    """A message inside `depth` bundles."""
    packet = message("/a")
    for _ in range(depth):
        packet = bundle(packet)
    return packet


def ntp(unix: float) -> int:
    """The timetag of a time in seconds since 1970."""
    return int((unix + 2_208_988_800) * 2**32)


def sync(number: int) -> bytes:
    return message("/foleyd/sync", "i", struct.pack(">i", number))


HEAD = b"#bundle\0" + struct.pack(">Q", 1)
HOSTILE: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", "size"),
    "one byte": (b"/", "size"),
    "not a multiple of four": (message("/a") + b"\0", "size"),
    "longer than UDP": (message("/a", "b", struct.pack(">i", 65_508), bytes(65_508)), "size"),
    "text": (b"hello there\n", "address"),
    "zeros": (bytes(16), "address"),
    "a bundle of negative size": (HEAD + element(b"", -4), "element"),
    "a bundle of the smallest size": (HEAD + element(message("/a"), -(2**31)), "element"),
    "a size that points back to its bundle": (HEAD + element(b"", -20), "element"),
    "an element of no size": (HEAD + element(b""), "element"),
    "an element of odd size": (HEAD + element(message("/a"), 6), "element"),
    "an element longer than its bundle": (HEAD + element(message("/a"), 12), "element"),
    "an inner element longer than its bundle": (
        bundle(HEAD + element(message("/a"), 16), message("/b", "ii", bytes(8))),
        "element",
    ),
    "a bundle without a timetag": (b"#bundle\0", "element"),
    "a bundle with half a timetag": (b"#bundle\0" + bytes(4), "element"),
    "half a message in a bundle": (bundle(message("/a", "i")), "arguments"),
    "text in a bundle": (bundle(b"what"), "address"),
    "nine bundles deep": (nested(9), "depth"),
    "thousands of bundles deep": (nested(3000), "depth"),
    "257 elements": (bundle(*[message("/a")] * 257), "count"),
    "257 elements in two bundles": (bundle(*[bundle(*[message("/a")] * 128)] * 2), "count"),
    "a star": (message("/foleyd/*"), "wildcard"),
    "a question mark": (message("/foleyd/rende?"), "wildcard"),
    "a character class": (message("/foleyd/[a-z]"), "wildcard"),
    "alternatives": (message("/{foleyd,clip}/status"), "wildcard"),
    "a pattern that backtracks": (message("/" + "*a" * 60), "wildcard"),
    "a space": (message("/foleyd/ren der"), "address"),
    "a comma": (message("/foleyd,status"), "address"),
    "a hash": (message("/foleyd#1"), "address"),
    "a line end": (message("/foleyd\n"), "address"),
    "a control character": (message("/foleyd\x1b[0m"), "wildcard"),
    "a delete": (message("/foleyd\x7f"), "address"),
    "letters beyond ASCII": (message("/fölëyd"), "address"),
    "an address in bad UTF-8": (message(b"/\xff\xfe"), "address"),
    "an address of 256": (message("/" + "a" * 255), "address"),
    "an address without an end": (b"/abc", "address"),
    "an address padded with letters": (b"/\0ab" + text(","), "padding"),
    "tags without a comma": (text("/a") + text("i") + bytes(4), "types"),
    "tags without an end": (text("/a") + b",iii", "types"),
    "tags padded with letters": (text("/a") + b",i\0i" + bytes(4), "padding"),
    "an unknown tag": (message("/a", "x"), "types"),
    "an infinitum": (message("/a", "Ii", bytes(4)), "types"),
    "a time": (message("/a", "t", bytes(8)), "types"),
    "an array": (message("/a", "[i]", bytes(4)), "types"),
    "a thousand arrays": (message("/a", "[" * 300 + "]" * 300), "count"),
    "513 arguments": (message("/a", "T" * 513), "count"),
    "an int cut off": (message("/a", "i"), "arguments"),
    "a double cut in half": (message("/a", "d", bytes(4)), "arguments"),
    "bytes behind the arguments": (message("/a", "i", bytes(8)), "arguments"),
    "bytes behind no arguments": (message("/a", "", bytes(4)), "arguments"),
    "a string that is missing": (message("/a", "s"), "arguments"),
    "a string without an end": (message("/a", "s", b"abcd"), "arguments"),
    "a string in bad UTF-8": (message("/a", "s", text(b"\xc3\x28")), "utf8"),
    "a string in overlong UTF-8": (message("/a", "s", text(b"\xc0\xaf")), "utf8"),
    "half a character": (message("/a", "s", text(b"\xed\xa0\x80")), "utf8"),
    "a string padded with letters": (message("/a", "s", b"a\0bc"), "padding"),
    "a blob without a size": (message("/a", "b"), "arguments"),
    "a blob that says more": (message("/a", "b", struct.pack(">i", 8), bytes(4)), "arguments"),
    "a blob that says far more": (message("/a", "b", struct.pack(">i", 2**31 - 1), bytes(4)), "arguments"),
    "a blob that says less": (message("/a", "b", struct.pack(">i", 4), bytes(8)), "arguments"),
    "a blob of negative size": (message("/a", "b", struct.pack(">i", -8), bytes(4)), "arguments"),
    "a blob that is read twice": (message("/a", "bi", struct.pack(">i", -4)), "arguments"),
    "a blob padded with letters": (message("/a", "b", struct.pack(">i", 1), b"abcd"), "padding"),
}
"""Packets that must not reach the parser, and the word that each is refused with."""


def decoded(datagram: bytes) -> Answer:
    """Address and arguments, as python-osc reads them."""
    parsed = OscMessage(datagram)
    return (parsed.address, *parsed.params)


class Line(asyncio.DatagramTransport):
    """A wire with no socket, for senders that a test cannot have: other machines, forged addresses."""

    def __init__(self, own: Address = ("0.0.0.0", 17130)) -> None:
        super().__init__({"sockname": own})
        self.sent: list[tuple[bytes, Address]] = []
        self.unsent = 0
        self.closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append((bytes(data), addr))

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def answers(self) -> list[Answer]:
        """What was sent since the last call."""
        found = [decoded(datagram) for datagram, _ in self.sent]
        self.sent.clear()
        return found


class Client(asyncio.DatagramProtocol):
    """A program at the other end of a real socket."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._inbox.put_nowait(data)

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def send(self, datagram: bytes, to: Sender | None) -> None:
        assert self._transport is not None
        assert to is not None
        self._transport.sendto(datagram, (to.host, to.port))

    async def answer(self) -> Answer:
        """The next reply; fails after a minute."""
        return decoded(await asyncio.wait_for(self._inbox.get(), DEADLINE_S))

    async def answer_to_sync(self, number: int) -> list[Answer]:
        """The replies that came before the one to ``sync(number)``."""
        before: list[Answer] = []
        while (answer := await self.answer()) != ("/foleyd/synced", number):
            before.append(answer)
        return before


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is true; fails after a minute."""
    async with asyncio.timeout(DEADLINE_S):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def talking(
    dispatch: Mapping[str, Callable[..., None]] | None = None, host: str = "127.0.0.1", **options: Any
) -> AsyncIterator[tuple[Endpoint, Client]]:
    """An endpoint on a real socket, which answers /foleyd/sync beside what `dispatch` has, and a client."""
    handlers: dict[str, Handler] = dict(dispatch or {})
    endpoint = Endpoint(handlers, **options)
    handlers["/foleyd/sync"] = lambda said, sender: answer_sync(endpoint, said.arguments, sender)
    transport = await open_endpoint(host, 0, endpoint)
    line, client = await asyncio.get_running_loop().create_datagram_endpoint(Client, local_addr=(host, 0))
    try:
        yield endpoint, client
    finally:
        line.close()
        transport.close()
        await until(lambda: endpoint.own is None)


def answer_sync(endpoint: Endpoint, arguments: tuple[Any, ...], sender: Sender) -> None:
    endpoint.send(sender, "/foleyd/synced", *arguments)
