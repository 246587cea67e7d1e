"""The host as a client of a JACK server, by JACK's own library.

PortAudio reaches JACK too, and everything else goes through it, but it cannot outlive a server: once that is
gone, closing the stream waits for ten minutes and then ends the process (PortAudio 19.6 and 19.7,
``pa_jack.c``: ``RealStop`` waits for a callback that never comes, ``CleanUpStream`` asserts that ports can
still be unregistered). A client of the library itself closes and opens again, at another rate too. It also
tells when the server missed a deadline, and when a block is heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foleyd_live import jackcallback, jacknative
from foleyd_live import memory as m
from foleyd_live.desk import Desk
from foleyd_live.devices import NoDevice
from foleyd_live.jacklibrary import (
    AUDIO,
    IS_INPUT,
    IS_OUTPUT,
    PLAYBACK,
    address,
    close_client,
    ffi,
    library,
    open_client,
    terminals,
)
from foleyd_live.numpy_block import NumpyBlock

NAME = "foleyd"
"""What other programs see the host as."""


class JackStream:
    """The desk as a client with so many ports, connected to the terminals of one card."""

    def __init__(self, desk: Desk, card: str, outputs: int, inputs: int) -> None:
        """Raises NoDevice where there is no server, or no such card."""
        self._library = library()
        self._shut = np.zeros(1, np.int64)
        self._client = open_client(NAME, self._shut) if self._library else None
        if not self._client:
            raise NoDevice("no JACK server is running: start one, or choose another audio system.")
        try:
            found = [one for one in terminals(self._client) if one.name == card]
            if not found:
                raise NoDevice(f"the JACK server has no {card!r}: choose another device.")
            self._terminals = found[0]
            self.rate = int(self._library.jack_get_sample_rate(self._client))
            self._outputs = [self._port(f"out_{n + 1}", IS_OUTPUT) for n in range(outputs)]
            self._inputs = [self._port(f"in_{n + 1}", IS_INPUT) for n in range(inputs)]
            self._listen(desk)
            self._process(desk)
        except BaseException:
            close_client(self._client)
            raise

    def _port(self, name: str, direction: int) -> Any:
        port = self._library.jack_port_register(self._client, name.encode(), AUDIO, direction, 0)
        if not port:
            raise NoDevice("the JACK server has no room for more ports: ask for fewer outputs.")
        return port

    def _listen(self, desk: Desk) -> None:
        at = m.S_UNDERRUNS
        self._library.jack_on_shutdown(self._client, *jacknative.flag(self._shut))
        self._library.jack_set_xrun_callback(self._client, *jacknative.counter(desk.memory.s[at : at + 1]))

    def _process(self, desk: Desk) -> None:
        if desk.mixer.name == "numba":
            self._links = jackcallback.links(
                desk.mixer,
                address(self._client),
                [address(port) for port in self._outputs],
                [address(port) for port in self._inputs],
            )
            call = ffi.cast("int (*)(uint32_t, void *)", jackcallback.callback.address)
            data = ffi.cast("void *", self._links.memory.ctypes.data)
        else:
            self._python = jacknative.PythonProcess(self._in_python(NumpyBlock(desk)))
            call, data = self._python.call, self._python.data
        self._library.jack_set_process_callback(self._client, call, data)

    def _in_python(self, block: NumpyBlock) -> Callable[[int], None]:
        out = np.zeros((m.MOST_BLOCK, max(1, len(self._outputs))), np.float32)
        sound = np.zeros((m.MOST_BLOCK, max(1, len(self._inputs))), np.float32)

        def buffer(port: Any, frames: int) -> Any:
            memory = self._library.jack_port_get_buffer(port, frames)
            return np.frombuffer(ffi.buffer(memory, frames * 4), np.float32)

        def process(frames: int) -> None:
            for column, port in enumerate(self._inputs):
                sound[:frames, column] = buffer(port, frames)
            block.run(out[:frames], sound[:frames], self._since_cycle() + self._latency_s)
            for column, port in enumerate(self._outputs):
                buffer(port, frames)[:] = out[:frames, column]

        self._times = (ffi.new("uint32_t *"), ffi.new("uint64_t[2]"), ffi.new("float *"))
        return process

    def _since_cycle(self) -> float:
        """Seconds from now to the beginning of this cycle: below zero."""
        frames, times, period = self._times
        library = self._library
        if library.jack_get_cycle_times(self._client, frames, times, times + 1, period):
            return 0.0
        return float(times[0] - library.jack_get_time()) / 1e6

    def start(self) -> None:
        """Begin to be called, and connect to the card. Raises NoDevice."""
        library = self._library
        if library.jack_activate(self._client):
            raise NoDevice("the JACK server does not take a client: restart it.")
        for port, target in zip(self._outputs, self._terminals.outputs, strict=False):
            library.jack_connect(self._client, library.jack_port_name(port), target.encode())
        for port, source in zip(self._inputs, self._terminals.inputs, strict=False):
            library.jack_connect(self._client, source.encode(), library.jack_port_name(port))
        self.refresh()

    def refresh(self) -> None:
        """Ask again how long a block takes to be heard: it depends on what the ports are connected to."""
        ranges = ffi.new("jack_latency_range_t *")
        if self._outputs:
            self._library.jack_port_get_latency_range(self._outputs[0], PLAYBACK, ranges)
        self._latency_s = ranges.max / self.rate
        if self._links is not None:
            self._links.set_latency(self._latency_s)

    _latency_s = 0.0
    _links: Any = None
    _python: jacknative.PythonProcess | None = None

    @property
    def latency_s(self) -> float:
        """Seconds from the beginning of a cycle until its first frame is heard."""
        return self._latency_s

    @property
    def block(self) -> int:
        """Frames of a cycle."""
        return 0 if self._shut[0] else int(self._library.jack_get_buffer_size(self._client))

    @property
    def active(self) -> bool:
        """Whether the server is still there."""
        return not self._shut[0]

    def close(self) -> None:
        """Leave the server, or what it left behind."""
        client, self._client = self._client, ffi.NULL
        if client:
            self._shut[0] = 1
            close_client(client)
            if self._python is not None:
                self._python.close()
