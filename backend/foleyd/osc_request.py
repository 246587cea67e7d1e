"""One program's side of a render over OSC, as any OSC host does it: send a message, read what comes back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from foleyd.errors import FoleydError, from_code
from foleyd.wire.osc import Message, read, write

LONGEST = 65_536
SILENCE_S = 120.0
"""Seconds without a word, after which the daemon is taken to be gone."""


class OscRequests:
    """A UDP socket that talks to a daemon at `address` (host, port). A context manager."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._socket.settimeout(SILENCE_S)
        self._waiting: list[Message] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def render(
        self,
        number: int,
        prompt: str,
        progress: Callable[[int, int], None],
        **pairs: int | float | str,
    ) -> tuple[str, str]:
        """Ask for a sound by the client's own job `number` and wait for it: the clip's id and its path.

        `progress` gets steps done and steps in all. Raises the error that the daemon names.
        """
        flat = [part for pair in pairs.items() for part in pair]
        self.send("/foleyd/render", number, prompt, *flat)
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            message = self._next()
            match message.address, message.arguments:
                case "/foleyd/progress", (job, int(step), int(steps), *_) if job == number:
                    progress(step, steps)
                    deadline = time.monotonic() + SILENCE_S
                case "/done", ("/foleyd/render", job, str(clip), str(path), *_) if job == number:
                    return clip, path
                case "/fail", ("/foleyd/render", str(said), job, str(code), *_) if job == number:
                    raise from_code(code, said)
        raise FoleydError("The daemon no longer answers: see its log.")

    def done(self, address: str, *arguments: int | float | str) -> tuple[object, ...]:
        """Send a command and wait for its ``/done``: what that carries. Raises what ``/fail`` says."""
        return next(
            said.arguments[1:]
            for said in self._replies(address, arguments)
            if said.address == "/done" and said.arguments[:1] == (address,)
        )

    def send(self, address: str, *arguments: int | float | str) -> None:
        """Send a message that has no answer where it works."""
        self._socket.send(write(address, *arguments))

    def heard(self) -> tuple[Any, ...]:
        """The next message that comes: its address and its arguments."""
        message = self._next()
        return (message.address, *message.arguments)

    def asked(self, address: str, *arguments: int | float | str) -> tuple[Any, ...]:
        """Send a query and wait for the answer on its own address, or on that with ``.reply``. Raises what
        ``/fail`` says."""
        own = (address, f"{address}.reply")
        return next(said.arguments for said in self._replies(address, arguments) if said.address in own)

    def _replies(self, address: str, arguments: Sequence[int | float | str]) -> Iterator[Message]:
        """What comes after a message was sent, without end; raises what ``/fail`` says of it."""
        self.send(address, *arguments)
        while True:
            message = self._next()
            match message.address, message.arguments:
                case "/fail", (str(command), str(said), *_, str(code)) if command == address:
                    raise from_code(code, said)
            yield message

    def _next(self) -> Message:
        if not self._waiting:
            try:
                datagram = self._socket.recv(LONGEST)
            except (TimeoutError, ConnectionError) as error:
                raise FoleydError("The daemon no longer answers: see its log.") from error
            self._waiting = [timed.message for timed in read(datagram)]
        return self._waiting.pop(0)
