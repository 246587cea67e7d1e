"""The two ends that ask a daemon and wait: plain blocking sockets, so that what is timed is the daemon."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import zmq

from foleyd import messages as m
from foleyd.errors import NoDaemon
from foleyd.messages import Message
from foleyd.wire import connection as connections
from foleyd.wire import envelope
from foleyd.wire.osc import Message as OscMessage
from foleyd.wire.osc import read, write

PATIENCE_S = 600
"""Seconds without a word, after which the daemon is taken to be gone."""
_LONGEST = 65_536
M = TypeVar("M", bound=Message)


class Asker:
    """A ZeroMQ client of the daemon whose connection file is at `path`, one request at a time. A context
    manager. Errors that the daemon answers with are raised."""

    def __init__(self, path: Path) -> None:
        connection = connections.read(path)
        self._signer = envelope.Signer(connection.key)
        self._session = secrets.token_hex(16)
        self._context = zmq.Context()
        self._shell = self._open(connection.address("shell"))
        self._control = self._open(connection.address("control"))
        self._results: dict[int, tuple[m.RenderResult, list[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.destroy(linger=0)

    def info(self) -> m.InfoReply:
        """The daemon says who it is."""
        return self._ask("info", m.InfoRequest(), m.InfoReply)[0]

    def models(self) -> m.ModelsReply:
        """The models that it has."""
        return self._ask("models", m.ModelsRequest(), m.ModelsReply)[0]

    def status(self) -> m.StatusReply:
        """The daemon's state, over control."""
        return self._ask("status", m.StatusRequest(), m.StatusReply, control=True)[0]

    def admit(self, recipe: Mapping[str, Any], count: int = 1) -> m.RenderReply:
        """Ask for a sound, and wait for the admission."""
        return self._ask("render", m.RenderRequest(recipe=dict(recipe), count=count), m.RenderReply)[0]

    def result(self, job: int) -> tuple[m.RenderResult, list[bytes]]:
        """Wait until a job has ended: its result and the samples."""
        while job not in self._results:
            self._take(self._shell)
        return self._results.pop(job)

    def clip(self, clip: str) -> list[bytes]:
        """The samples of a clip."""
        return self._ask("clip", m.ClipRequest(clip=clip), m.ClipReply)[1]

    def cancel(self, job: int) -> m.CancelReply:
        """Stop a job, over control."""
        return self._ask("cancel", m.CancelRequest(jobs=(job,)), m.CancelReply, control=True)[0]

    def _open(self, address: str) -> zmq.Socket[bytes]:
        made = self._context.socket(zmq.DEALER)
        made.connect(address)
        return made

    def _ask(
        self, name: str, request: Message, kind: type[M], *, control: bool = False
    ) -> tuple[M, list[bytes]]:
        line = self._control if control else self._shell
        header = envelope.new_header(self._session, f"{name}_request")
        line.send_multipart(self._signer.pack(header, msgspec.json.encode(request)))
        while True:
            parcel, parent, is_result = self._take(line)
            if parent == header.msg_id and not is_result:
                return envelope.read_reply(parcel.content, kind), list(parcel.buffers)

    def _take(self, line: zmq.Socket[bytes]) -> tuple[envelope.Parcel, str, bool]:
        """The next message, the id of what it answers, and whether it is a job's result, which is put by."""
        if not line.poll(PATIENCE_S * 1000):
            raise NoDaemon("The daemon no longer answers: see its log.")
        parcel = envelope.split(line.recv_multipart())
        is_result = envelope.read_header(parcel.header).msg_type == "render_result"
        if is_result:
            told = msgspec.json.decode(parcel.content, type=m.RenderResult)
            self._results[told.job_id] = told, list(parcel.buffers)
        return parcel, envelope.read_header(parcel.parent).msg_id, is_result


class OscAsker:
    """An OSC program that talks to a daemon at `address` (host, port). A context manager."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._socket.settimeout(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, address: str, *arguments: int | float | str) -> None:
        """Send a message."""
        self._socket.send(write(address, *arguments))

    def until(self, so: Callable[[OscMessage], bool]) -> OscMessage:
        """The next message that is so; those before it are dropped. Raises NoDaemon."""
        while True:
            try:
                datagram = self._socket.recv(_LONGEST)
            except (TimeoutError, ConnectionError) as error:
                raise NoDaemon("The daemon no longer answers: see its log.") from error
            for timed in read(datagram):
                if so(timed.message):
                    return timed.message
