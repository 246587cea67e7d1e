"""MIDI over JACK, by JACK's own library.

RtMidi reaches JACK too. It makes a client for every port and takes the port away before the client, while
the library may be walking over the client's ports on another thread (``JackClient::PortUnRegister`` and
``HandleLatencyCallback``): now and then the process dies of a controller that is unplugged. This is one
client, whose ports stay as long as it does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from foleyd_live import jacknative
from foleyd_live.jackevents import MOST_PORTS, Rings
from foleyd_live.jacklibrary import (
    IS_INPUT,
    IS_OUTPUT,
    MIDI,
    address,
    close_client,
    ffi,
    library,
    open_client,
    ports,
)
from foleyd_live.midi_system import CLIENT, Arrived, NoMidi, Port

POLL_S = 0.001
"""How often messages are fetched."""
SETTLED_S = 1.0
"""How long a connection may take to count, and what was sent may take to go."""


class JackMidi:
    """A client with MIDI inputs and outputs of these names, at most 16 of each.

    What it hears of a device and what it sends to the same one are a loop to JACK, which closes it a block
    later.
    """

    def __init__(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Raises NoMidi where there is no server, it has no room, or there are too many names."""
        if max(len(inputs), len(outputs)) > MOST_PORTS:
            raise NoMidi(f"there are more than {MOST_PORTS} MIDI ports of a kind: ask for fewer.")
        self._library = library()
        # a client asks its server one thing at a time
        self._asking = threading.Lock()
        self._gone = np.zeros(1, np.int64)
        self._client = open_client(name, self._gone)
        if not self._client:
            raise NoMidi("no JACK server is running (start one).")
        try:
            self._ports = {
                "in": [self._port(one, IS_INPUT) for one in inputs],
                "out": [self._port(one, IS_OUTPUT) for one in outputs],
            }
            self._rings = Rings(
                int(self._library.jack_get_sample_rate(self._client)),
                [address(port) for port in self._ports["in"]],
                [address(port) for port in self._ports["out"]],
            )
            self._library.jack_on_shutdown(self._client, *jacknative.flag(self._gone))
            self._library.jack_set_process_callback(self._client, *self._rings.process)
            if self._library.jack_activate(self._client):
                raise NoMidi("the JACK server takes no client: restart it.")
        except BaseException:
            close_client(self._client)
            raise

    def _port(self, name: str, direction: int) -> Any:
        port = self._library.jack_port_register(self._client, name.encode(), MIDI, direction, 0)
        if not port:
            raise NoMidi("the JACK server has no room for more ports: ask for fewer.")
        return port

    @property
    def gone(self) -> bool:
        """Whether the server has ended."""
        return bool(self._gone[0])

    def names(self, side: str) -> list[str]:
        """The names of all ports that messages come from (`side` is ``in``) or go to (``out``)."""
        return ports(self._client, IS_OUTPUT if side == "in" else IS_INPUT, kind=MIDI)

    def connect(self, side: str, number: int, other: str) -> None:
        """Connect an input (``in``) or output (``out``) of ours to another port; what is sent from then on
        arrives. Raises NoMidi."""
        port, ends = self._ends(side, number, other)
        with self._asking:
            if not self._leads(port, other) and self._library.jack_connect(self._client, *ends):
                raise NoMidi(f"JACK does not connect {other}.")
        # a connection counts from one of the next blocks on
        if not self._soon(lambda: self._leads(port, other)):
            self.disconnect(side, number, other)
            raise NoMidi(f"JACK does not connect {other} in time.")

    def connected(self, side: str, number: int, other: str) -> bool:
        """Whether a port of ours is connected to another one."""
        return not self.gone and self._leads(self._ports[side][number], other)

    def disconnect(self, side: str, number: int, other: str) -> None:
        """Undo it; `other` may be gone."""
        if not self.gone:
            _, ends = self._ends(side, number, other)
            with self._asking:
                self._library.jack_disconnect(self._client, *ends)

    def _leads(self, port: Any, other: str) -> bool:
        return bool(self._library.jack_port_connected_to(port, other.encode()) == 1)

    def _ends(self, side: str, number: int, other: str) -> tuple[Any, tuple[Any, Any]]:
        """A port of ours, and a connection with it: where it comes from, where it goes to."""
        port = self._ports[side][number]
        own = self._library.jack_port_name(port)
        return port, ((other.encode(), own) if side == "in" else (own, other.encode()))

    def take(self) -> list[tuple[int, bytes, float]]:
        """What came since: the number of the input, the message, and when (as :func:`time.time`)."""
        taken = self._rings.take()
        if not taken:
            return []
        zero = time.time() - self._library.jack_get_time() / 1e6
        return [(port, message, zero + when / 1e6) for port, message, when in taken]

    def send(self, number: int, message: bytes) -> None:
        """Send a message on an output. Raises NoMidi."""
        if self.gone or not self._rings.put(number, message):
            raise NoMidi("the JACK server takes no messages.")

    def _soon(self, so: Callable[[], bool]) -> bool:
        """Whether `so` comes true while the server is there, and in time."""
        deadline = time.monotonic() + SETTLED_S
        while not so():
            if self.gone or time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def close(self) -> None:
        """Leave the server once all that was sent has gone, or what the server left behind."""
        if self._soon(lambda: not self._rings.waiting):
            # it is read where it goes in the block in which it went, or in the next
            read = self._rings.blocks + 2
            self._soon(lambda: self._rings.blocks >= read)
        client, self._client = self._client, ffi.NULL
        if client:
            close_client(client)
            self._gone[0] = 1


class JackSystem:
    """JACK as a MIDI system: see :class:`foleyd_live.midi_system.System`."""

    def __init__(self, wanted: Mapping[str, Sequence[str]], arrived: Arrived) -> None:
        """With a port for each of the `wanted` names. Raises NoMidi."""
        self._wanted, self._arrived = wanted, arrived
        self._jack = JackMidi(CLIENT, _own("in", wanted["in"]), _own("out", wanted["out"]))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="foleyd midi", daemon=True)
        if wanted["in"]:
            self._thread.start()

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return self._jack.gone

    def names(self, side: str) -> list[str]:
        """The ports of all programs that can be heard (``in``) or played (``out``)."""
        return self._jack.names(side)

    def open(self, side: str, wanted: str, name: str | None) -> Port:
        """Connect the port of a wanted name, to nothing where `name` is None. Raises NoMidi."""
        number = self._wanted[side].index(wanted)
        if name is not None:
            self._jack.connect(side, number, name)
        return _JackPort(self._jack, side, number, name)

    def close(self) -> None:
        """Leave it."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._jack.close()

    def _run(self) -> None:
        names = self._wanted["in"]
        while not self._ended.wait(POLL_S):
            for number, message, at in self._jack.take():
                self._arrived(message, at, names[number])


class _JackPort:
    """A port that is connected."""

    def __init__(self, jack: JackMidi, side: str, number: int, other: str | None) -> None:
        self._jack, self._side, self._number, self._other = jack, side, number, other

    @property
    def connected(self) -> bool:
        return self._other is None or self._jack.connected(self._side, self._number, self._other)

    def send(self, message: bytes) -> None:
        self._jack.send(self._number, message)

    def close(self) -> None:
        if self._other is not None:
            self._jack.disconnect(self._side, self._number, self._other)


def _own(side: str, wanted: Sequence[str]) -> list[str]:
    """The names of ports of ours."""
    return [f"pads {side}" + (f" {number + 1}" if number else "") for number in range(len(wanted))]
