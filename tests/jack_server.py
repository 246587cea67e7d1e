"""A real JACK server without a sound card, and clients that hear exactly what is played on it, and play."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

import jack
import numpy as np
import numpy.typing as npt

import programs
from foleyd_live import jacklibrary

PATIENCE_S = 120.0
_names = itertools.count()

Samples = npt.NDArray[np.float32]


def wait(so: Callable[[], object], what: str) -> None:
    """Return once `so` is true. Fails the test where that does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


class Server:
    """A ``jackd`` with the dummy driver. `environment` leads to it; in this process it is set while it
    lives.

    It runs in step with its clients, so that a slow machine makes it late and loses nothing.
    """

    def __init__(
        self, rate: int = 48_000, block: int = 256, channels: int = 4, *, realtime: bool = False
    ) -> None:
        self.name = f"foleyd-test-{os.getpid()}-{next(_names)}"
        self.rate, self.block, self.channels = rate, block, channels
        self.environment = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        self._priority = "--realtime" if realtime else "--no-realtime"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, rate: int | None = None) -> None:
        """Start it, and return when clients can open."""
        self.rate = rate or self.rate
        driver = f"-d dummy -r {self.rate} -p {self.block} -P {self.channels} -C {self.channels}".split()
        program = programs.find("jackd", "jackd2")
        self._process = subprocess.Popen(
            [program, self._priority, "--sync", "--timeout", "20000", "-n", self.name, *driver],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "JACK_NO_AUDIO_RESERVATION": "1"},
        )
        wait(self._answers, "jackd does not answer")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "jackd has ended"
        try:
            jack.Client("ready", no_start_server=True, servername=self.name).close()
        except jack.JackOpenError:
            return False
        return True

    def stop(self, *, crash: bool = False) -> None:
        """End it, as a crash would where that is asked for."""
        if self._process is None:
            return
        if crash:
            self._process.kill()
        else:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


@contextlib.contextmanager
def served(
    rate: int = 48_000, block: int = 256, channels: int = 4, *, realtime: bool = False
) -> Iterator[Server]:
    """A server for the length of a block, and this process's default one."""
    jack.set_error_function(lambda message: None)
    jack.set_info_function(lambda message: None)
    server = Server(rate, block, channels, realtime=realtime)
    before = {name: os.environ.get(name) for name in server.environment}
    os.environ.update(server.environment)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class _Client:
    """A client of `server`, with the block it is made for."""

    def __init__(self, server: Server, name: str) -> None:
        self._client = jack.Client(name, no_start_server=True, servername=server.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.deactivate()
        self._client.close()

    def _found(self, pattern: str, count: int, *, is_output: bool) -> list[jack.Port]:
        ports: list[jack.Port] = []

        def enough() -> bool:
            found = self._client.get_ports(
                pattern, is_audio=True, is_output=is_output, is_input=not is_output
            )
            ports[:] = found
            return len(ports) >= count

        wait(enough, f"no {count} ports {pattern} appear on the server")
        return ports[:count]


class _Times:
    """When cycles begin, as the server estimates it."""

    def __init__(self, client: jack.Client) -> None:
        self._jack = jacklibrary.library()
        self._client = jacklibrary.ffi.cast("void *", int(jack._ffi.cast("uintptr_t", client._ptr)))
        new = jacklibrary.ffi.new
        self._out = (new("uint32_t *"), new("uint64_t *"), new("uint64_t *"), new("float *"))

    def now(self) -> float:
        """Of this cycle, in seconds of :func:`time.monotonic`."""
        self._jack.jack_get_cycle_times(self._client, *self._out)
        # the server's clock is another one: only how long ago it was can be taken from it
        return time.monotonic() - (self._jack.jack_get_time() - self._out[1][0]) / 1e6


class Recorder(_Client):
    """Hears the output ports of the host's client, sample by sample. A context manager.

    :meth:`time_of` says when, by the server's clock.
    """

    def __init__(self, server: Server, channels: int, seconds: float) -> None:
        super().__init__(server, "recorder")
        self._heard = np.zeros((int(seconds * server.rate), channels), np.float32)
        self._count = 0
        self._began: list[tuple[int, float]] = []
        times = _Times(self._client)
        ports = [self._client.inports.register(f"in_{number}") for number in range(channels)]

        @self._client.set_process_callback
        def process(frames: int) -> None:
            begin, end = self._count, min(self._count + frames, len(self._heard))
            self._began.append((begin, times.now()))
            for channel, port in enumerate(ports):
                self._heard[begin:end, channel] = port.get_array()[: end - begin]
            self._count = end

        self._client.activate()
        for port, source in zip(ports, self._found(".*:out_", channels, is_output=True), strict=True):
            self._client.connect(source, port)
        # a connection counts from one of the next cycles on
        connected = self._count
        wait(lambda: self._count >= connected + 8 * server.block, "the server has stopped")

    @property
    def heard(self) -> Samples:
        """What was heard so far, `[frames, channels]`."""
        return self._heard[: self._count]

    def time_of(self, place: int) -> float:
        """When the cycle of a place in `heard` came to it, in seconds since 1970."""
        begin, seconds = max((one for one in self._began if one[0] <= place), key=lambda one: one[0])
        return seconds + (place - begin) / self._client.samplerate + time.time() - time.monotonic()

    def until(self, frames: int) -> Samples:
        """Wait until so many frames were heard."""
        wait(lambda: self._count >= frames, "the server has stopped")
        return self.heard

    def after(self, first: Samples, frames: int) -> Samples:
        """Wait for the sample `first` `[channels]`, and so many frames from it on."""
        columns = len(first)

        def place() -> int:
            found = np.flatnonzero((self.heard[:, :columns] == first).all(axis=1))
            return int(found[0]) if len(found) else -1

        wait(lambda: 0 <= place() <= self._count - frames, "what is waited for is not heard")
        begin = place()
        return self.heard[begin : begin + frames].copy()


class Player(_Client):
    """Plays `samples` `[frames, channels]` into the input ports of the host's client, once it is told to."""

    def __init__(self, server: Server, samples: Samples) -> None:
        super().__init__(server, "player")
        self._samples = samples
        self._at = -1
        channels = samples.shape[1]
        ports = [self._client.outports.register(f"play_{number}") for number in range(channels)]

        @self._client.set_process_callback
        def process(frames: int) -> None:
            at = self._at
            part = self._samples[at : at + frames] if at >= 0 else self._samples[:0]
            for channel, port in enumerate(ports):
                buffer = port.get_array()
                buffer[:] = 0.0
                buffer[: len(part)] = part[:, channel]
            if at >= 0:
                self._at = at + frames

        self._client.activate()
        targets = self._found("foleyd.*:in_", channels, is_output=False)
        for port, target in zip(ports, targets, strict=True):
            self._client.connect(port, target)

    def play(self) -> None:
        """Begin."""
        self._at = 0

    @property
    def over(self) -> bool:
        """Whether all was played."""
        return self._at >= len(self._samples)
