"""The OSC endpoint: a UDP socket, who may talk to it, and what becomes of what they say.

A datagram passes the list of allowed senders, the gate and the parser; its messages then wait for their
bundle's time or go at once to the handler of their address. Whatever a datagram holds and whatever a handler
raises, the endpoint goes on.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, cast

import msgspec

from foleyd.errors import BadRequest, FoleydError
from foleyd.wire.gate import BadPacket
from foleyd.wire.osc import Message, Timed, read, whole, write
from foleyd.wire.osc_limits import Bucket, Buckets, Credit
from foleyd.wire.timetag import Schedule, to_unix

LONGEST_REPLY = 8192
"""Bytes of a reply to a program on this machine."""
LONGEST_REPLY_AWAY = 1472
"""Bytes of a reply to another machine: one Ethernet frame, no fragments."""
COMPLAINTS_A_SECOND = 20
"""Replies a second to one sender about packets, addresses and times that are not taken."""
MOST_SUBSCRIBERS = 64
DONE, FAIL = "/done", "/fail"

# what programs answer; to complain about an answer would make two servers talk for ever
_ANSWERS = frozenset({DONE, FAIL, "/late"})
_MOST_UNSENT = 1 << 20
_TRACES_A_SECOND = 5
_OURS = "something went wrong inside foleyd: its log says what."
_log = logging.getLogger(__name__)


class PortTaken(FoleydError):
    """Another program has the port."""

    code = "port_taken"


class Sender(msgspec.Struct, frozen=True):
    """Where a datagram came from, and where replies go: an IP address and a UDP port."""

    host: str
    port: int

    @property
    def key(self) -> str:
        """``osc:host:port``, which stands for the client where it gives no key of its own."""
        return f"osc:[{self.host}]:{self.port}" if ":" in self.host else f"osc:{self.host}:{self.port}"

    def at(self, port: object) -> Sender:
        """The same machine at `reply_port`, for programs that listen elsewhere. Raises BadRequest."""
        number = whole(port, "reply_port")
        if not 1 <= number <= 65_535:
            raise BadRequest(f"reply_port is {number}: give a port from 1 to 65535.")
        return Sender(self.host, number)


Handler = Callable[[Message, Sender], None]


class Counters(msgspec.Struct):
    """What went through an endpoint, in datagrams where nothing else is said."""

    received: int = 0
    strangers: int = 0
    """Dropped, since their sender is not allowed."""
    echoes: int = 0
    """Dropped, since the endpoint had sent them itself."""
    refused: dict[str, int] = {}
    """Stopped by the gate, by kind."""
    unknown: int = 0
    """Messages for an address that nobody handles."""
    answers: int = 0
    """Messages that are themselves answers to something, dropped."""
    untimely: int = 0
    """Messages refused for a time too far ahead, or since too many wait."""
    failed: int = 0
    """Messages whose handler raised or called :meth:`Endpoint.fail`."""
    sent: int = 0
    held_back: int = 0
    """Replies not sent, since the receiver has had its share."""
    too_long: int = 0
    """Replies of which only a /fail was sent."""
    unsent: int = 0
    """Replies that the system would not take."""


class Endpoint(asyncio.DatagramProtocol):
    """One OSC socket's protocol, used from one asyncio loop.

    `dispatch`: a handler for each address; it may raise FoleydError, which goes back as ``/fail address
    sentence code``. `on_unknown`: takes what has no handler, instead of a ``/fail``. `allow`: IP addresses of
    other machines that may talk; this machine always may. `early_s`: how long before a bundle's time its
    messages are handled, for handlers that place them themselves by :attr:`due`. `clock`: seconds since 1970,
    for timetags; `ticks`: seconds that never run back, for rates. Raises BadRequest where `allow` holds
    something else.
    """

    def __init__(
        self,
        dispatch: Mapping[str, Handler],
        *,
        on_unknown: Handler | None = None,
        allow: Iterable[str] = (),
        counters: Counters | None = None,
        complaints_a_second: float = COMPLAINTS_A_SECOND,
        early_s: float = 0.0,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = counters or Counters()
        self.schedule = Schedule(clock)
        self._dispatch = dispatch
        self._on_unknown = on_unknown
        self._credits = {_address(host, "osc-allow"): Credit() for host in allow}
        self._subscribers: set[Sender] = set()
        self._complaints = Buckets(complaints_a_second, ticks)
        self._traces = Bucket(_TRACES_A_SECOND, ticks)
        self._transport: asyncio.DatagramTransport | None = None
        self._early_s = early_s
        self.due: float | None = None
        """Time of the message that is being handled, in seconds since 1970; None for at once."""
        self.own: Sender | None = None
        """The address that the endpoint has, None while it has no socket."""

    @property
    def allows_others(self) -> bool:
        """Whether any other machine may talk."""
        return any(not address.is_loopback for address in self._credits)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.own = Sender(*transport.get_extra_info("sockname")[:2])

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self.own = None
        self.schedule.close()

    def error_received(self, exc: Exception) -> None:
        self.counters.unsent += 1

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        sender = Sender(*addr[:2])
        self.counters.received += 1
        if not self._is_allowed(sender):
            self.counters.strangers += 1
            return
        if self._is_own(sender):
            self.counters.echoes += 1
            return
        if not _is_local(sender.host):
            self._credits[_ip(sender.host)].earn(len(data))
        try:
            messages = read(data)
        except BadPacket as error:
            self._refuse(error, sender)
            return
        for timed in messages:
            self._take(timed, sender)

    def send(self, to: Sender, address: str, *arguments: int | float | str, spare: bool = False) -> bool:
        """Send a message; whether it went to the system.

        One that is too long for its receiver becomes ``/fail command sentence "too_long"``. Another machine
        gets less than a fixed multiple of what came from it (:mod:`foleyd.wire.osc_limits`), unless it has
        subscribed; a `spare` message, such as progress, is the first to be held back.
        """
        if self._transport is None or self._transport.is_closing():
            return False
        datagram = self._cut(to, write(address, *arguments), address, arguments)
        if not self._may_send(to, len(datagram), spare):
            self.counters.held_back += 1
            return False
        self._transport.sendto(datagram, (to.host, to.port))
        self.counters.sent += 1
        return True

    def fail(self, to: Sender, command: str, error: Exception, *about: int | float | str) -> bool:
        """Send ``/fail command sentence about… code``; an error that is no FoleydError goes to the log.

        What a handler raises is sent this way to the message's sender; a handler that knows better where to
        (a reply_port) or what it is about (a job) catches its errors and calls this.
        """
        self.counters.failed += 1
        if isinstance(error, FoleydError):
            return self.send(to, FAIL, command, str(error), *about, error.code)
        if self._traces.take():
            _log.error("%s failed", command, exc_info=error)
        return self.send(to, FAIL, command, _OURS, *about, FoleydError.code)

    def subscribe(self, sender: Sender) -> None:
        """Send to this sender's machine without counting what came from it. Raises BadRequest when full."""
        if sender not in self._subscribers and len(self._subscribers) >= MOST_SUBSCRIBERS:
            raise BadRequest(f"{MOST_SUBSCRIBERS} programs are notified already: end one of them.")
        self._subscribers.add(sender)

    def unsubscribe(self, sender: Sender) -> None:
        """Undo :meth:`subscribe`; nothing happens to a sender that is unknown."""
        self._subscribers.discard(sender)

    def figures(self) -> dict[str, int]:
        """The counters as plain numbers, and how many messages wait, came late, and how late at most."""
        counted = msgspec.structs.asdict(self.counters)
        return {
            **counted,
            "refused": sum(self.counters.refused.values()),
            "waiting": len(self.schedule),
            "late": self.schedule.late,
            "latest_ms": round(self.schedule.latest_s * 1000),
        }

    def _is_allowed(self, sender: Sender) -> bool:
        return _is_local(sender.host) or _ip(sender.host) in self._credits

    def _is_own(self, sender: Sender) -> bool:
        if self.own is None or sender.port != self.own.port:
            return False
        return _ip(sender.host) == _ip(self.own.host) or (
            _ip(self.own.host).is_unspecified and _is_local(sender.host)
        )

    def _take(self, timed: Timed, sender: Sender) -> None:
        if timed.time is None:
            self._run(timed.message, sender)
            return
        try:
            due = to_unix(timed.time)
            self.schedule.at(due, partial(self._run, timed.message, sender, due), early_s=self._early_s)
        except BadRequest as error:
            self.counters.untimely += 1
            self._complain(sender, timed.message.address, str(error), error.code)

    def _run(self, message: Message, sender: Sender, due: float | None = None) -> None:
        self.due = due
        try:
            self._dispatch.get(message.address, self._unknown)(message, sender)
        except Exception as error:
            self.fail(sender, message.address, error)

    def _unknown(self, message: Message, sender: Sender) -> None:
        if message.address in _ANSWERS:
            self.counters.answers += 1
            return
        self.counters.unknown += 1
        if self._on_unknown is not None:
            self._on_unknown(message, sender)
            return
        said = "there is no such command: see bridge/PROTOCOL.md."
        self._complain(sender, message.address, said, "unknown_command")

    def _refuse(self, error: BadPacket, sender: Sender) -> None:
        refused = self.counters.refused
        refused[error.kind] = refused.get(error.kind, 0) + 1
        if _is_local(sender.host):
            self._complain(sender, "/", str(error), error.code)

    def _complain(self, sender: Sender, command: str, said: str, code: str) -> None:
        if self._complaints.take(sender):
            self.send(sender, FAIL, command, said, code)
        else:
            self.counters.held_back += 1

    def _cut(
        self, to: Sender, datagram: bytes, address: str, arguments: tuple[int | float | str, ...]
    ) -> bytes:
        most = LONGEST_REPLY if _is_local(to.host) else LONGEST_REPLY_AWAY
        if len(datagram) <= most:
            return datagram
        self.counters.too_long += 1
        about = arguments[0] if address in (DONE, FAIL) else address
        said = f"the reply has {len(datagram)} bytes and {most} fit: ask for less, or over ZeroMQ."
        return write(FAIL, str(about)[:255], said, "too_long")

    def _may_send(self, to: Sender, length: int, spare: bool) -> bool:
        assert self._transport is not None
        # typeshed leaves out what each loop's transport has
        if self._transport.get_write_buffer_size() > _MOST_UNSENT:  # type: ignore[attr-defined]
            return False
        if _is_local(to.host) or any(known.host == to.host for known in self._subscribers):
            return True
        credit = self._credits.get(_ip(to.host))
        return credit is not None and credit.spend(length, spare=spare)


async def open_endpoint(host: str, port: int, endpoint: Endpoint) -> asyncio.DatagramTransport:
    """Put `endpoint` on a socket of its own; closing the transport ends both.

    `host`: an IP address of this machine or ``localhost``; `port`: 0 to 65535, 0 for any that is free
    (``endpoint.own`` says which). Raises BadRequest where other machines reach `host` and the endpoint allows
    none of them; PortTaken; FoleydError where the system refuses for another reason.
    """
    bound = str(_address("127.0.0.1" if host == "localhost" else host, "osc-bind"))
    if not 0 <= port <= 65_535:
        raise BadRequest(f"the OSC port is {port}: give 0 to 65535.")
    if not (_is_local(bound) or endpoint.allows_others):
        raise BadRequest(
            f"osc-bind is {bound}, which other machines reach: name those that may talk with osc-allow."
        )
    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: endpoint, local_addr=(bound, port)
        )
    except OSError as error:
        raise _refusal(error, bound, port) from None
    return transport


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=1024)
def _ip(host: str) -> _Ip:
    """The address, an IPv4 one where it came in IPv6's clothes. Raises ValueError."""
    found = ipaddress.ip_address(host)
    return getattr(found, "ipv4_mapped", None) or found


@lru_cache(maxsize=1024)
def _is_local(host: str) -> bool:
    return _ip(host).is_loopback


def _address(host: str, name: str) -> _Ip:
    try:
        return _ip(host)
    except ValueError:
        raise BadRequest(f"{name} is {host!r}: give an IP address, such as 192.168.1.20.") from None


def _refusal(error: OSError, host: str, port: int) -> FoleydError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"UDP port {port} on {host} is taken by another program, perhaps a foleyd that runs: end it, or "
            "choose another port for OSC."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return FoleydError(f"{host} is no address of this machine: give one that it has for OSC.")
    if error.errno == errno.EACCES:
        return FoleydError(f"this system keeps UDP port {port} for itself: choose one above 1023 for OSC.")
    return FoleydError(
        f"OSC cannot listen on {host}, port {port} ({error.strerror or error}): choose another port for OSC."
    )
